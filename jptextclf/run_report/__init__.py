"""The report of a run: how good it is, where it is wrong, what is odd in the data, and whether it may be shipped.

Start reading here: what is measured stands in :mod:`~jptextclf.run_report.measuring`, what it amounts to without words in
:mod:`~jptextclf.run_report.content`, how it is shown in :mod:`~jptextclf.run_report.page`, and where it is written in
:mod:`~jptextclf.run_report.files`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jptextclf.atomic import RUN_RECORD, sha256_of
from jptextclf.calibration import reliability_of
from jptextclf.decisions.answers import Answers
from jptextclf.decisions.tuning import Tuned, workloads
from jptextclf.evaluation import label_intervals
from jptextclf.explanation import MOST_WORDS, explain_texts
from jptextclf.messages import text
from jptextclf.progress import Silent, phase
from jptextclf.run_report.content import Report
from jptextclf.run_report.files import ReportFiles, read_report, report_directory, write_again, write_report
from jptextclf.run_report.measuring import Measured
from jptextclf.word_spans import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from jptextclf.baselines import Comparison
    from jptextclf.bundle import Bundle
    from jptextclf.data.checks import DataCheck
    from jptextclf.data.examples import Examples
    from jptextclf.evaluation import Evaluation
    from jptextclf.prediction import Prediction, Predictor
    from jptextclf.progress import Progress
    from jptextclf.run_report.content import Example

__all__ = [
    "Report",
    "ReportFiles",
    "make_report",
    "read_report",
    "report_directory",
    "write_again",
    "write_report",
]

_EXPLAINED = 20
"""Errors whose words are weighed."""
_EXPLAINED_CHARACTERS = 150_000
"""That the model reads for it, all together: each word of a text is another text; of long ones fewer are weighed."""
_SHARES = tuple(number / 20 for number in range(11))
"""Of the texts that people look at, for which the accuracy of the others is shown."""
_MOST_LABELS = 200
"""Labels with an interval each."""


def make_report(
    bundle: Bundle,
    examples: Examples,
    references: NDArray[Any],
    prediction: Prediction,
    evaluation: Evaluation,
    *,
    split: str,
    source: str,
    created: str,
    comparison: Comparison | None = None,
    check: DataCheck | None = None,
    uncalibrated: NDArray[np.float32] | None = None,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
    history: Mapping[str, Any] | None = None,
    is_training: bool = False,
) -> Report:
    """Measure a run on texts that it has predicted.

    :param bundle: a run that is on the disk
    :param references: of the examples: ids ``(texts,)``, or a 0/1 matrix ``(texts, n_labels)``
    :param evaluation: the scores of this prediction
    :param split: what the texts are called
    :param source: what the data are called
    :param created: ISO date and time
    :param comparison: with the baselines, on these texts
    :param check: of all the data
    :param uncalibrated: probabilities before they were calibrated
    :param predictor: the run's, to weigh the words of its most confident errors; None: they are not weighed
    :param progress: of weighing them
    :param history: of the training, as its record has it
    :param is_training: whether these are the evaluation texts of the training itself
    """
    schema = bundle.schema
    measured = Measured(schema, examples, references, prediction)
    calibration = partial(reliability_of, references=references, is_multilabel=schema.is_multilabel)
    answers = Answers(schema, prediction.probabilities, references)
    tuned = Tuned(tuple(prediction.thresholds.tolist()), prediction.rule)
    few = schema.n_labels <= _MOST_LABELS
    return Report(
        run_name=bundle.path.name,
        run_sha256=sha256_of(bundle.path / RUN_RECORD),
        created=created,
        source=source,
        split=split,
        evaluation=evaluation,
        label_intervals=label_intervals(schema, references, prediction.label_ids, seed=evaluation.seed)
        if few
        else (),
        systems=() if comparison is None else comparison.rows,
        verdict=None if comparison is None else comparison.verdict,
        reliability=calibration(prediction.probabilities),
        uncalibrated=None if uncalibrated is None else calibration(uncalibrated),
        curves=measured.curves(),
        groupings=measured.groupings(),
        cells=measured.cells(),
        errors=_explained(measured.errors(), predictor, progress or Silent()),
        n_errors=int((~measured.right).sum()),
        is_training=is_training,
        check=check,
        workloads=tuple(workloads(answers, _SHARES, tuned=tuned)),
        history=dict(history or {}),
    )


def _explained(
    errors: tuple[Example, ...], predictor: Predictor | None, progress: Progress
) -> tuple[Example, ...]:
    """The most confident errors with the weights of their words, as far as that is worth its time.

    A model that needs columns beside the texts is not asked: a masked text has none.
    """
    if predictor is None or (predictor.features is not None and predictor.features.column_names):
        return errors
    some = _affordable([one for one in errors[:_EXPLAINED] if one.predicted], predictor)
    labels = [one.predicted[0] for one in some]
    with phase(progress, text("weights.phase"), len(some)):
        found = explain_texts(predictor, [one.text for one in some], label=labels, progress=progress)
    weighed = {one.row: replace(one, words=why.words) for one, why in zip(some, found, strict=True)}
    return tuple(weighed.get(one.row, one) for one in errors)


def _affordable(errors: Sequence[Example], predictor: Predictor) -> list[Example]:
    """The first errors whose words cost no more than all may cost together."""
    some, left = [], _EXPLAINED_CHARACTERS
    for one in errors:
        n_words = min(MOST_WORDS, len(words_of(one.text, predictor.adapter)))
        # Each word is taken out of the text once, and read alone once.
        if (cost := n_words * len(one.text)) <= left:
            some.append(one)
            left -= cost
    return some
