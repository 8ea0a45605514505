"""The software that a model was trained with, as components: what each package says of its own licence."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution

from jptextclf.errors import ConfigError
from jptextclf.licensing.components import NOASSERTION, Component, Evidence, spdx_expression

# What the trove classifiers of the packages below mean; others are ambiguous about the version.
_CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
}
# Free text that names one licence and its version beyond doubt.
_SPELLINGS = {"Apache 2.0 License": "Apache-2.0", "Apache License 2.0": "Apache-2.0", "MIT License": "MIT"}
TRAINING_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def software_components(packages: tuple[str, ...] = TRAINING_PACKAGES) -> list[Component]:
    """One component for each installed package of that name, in the order given."""
    found = []
    for package in packages:
        try:
            metadata = distribution(package)
        except PackageNotFoundError:
            continue
        license_id, statement = _declared(metadata)
        found.append(
            Component(
                role="software",
                name=package,
                relation="depends-on",
                license=license_id,
                revision=metadata.version,
                evidence=(Evidence(statement, file=f"{package}-{metadata.version}.dist-info/METADATA"),)
                if statement
                else (),
            )
        )
    return found


def _declared(package: Distribution) -> tuple[str, str]:
    """The licence that a package's metadata declare, and the line that says so."""
    lines: list[tuple[str, str]] = [
        (f"License-Expression: {value}", value)
        for value in package.metadata.get_all("License-Expression") or []
    ]
    lines += [
        (f"Classifier: {value}", _CLASSIFIERS[value])
        for value in package.metadata.get_all("Classifier") or []
        if value in _CLASSIFIERS
    ]
    lines += [
        (f"License: {value}", _SPELLINGS.get(value.strip(), value))
        for value in package.metadata.get_all("License") or []
        if len(value) < 60 and "\n" not in value
    ]
    for statement, expression in lines:
        try:
            return spdx_expression(expression), statement
        except ConfigError:
            # Free text such as "Apache": kept as evidence, not read as an id.
            continue
    return NOASSERTION, lines[0][0] if lines else ""
