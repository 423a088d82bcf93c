"""Where a training's figures go: console line or bar, metrics.jsonl, TensorBoard, evaluation files, plots."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping

from src.common.errors import OutputError
from src.common.files import write_json_atomic
from src.common.run_directory import RunDirectory
from src.tasks.base import Score
from src.train.metrics_log import EVAL, TRAIN, MetricsLog, read_metrics
from src.train.plots import plot_loss, plot_metrics
from src.train.progress import TrainProgress, format_figures

logger = logging.getLogger(__name__)


class SilentRecorder:
    """The recorder of a process that is not the main one: every process has the same figures, one records them."""

    def advance(self, step: int) -> None:
        """Show nothing."""

    def train(self, step: int, figures: Mapping[str, float]) -> None:
        """Record nothing."""

    def evaluation(self, step: int, score: Score) -> None:
        """Record nothing."""

    def was_evaluated(self, step: int) -> bool:
        """Return False; the main process's answer counts."""
        return False

    def draw(self) -> None:
        """Draw nothing."""


class Recorder(SilentRecorder):
    """Record a training from ``first_step`` on.

    Args:
        run: The run directory.
        total_steps: Optimizer steps of the whole training.
        steps_per_epoch: Optimizer steps of an epoch.
        first_step: Steps done by the run that is resumed; ``None`` for a new run.
        loss_unit: Unit of the loss, for the plot.
    """

    def __init__(
        self,
        run: RunDirectory,
        total_steps: int,
        steps_per_epoch: int,
        first_step: int | None,
        loss_unit: str,
    ) -> None:
        self._run = run
        self._steps_per_epoch = steps_per_epoch
        self._loss_unit = loss_unit
        self._log = MetricsLog(run.metrics_file, run.tensorboard, first_step)
        self._progress = TrainProgress(total_steps, steps_per_epoch, first_step or 0)

    def advance(self, step: int) -> None:
        """Move the progress bar."""
        self._progress.advance(step)

    def train(self, step: int, figures: Mapping[str, float]) -> None:
        """Record the figures of the steps since the last record."""
        self._log.write(TRAIN, step / self._steps_per_epoch, step, figures)
        self._progress.report(step, figures)

    def evaluation(self, step: int, score: Score) -> None:
        """Record an evaluation and write its report."""
        epoch = step / self._steps_per_epoch
        self._log.write(EVAL, epoch, step, score.figures)
        write_json_atomic(self._run.eval / f"step_{step}.json", {"step": step, "epoch": epoch, **score.report})
        logger.info("evaluation at step %d (epoch %.2f): %s", step, epoch, format_figures(score.figures))

    def was_evaluated(self, step: int) -> bool:
        """Tell whether an evaluation of ``step`` is on record."""
        return any(r["kind"] == EVAL and r["step"] == step for r in read_metrics(self._run.metrics_file))

    def draw(self) -> None:
        """Draw the plots anew."""
        plot_loss(self._run.metrics_file, self._run.loss_plot, unit=self._loss_unit)
        plot_metrics(self._run.metrics_file, self._run.metric_plot)

    def close(self) -> None:
        """End the bar and close the files."""
        self._progress.close()
        self._log.close()

    def __enter__(self) -> Recorder:
        """Return the recorder."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End the bar and close the files; an error that ends the run already is not replaced by another."""
        with contextlib.suppress(*([] if error is None else [OutputError])):
            self.close()
