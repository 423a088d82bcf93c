"""Look at every update soon, without making the device wait: was it skipped, and does any process want to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from src.common.errors import TrainingError
from src.common.log import log_to_file
from src.tasks.feed import Outputs, StepInfo
from src.tasks.step_window import OVERFLOW

logger = logging.getLogger(__name__)

_SHOWN_RECORDS = 4


class UpdateWatch:
    """Reads an update's result when the next update is queued already, so that the device always has work.

    Args:
        stop_on_overflow: A skipped update is an error.
        voting: The train cell's last output is the number of processes that want to stop.
        place_of: Where a row of the training data comes from.
        every: Updates between two looks.
    """

    def __init__(self, stop_on_overflow: bool, voting: bool, place_of: Callable[[int], str], every: int = 1) -> None:
        self._stop_on_overflow = stop_on_overflow
        self._voting = voting
        self._place_of = place_of
        self._every = every
        self._pending: list[tuple[int, Sequence[StepInfo], Outputs]] = []
        self.stop_wanted = False

    def add(self, step: int, infos: Sequence[StepInfo], outputs: Outputs) -> None:
        """Take over the result of update ``step``; look at those before it when a look is due.

        Args:
            step: Number of the update, from 1.
            infos: Its micro-batches.
            outputs: What its last micro-batch returned.

        Raises:
            TrainingError: An update before was skipped.
        """
        if len(self._pending) >= self._every:
            self.settle()
        self._pending.append((step, infos, outputs))

    def settle(self) -> None:
        """Look at all updates now: before anything is saved, and at the end."""
        pending, self._pending = self._pending, []
        for step, infos, outputs in pending:
            if self._voting and float(outputs[-1].asnumpy()) > 0:
                self.stop_wanted = True
            if self._stop_on_overflow and bool(outputs[OVERFLOW].asnumpy()):
                self._fail(step, infos)

    def _fail(self, step: int, infos: Sequence[StepInfo]) -> None:
        places = [self._place_of(int(row)) for info in infos for row in info.indices]
        # Only the main process of several has a log file: the log of another is what it prints.
        report = logger.info if self._voting else log_to_file
        report("records of step %d:\n%s", step, "\n".join(places))
        shown = ", ".join(places[:_SHOWN_RECORDS]) + (", ..." if len(places) > _SHOWN_RECORDS else "")
        raise TrainingError(
            f"the loss or a gradient is not finite, the update was skipped; its {len(places)} records: {shown}",
            f"step {step}",
            "lower the learning rate, or look at the records (all of them are in the log)",
        )
