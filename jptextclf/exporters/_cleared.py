"""Cleared: what a writer of exports has to be given, and what only the gate makes.

It holds what was judged. That nothing but :mod:`jptextclf.exporters.gate` makes one is tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jptextclf.bundle import Bundle
    from jptextclf.exporters.judging import Judged
    from jptextclf.exporters.onnx import OnnxReport
    from jptextclf.exporters.texts import Texts
    from jptextclf.subjects import Subject

KEY = object()
"""Of the gate."""


class Cleared:
    """A verdict that lets a run leave its working copy for one use."""

    __slots__ = ("conversions", "format", "judged", "subject", "texts")

    def __init__(
        self,
        key: object,
        *,
        subject: Subject,
        judged: Judged,
        format: str,  # noqa: A002 - the option's name
        texts: Texts,
    ) -> None:
        """
        :param format: of the export: ``huggingface`` or ``onnx``
        :param texts: of every licence that the export has to carry, and of its own
        :raises TypeError: somebody else than the gate asks
        """
        if key is not KEY:
            raise TypeError("only the gate clears an export: call jptextclf.exporters.export")
        self.subject = subject
        self.judged = judged
        self.format = format
        self.texts = texts
        self.conversions: tuple[OnnxReport, ...] = ()

    @classmethod
    def require(cls, given: object) -> None:
        """What a writer asks first.

        :raises TypeError: it was not given what the gate makes
        """
        if not isinstance(given, cls):
            raise TypeError(f"an export is written by the gate alone; got {type(given).__name__}")

    @property
    def bundle(self) -> Bundle:
        """The run, or the export, whose files are written."""
        if self.subject.bundle is None:
            raise TypeError(f"{self.subject.name} is a {self.subject.kind} without files")
        return self.subject.bundle
