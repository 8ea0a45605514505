"""Name -> component, imported when asked for. A file is the registration.

It does not know what it registers. A package's public modules are its names; each module ends with one
attribute that holds the component, for instance ``ADAPTER = HuggingFaceAdapter``.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Generic, TypeVar, cast

from jptextclf.errors import ConfigError
from jptextclf.messages import did_you_mean, listing

T = TypeVar("T")


class Registry(Generic[T]):
    """The components of one package.

    :param kind: what a component is called in an error, such as ``"adapter"``
    :param package: dotted name of the package whose public modules are the names
    :param attribute: the module attribute that holds the component
    """

    def __init__(self, kind: str, package: str, attribute: str) -> None:
        self.kind = kind
        self.package = package
        self.attribute = attribute

    def names(self) -> list[str]:
        """All names, sorted; nothing is imported but the package itself."""
        path = import_module(self.package).__path__
        return sorted(info.name for info in pkgutil.iter_modules(path) if not info.name.startswith("_"))

    def get(self, name: str) -> T:
        """The component of that name.

        :raises ConfigError: there is none (``JPT-U001``, with the closest name)
        """
        known = self.names()
        if name not in known:
            raise ConfigError(
                "U001", kind=self.kind, name=name, known=listing(known), hint=did_you_mean(name, known)
            )
        return cast("T", getattr(import_module(f"{self.package}.{name}"), self.attribute))
