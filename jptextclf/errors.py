"""One tree of errors; each has a code that names its sentence and an exit status.

It knows no subject: what a code says stands in the catalogue (:mod:`jptextclf.messages`).

::

    JptextclfError           1   anything this package raises on purpose
    ├── WorkError            1   JPT-W…  training, evaluation or writing failed
    ├── ConfigError          2   JPT-U…  an option, a configuration or a call is wrong
    ├── DataError            3   JPT-D…  the data cannot be read as they are
    ├── SetupError           4   JPT-E…  model, dictionary, package, GPU or network is missing
    └── LicenseError       5, 6  JPT-L…  a licence needs review (5), or the use is blocked (6)

Statuses 130 and 143 (SIGINT, SIGTERM) belong to the command line.
"""

from __future__ import annotations

from typing import ClassVar

from jptextclf import messages


class JptextclfError(Exception):
    """Base of all errors of this package.

    :param code: letter and number, such as ``"D012"``; shown as ``JPT-D012``
    :param fields: values for the sentence of that code
    """

    exit_status: int = 1
    letter: ClassVar[str] = "W"
    is_told: bool = False
    """Another process of the same work tells the person; this one need not."""

    def __init__(self, code: str, /, **fields: object) -> None:
        if not code.startswith(self.letter):
            raise TypeError(f"{type(self).__name__} wants a code with {self.letter!r}, got {code!r}")
        super().__init__(code, fields)
        self.code = f"JPT-{code}"
        self.fields = fields
        self._key = code

    @property
    def message(self) -> str:
        """What was found and what was expected, in the language of now."""
        return messages.text(f"{self._key}.message", **self.fields)

    @property
    def hint(self) -> str:
        """What to do; empty where there is nothing to add."""
        key = f"{self._key}.hint"
        return messages.text(key, **self.fields) if messages.has(key) else ""

    def __str__(self) -> str:
        return f"{self.code} {self.message}" + (f"\n  {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self._key, self.fields)


def _rebuild(cls: type[JptextclfError], code: str, fields: dict[str, object]) -> JptextclfError:
    return cls(code, **fields)


class WorkError(JptextclfError):
    """The work itself failed: training, evaluation or writing."""


class ConfigError(JptextclfError, ValueError):
    """An option, a configuration file or a call is wrong."""

    exit_status = 2
    letter = "U"


class DataError(JptextclfError, ValueError):
    """The data cannot be read as they are; nothing was written."""

    exit_status = 3
    letter = "D"


class SetupError(JptextclfError):
    """Something outside the data is missing: model, dictionary, package, GPU, network."""

    exit_status = 4
    letter = "E"


class LicenseError(JptextclfError):
    """A verdict, or a duty that nobody has taken on, stands against what was asked for; nothing was written.

    :param verdict: ``blocked`` gives the exit status 6, everything else 5
    """

    exit_status = 5
    letter = "L"

    def __init__(self, code: str, /, *, verdict: str = "needs-review", **fields: object) -> None:
        super().__init__(code, verdict=str(verdict), **fields)
        if str(verdict) == "blocked":
            self.exit_status = 6
