"""A run, and what it is loaded from.

Its methods are the functions of this package with the run as their first argument.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jptextclf.baselines import Verdict
from jptextclf.bundle import Bundle, RunPrecision, open_bundle
from jptextclf.evaluation import Evaluation
from jptextclf.messages import listing, text
from jptextclf.pages.document import fragment
from jptextclf.pages.html import Html, foreign, notice, paragraph, together
from jptextclf.pages.html import table as page_table
from jptextclf.prediction import OnTooLong, Prediction, Predictor

if TYPE_CHECKING:
    from jptextclf.baselines import Comparison
    from jptextclf.drift import Drift
    from jptextclf.explanation import Explained
    from jptextclf.exporters import Checked, Export, Push
    from jptextclf.labels import LabelSchema
    from jptextclf.run_report import ReportFiles

Data = (
    str
    | os.PathLike[str]
    | tuple[Sequence[str], Sequence[Any]]
    | tuple[Sequence[str], Sequence[Any], Mapping[str, Any]]
)
"""A file, a directory, a corpus name, a hub data set id with ``@revision``, ``(texts, labels)``, or
``(texts, labels, columns)`` with columns as a mapping from names to lists."""


@dataclass(frozen=True)
class Run:
    """A trained model in its directory."""

    bundle: Bundle
    device: str = "auto"
    comparison: Comparison | None = None
    """The model beside the baselines, right after training; later it stands in the record."""

    @property
    def path(self) -> Path:
        return self.bundle.path

    @property
    def schema(self) -> LabelSchema:
        return self.bundle.schema

    @property
    def scores(self) -> dict[str, Any]:
        """Scores of each evaluated split, as the run recorded them."""
        scores: dict[str, Any] = self.bundle.record["scores"]
        return scores

    @cached_property
    def predictor(self) -> Predictor:
        """The model, loaded when first asked for."""
        return Predictor.of(self.bundle, self.device)

    def predict(
        self,
        texts: Sequence[str],
        *,
        columns: Mapping[str, Any] | None = None,
        on_too_long: OnTooLong = "truncate",
    ) -> Prediction:
        """Classify texts.

        :param columns: name -> a value for each text, where the run was trained with ``extra_columns``
        :raises ConfigError: columns are missing (``JPT-U125``), or the run knows none (``JPT-U126``)
        :raises TypeError: ``texts`` is one string, or an item of it is no string
        :raises DataError: a text is too long and ``on_too_long`` is ``error`` (``JPT-D042``)
        """
        if isinstance(texts, (str, Mapping)) or hasattr(texts, "columns"):
            raise TypeError(
                f"texts is one {type(texts).__name__}, expected a sequence of str: predict([text])"
            )
        return self.predictor.predict(list(texts), columns=columns, on_too_long=on_too_long)

    def evaluate(self, data: Data, **options: Any) -> Evaluation:
        """:func:`evaluate` of this run."""
        from jptextclf.api.judging import evaluate

        return evaluate(self, data, **options)

    def check_drift(self, data: Data | list[str], **options: Any) -> Drift:
        """:func:`check_drift` of this run."""
        from jptextclf.api.drifting import check_drift

        return check_drift(self, data, **options)

    def explain(self, texts: Sequence[str], **options: Any) -> Explained:
        """:func:`explain` of this run."""
        from jptextclf.api.judging import explain

        return explain(self, texts, **options)

    def license_check(self, use: str | None = None, **options: Any) -> Checked:
        """:func:`license_check` of this run, as it lies on the disk."""
        from jptextclf.api.leaving import license_check

        return license_check(self.path, use, **options)

    def _repr_html_(self) -> str:
        """For a notebook: what it is, how good it is, and that it may not be handed on as it is."""
        record = self.bundle.record
        parts: list[object] = [
            paragraph(Html(text(
                "run.line", name=foreign(self.path.name), encoder=foreign(record["encoder"]["name"]),
                labels=foreign(listing(self.schema.names, 20)),
            )))
        ]  # fmt: skip
        for split, scores in self.scores.items():
            rows = Evaluation.from_json(scores).table()
            caption = text("run.scores", split=text(f"words.{split}"), n=scores["n_texts"])
            cells = [[one.title, f"{one.score:.3f}", f"{one.low:.3f} – {one.high:.3f}"] for one in rows]
            names = [text(f"evaluation.{name}") for name in ("metric", "score", "interval")]
            parts.append(page_table(names, cells, caption=caption))
        verdict = Verdict.from_json(record["baselines"]["verdict"])
        parts.append(notice(str(verdict), kind="warning" if verdict.is_warning else "ok"))
        parts.append(paragraph(text("run.not_reviewed"), soft=True))
        return fragment(together(*parts))

    def report(self, data: Data | None = None, **options: Any) -> ReportFiles:
        """:func:`report` of this run."""
        from jptextclf.api.judging import report

        return report(self, data, **options)

    def export(self, out: str | os.PathLike[str], **options: Any) -> Export:
        """:func:`export` of this run."""
        from jptextclf.api.leaving import export

        return export(self, out, **options)

    def push(self, repo: str, **options: Any) -> Push:
        """:func:`push` of this run."""
        from jptextclf.api.leaving import push

        return push(self, repo, **options)


def load(path: str | os.PathLike[str], *, device: str = "auto", precision: RunPrecision | None = None) -> Run:
    """Open a run directory or an export; every file is checked against its manifest, the model is read when first used.

    :param precision: of a run ``float32`` or ``bfloat16``, of an ONNX export ``float32`` or ``int8``; None is ``float32``
    :raises SetupError: it is no run directory, or damaged
    """
    return Run(replace(open_bundle(Path(path)), precision=precision), device)


def path_of(run: Run | str | os.PathLike[str]) -> Path:
    return run.path if isinstance(run, Run) else Path(run)


def name_of(data: Data) -> str:
    """What the data are called: a file or directory without its place, which belongs to this machine only."""
    if isinstance(data, tuple):
        return "memory"
    return Path(data).resolve().name if Path(data).exists() else os.fspath(data)
