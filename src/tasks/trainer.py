"""The training loop of every task: step, log, save, evaluate, keep the best, stop cleanly when asked to."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterator

import mindspore as ms
from mindspore import Tensor

from src.common.errors import CheckpointError, TrainingError
from src.common.heartbeat import beat
from src.data.dataset import TrainStart
from src.evaluate.task_metrics import is_better
from src.runtime.collectives import from_main
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.base import Score, Task
from src.tasks.diagnostics import NO_DIAGNOSTICS, NoDiagnostics
from src.tasks.feed import Outputs, StepInfo
from src.tasks.recorder import SilentRecorder
from src.tasks.step_window import SpeedMeter, StepWindow
from src.tasks.stop_signal import StopSignal
from src.tasks.training_setup import TrainingSetup
from src.tasks.update_watch import UpdateWatch
from src.tasks.weights_choice import NoCheckpoints
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition

logger = logging.getLogger(__name__)


class Trainer:
    """Train the networks of a task from a position to the end.

    Args:
        task: Gives the batches and scores the network.
        setup: Networks, train cell, and when things happen.
        checkpoints: Where state is kept.
        recorder: Where figures go.
        group: The processes that train together; all of them run this same loop, step by step.
        diagnostics: What looks into the updates.
    """

    def __init__(
        self,
        task: Task,
        setup: TrainingSetup,
        checkpoints: CheckpointManager | NoCheckpoints,
        recorder: SilentRecorder,
        group: ProcessGroup = ONE_PROCESS,
        diagnostics: NoDiagnostics = NO_DIAGNOSTICS,
    ) -> None:
        self._task = task
        self._networks = setup.networks
        self._step_cell = setup.step_cell
        self._sliced = setup.sliced
        self._settings = settings = setup.settings
        self._checkpoints = checkpoints
        self._recorder = recorder
        self._group = group
        self._diagnostics = diagnostics
        self._steps_per_epoch = task.steps_per_epoch()
        speed = SpeedMeter(task.train_flops, group.size, settings.peak_tflops)
        self._window = StepWindow(setup.networks.loss.figure_names, settings.accumulation_steps, speed)
        every = max(1, settings.sink_steps)
        self._watch = UpdateWatch(settings.stop_on_overflow, group.distributed, task.place_of, every)

    def fit(self, step: int) -> int:
        """Train from ``step`` optimizer steps on; return the number of the signal that ended it early, or 0."""
        self._finish_evaluation(step)
        if step >= self._settings.total_steps:
            return 0
        with StopSignal() as stop:
            for infos, outputs in self._updates(step, stop):
                step += 1
                self._diagnostics.update(step, infos, outputs)
                self._watch.add(step, infos, outputs)
                self._recorder.advance(step)
                is_last = step >= self._settings.total_steps
                stops = self._stops(stop)
                self._log(step, is_last or stops)
                if stops and not is_last:
                    self._save(step)
                    return stop.received or signal.SIGTERM
                self._save_and_evaluate(step, is_last)
                if is_last:
                    break
        return 0

    def _stops(self, stop: StopSignal) -> bool:
        """Tell whether training ends here: by a signal, and of several processes all after the same step."""
        return self._watch.stop_wanted if self._group.distributed else bool(stop.received)

    def _updates(self, step: int, stop: StopSignal) -> Iterator[tuple[list[StepInfo], Outputs]]:
        """Run micro-batches from ``step`` on; yield those of each optimizer step, and what its last one returned."""
        settings = self._settings
        start = TrainStart(step // self._steps_per_epoch, step % self._steps_per_epoch)
        feed = self._task.train_feed(start, settings.epochs)
        self._networks.loss.set_train(True)
        self._window.clear()
        infos: list[StepInfo] = []

        def run(*batch: Tensor) -> Outputs:
            beat(step + 1)
            self._diagnostics.before(batch)
            outputs = self._step_cell(*batch, *self._vote(stop))
            self._diagnostics.after(outputs)
            return outputs

        # The batches of a queue on the device cannot be looked at.
        from_queue = settings.sink_steps > 0 and not self._diagnostics.is_active
        for info, outputs in feed.run(run, from_queue=from_queue):
            self._window.add(info, outputs)
            infos.append(info)
            if len(infos) == settings.accumulation_steps:
                step += 1
                yield infos, outputs
                infos = []

    def _vote(self, stop: StopSignal) -> tuple[Tensor, ...]:
        """Return this process's vote for stopping, the last input of a train cell with several processes."""
        return (Tensor([float(bool(stop.received))], ms.float32),) if self._group.distributed else ()

    def _log(self, step: int, ends: bool) -> None:
        """Record the window when a log line is due or the run ends, and stop where going on is useless."""
        if step % self._settings.log_steps and not ends and not self._is_due(step):
            return
        # Nothing that is logged, saved or scored may come from an update that nobody has looked at.
        self._watch.settle()
        figures = self._window.figures()
        self._recorder.train(step, figures)
        self._window.clear()
        # With every update of the window skipped and nothing left to shrink, a loss scale will not mend it either.
        if not math.isfinite(figures["grad_norm"]) and figures["loss_scale"] <= 1:
            raise TrainingError(
                f"loss or gradients are not finite in all {figures['overflow_steps']:.0f} steps up to this one, and "
                "the loss scale has shrunk to 1; the updates were skipped",
                f"step {step}",
                "lower the learning rate, or look at the records of these steps",
            )

    def _is_due(self, step: int) -> bool:
        """Tell whether something else happens at this step, which its time should not fall into."""
        return self._evaluation_due(step) or self._save_due(step)

    def _evaluation_due(self, step: int) -> bool:
        settings = self._settings
        return settings.evaluate and step % (settings.eval_steps or self._steps_per_epoch) == 0

    def _save_due(self, step: int) -> bool:
        return step % (self._settings.save_steps or self._steps_per_epoch) == 0

    def _save_and_evaluate(self, step: int, is_last: bool) -> None:
        """Save first: a training that dies while it evaluates loses nothing."""
        if is_last or self._save_due(step):
            self._save(step)
        if self._settings.evaluate and (is_last or self._evaluation_due(step)):
            self._evaluate(step)
        if self._is_due(step):
            self._window.clear()

    def _finish_evaluation(self, step: int) -> None:
        """Make up for the evaluation that a killed run had saved for but not done."""
        due = step > 0 and (self._evaluation_due(step) or step >= self._settings.total_steps)
        if not (self._settings.evaluate and due):
            return
        if not from_main(self._group, self._recorder.was_evaluated(step)):
            self._evaluate(step)

    def _position(self, step: int) -> TrainPosition:
        """Return the position after ``step`` steps; an epoch's last step belongs to that epoch."""
        epoch, step_in_epoch = divmod(step - 1, self._steps_per_epoch)
        extra = dict(self._settings.identity)
        return TrainPosition(epoch=epoch + 1, step_in_epoch=step_in_epoch + 1, global_step=step, extra=extra)

    def _save(self, step: int) -> None:
        # Every process takes part, because each holds slices; the main one writes.
        whole = self._sliced.whole()
        self._checkpoints.save(self._networks.inference, self._step_cell, self._position(step), whole=whole)

    def _best_value(self, name: str) -> float | None:
        """Return the best value of the metric ``name`` so far; ``None`` where there is none to compare with."""
        try:
            best = self._checkpoints.best()
        except CheckpointError as error:
            logger.warning("%s; the next evaluation counts as the best", error)
            return None
        if best is None:
            return None
        if best.metric.name != name:
            logger.warning("the best weights so far were chosen by %s, from now on %s decides", best.metric.name, name)
            return None
        return best.metric.value

    def _evaluate(self, step: int) -> None:
        """Score the network and keep it when it is the best so far."""
        score: Score = self._task.evaluate(self._networks.inference)
        if is_better(score.value, self._best_value(score.name)):
            metric = Metric(name=score.name, value=score.value)
            self._checkpoints.save_best(self._networks.inference, self._position(step), metric)
        # The record comes last: a run that dies before it evaluates this step again and misses no best weights.
        self._recorder.evaluation(step, score)
        self._recorder.draw()
        self._networks.loss.set_train(True)
