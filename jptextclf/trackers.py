"""Where losses and scores are sent while a training runs: TensorBoard, MLflow, Weights & Biases, Trackio.

It does not know what is trained. How each of them is spoken to is accelerate's part (``accelerate.tracking``). A
tracker never ends a training: one that fails is warned of once and told no more.

===============  ==========================================================================================
``tensorboard``  files in ``<directory>/tensorboard/<run name>``; ``tensorboard --logdir <directory>/tensorboard``
``mlflow``       where ``MLFLOW_TRACKING_URI`` says, else where mlflow itself puts it; experiment ``jptextclf``
``wandb``        project ``jptextclf``, or ``WANDB_PROJECT``; files in ``<directory>/wandb``
``trackio``      project ``jptextclf``; files where ``TRACKIO_DIR`` says
===============  ==========================================================================================
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from jptextclf.errors import SetupError
from jptextclf.messages import listing, text
from jptextclf.progress import Logged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from accelerate.tracking import GeneralTracker

    from jptextclf.progress import Progress

PROJECT = "jptextclf"
"""Under this name the runs of all trainings stand together."""
_PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow-skinny", "wandb": "wandb", "trackio": "trackio"}
"""Name of the tracker, of its module and of the extra that brings it -> package."""


class Trackers:
    """Some trackers, all told the same; use it as a context, or call :meth:`finish`.

    :param started: by name
    :param progress: told of a tracker that fails
    """

    def __init__(self, started: Mapping[str, GeneralTracker], progress: Progress) -> None:
        self._started = dict(started)
        self._progress = progress

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are still told."""
        return tuple(self._started)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send values.

        :param values: by name, such as ``train/loss``
        :param step: optimizer steps so far
        """
        plain = {name: float(value) for name, value in values.items()}
        self._each(lambda tracker: tracker.log(plain, step=step))

    def finish(self) -> None:
        """Hand over what is still kept back; nothing is told afterwards."""
        self._each(lambda tracker: tracker.finish())
        self._started.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def _each(self, tell: Callable[[Any], None]) -> None:
        for name, tracker in list(self._started.items()):
            try:
                # Trackio prints, and stdout is for what a command reports.
                with redirect_stdout(sys.stderr):
                    tell(tracker)
            except Exception as error:  # noqa: BLE001 - whatever is wrong there, the training goes on
                del self._started[name]
                self._progress.warn(text("trackers.failed", name=name, problem=_problem(error)))


def require_packages(names: Sequence[str]) -> None:
    """That the packages of these trackers are installed; nothing is imported.

    :raises SetupError: one is not (``JPT-E094``, all at once)
    """
    missing = [name for name in dict.fromkeys(names) if not _is_installed(name)]
    if missing:
        raise SetupError(
            "E094",
            names=listing(missing),
            packages=listing(_PACKAGES[name] for name in missing),
            extras=",".join(missing),
        )


def open_trackers(
    names: Sequence[str],
    *,
    directory: Path,
    run_name: str,
    settings: Mapping[str, Any],
    progress: Progress | None = None,
) -> Trackers:
    """Start trackers; of several processes only one calls this.

    One that cannot be started, as its server does not answer, is warned of and left out.

    :param directory: of their files; not the run directory, which holds only what was sealed
    :param run_name: under which the values stand
    :param settings: of the training, shown beside the values
    :raises SetupError: a package is missing (``JPT-E094``)
    """
    show = progress or Logged()
    require_packages(names)
    if not names:
        return Trackers({}, show)
    from accelerate import PartialState

    # Its trackers may only speak to their log once this state exists.
    PartialState()
    made = {name: _made(name, directory, run_name) for name in dict.fromkeys(names)}
    trackers = Trackers(made, show)
    trackers._each(lambda tracker: tracker.start())  # noqa: SLF001 - a part of its construction
    shown = _shown(settings)
    trackers._each(lambda tracker: tracker.store_init_configuration(shown))  # noqa: SLF001
    return trackers


def _is_installed(name: str) -> bool:
    spec = find_spec(name)
    # The files that wandb leaves behind lie in a directory "wandb", which Python takes for a package without code.
    return spec is not None and spec.origin is not None


def _made(name: str, directory: Path, run_name: str) -> GeneralTracker:
    from accelerate import tracking

    if name == "tensorboard":
        return tracking.TensorBoardTracker(run_name, directory / "tensorboard")
    if name == "mlflow":
        return tracking.MLflowTracker(PROJECT, run_name=run_name)
    if name == "wandb":
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        return tracking.WandBTracker(project, name=run_name, dir=str(directory))
    return tracking.TrackioTracker(PROJECT, name=run_name)


def _shown(settings: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Settings as all trackers take them: what is not decided is left out, lists are written with commas."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list | tuple) else
        value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in settings.items()
        if value is not None
    }  # fmt: skip


def _problem(error: Exception) -> str:
    """What is wrong, in one line."""
    lines = str(error).strip().split("\n")
    return f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
