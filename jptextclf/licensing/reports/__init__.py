"""Report writers: an assessment, and what it is about, as a document for people or for a tool.

Each public module is one format; what they share stands in the modules with an underscore. They know no rules:
whatever they say is in the assessment, the subject or the catalogue. Same input, same bytes.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, TypeAlias

from jptextclf import messages
from jptextclf.licensing.reports._subject import ReportSubject, SubjectFile
from jptextclf.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from jptextclf.licensing.assessment import Assessment

    Writer: TypeAlias = Callable[[Assessment, ReportSubject], str]

__all__ = ["FORMATS", "ReportSubject", "SubjectFile", "render"]

FORMATS: Registry[Writer] = Registry("report format", __name__, "REPORT")
"""``md``, ``html``, ``json``, ``spdx``, ``cyclonedx`` and ``notice``."""


def render(assessment: Assessment, subject: ReportSubject, *, format: str, language: str) -> str:  # noqa: A002
    """The report on an assessment, ending with a newline.

    :param format: a name of :data:`FORMATS`
    :param language: ``ja`` or ``en``, for this document only
    :raises ConfigError: there is no such format (``JPT-U001``)
    :raises ValueError: there is no such language
    """
    write = FORMATS.get(format)

    def in_language() -> str:
        messages.use_language(language)
        return write(assessment, subject)

    return copy_context().run(in_language)
