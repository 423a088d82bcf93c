"""What looks into a training beside its figures: data dump, profile, and the search for overflows."""

from __future__ import annotations

import contextlib
import logging
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mindspore import Tensor

from src.common.errors import AlbertError
from src.config.ascend_keys import AscendKeys
from src.config.dump_steps import read_dump_steps
from src.config.load import LoadedConfig
from src.runtime.data_dump import DataDump, check_dump_folder, expected_dump_bytes
from src.runtime.device import overflow_may_saturate
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.runtime.profiling import TrainingProfile
from src.tasks.feed import Outputs, StepInfo
from src.tasks.step_window import LOSS_SCALE, OVERFLOW
from src.train.cell import TrainStepCell
from src.train.overflow_report import largest_values, write_report
from src.train.overflow_trace import OverflowTrace, trace_overflow

logger = logging.getLogger(__name__)

# A run whose loss scale begins far too high has an overflow in each of its first steps.
_MOST_REPORTS = 10


class NoDiagnostics:
    """Look at nothing; with a data sink nothing could be looked at."""

    is_active = False

    def attach(self, step_cell: TrainStepCell, updates: int) -> None:
        """Do nothing."""

    def before(self, batch: Sequence[Tensor]) -> None:
        """Do nothing."""

    def after(self, outputs: Outputs) -> None:
        """Do nothing."""

    def update(self, step: int, infos: Sequence[StepInfo], outputs: Outputs) -> None:
        """Do nothing."""

    def __enter__(self) -> NoDiagnostics:
        """Return the object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        """Do nothing."""


NO_DIAGNOSTICS = NoDiagnostics()


class Diagnostics(NoDiagnostics):
    """What one process looks at.

    Args:
        keys: What is asked for.
        device_target: The device.
        run_folder: Run directory; nothing is written into it before the training begins.
        accumulation_steps: Micro-batches of an update.
        replaces_run: Whether the files of an earlier run in ``run_folder`` are removed when the training begins.
        group: The processes that train together.
        dump_bytes: What the dump of a micro-batch is expected to take.

    Raises:
        ConfigError: The environment configures a dump already.
        OutputError: The folder for the dump is not empty.
    """

    is_active = True

    def __init__(
        self,
        keys: AscendKeys,
        device_target: str,
        run_folder: Path,
        accumulation_steps: int,
        replaces_run: bool = False,
        group: ProcessGroup = ONE_PROCESS,
        dump_bytes: int = 0,
    ) -> None:
        self._keys = keys
        self._group = group
        self._accumulation_steps = accumulation_steps
        self._cell: TrainStepCell | None = None
        self._updates = 0
        self._micro_batch = 0
        self._batches: list[tuple[Tensor, ...]] = []
        self._reports = 0
        rank = f"rank_{group.rank}"
        self._over_folder = Path(keys.over_dump_path or run_folder / "over_dump") / rank
        self._profile: TrainingProfile | None = None
        if keys.profiles:
            folder = Path(keys.profiling_dump_path or run_folder / "profiling") / rank
            stem = run_folder / "profile" if group.is_main else folder / "profile"
            skip, count = keys.profile_steps
            self._profile = TrainingProfile(folder, stem, skip, count, device_target, keys.profile_level)
        self._dump: DataDump | None = None
        if keys.data_dump_flag:
            folder = Path(keys.data_dump_path or run_folder / "data_dump") / rank
            if keys.data_dump_path or not replaces_run:
                check_dump_folder(folder)
            # Beside the run directory, which stays as it is until the training begins.
            scratch = Path(keys.data_dump_path or run_folder).resolve().parent
            updates = read_dump_steps(keys.data_dump_step)
            self._dump = DataDump(folder, updates, accumulation_steps, scratch, dump_bytes)

    def attach(self, step_cell: TrainStepCell, updates: int) -> None:
        """Get ready for a training.

        Args:
            step_cell: The train cell, whose weights and networks an overflow is searched in.
            updates: How many updates this start of the training will do.
        """
        self._cell = step_cell
        if self._keys.data_dump_flag and self._group.is_main:
            beyond = [number for number in read_dump_steps(self._keys.data_dump_step) if number >= updates]
            if beyond:
                logger.warning(
                    "data_dump_step %s: update %s will not be dumped, because this start has %d, counted from 0",
                    self._keys.data_dump_step,
                    ", ".join(map(str, beyond)),
                    updates,
                )

    def before(self, batch: Sequence[Tensor]) -> None:
        """Get ready for a micro-batch, whose tensors are kept until its update is done."""
        if self._keys.over_dump:
            self._batches.append(tuple(batch))
        if self._profile is not None and self._micro_batch == 0:
            self._profile.before(self._updates)
        if self._dump is not None:
            self._dump.before(self._updates, self._micro_batch)

    def after(self, outputs: Outputs) -> None:
        """Wait for the results of a micro-batch, and take over what was dumped."""
        outputs[OVERFLOW].asnumpy()
        if self._dump is not None:
            self._dump.after(self._updates, self._micro_batch)
        self._micro_batch += 1

    def update(self, step: int, infos: Sequence[StepInfo], outputs: Outputs) -> None:
        """Look at an update that is done.

        Args:
            step: Its number in the log, from 1.
            infos: Its micro-batches.
            outputs: What the train cell returned last.
        """
        if self._profile is not None:
            self._profile.after(step, self._group.size * sum(info.tokens for info in infos))
        if self._keys.over_dump and bool(outputs[OVERFLOW].asnumpy()):
            self._search(step, float(outputs[LOSS_SCALE].asnumpy()))
        self._batches.clear()
        self._updates += 1
        self._micro_batch = 0

    def __enter__(self) -> Diagnostics:
        """Return the object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        """Stop everything and write what is known; an error that ends the run already is not replaced by another."""
        with contextlib.suppress(*([] if error is None else [AlbertError])), contextlib.ExitStack() as stack:
            if self._dump is not None:
                stack.callback(self._dump.close)
                if self._updates:
                    self._dump.finish()
            if self._profile is not None:
                self._profile.close(failed=error is not None)

    def _search(self, step: int, loss_scale: float) -> None:
        """Find where an update overflowed, and report it."""
        cell = self._cell
        if cell is None or self._reports > _MOST_REPORTS:
            return
        self._reports += 1
        if self._reports > _MOST_REPORTS:
            logger.warning("overflow: %d were searched for, the search ends here", _MOST_REPORTS)
            return
        trace, micro_batch = OverflowTrace(), -1
        for batch in self._batches:
            micro_batch += 1
            # The train cell divides by the sum over all processes, each of which has about as many rows.
            normalizers = Tensor(batch[-1].asnumpy() * self._group.size)
            inputs = (*batch[:-1], normalizers)
            trace = trace_overflow(cell.network, cell.weights, inputs, loss_scale, overflow_may_saturate())
            if trace.place:
                break
        about = {"loss_scale": loss_scale, "micro_batch": micro_batch, "rank": self._group.rank}
        path = write_report(self._over_folder, step, trace, about)
        if not trace.place:
            elsewhere = " in the rows of this process" if self._group.distributed else ""
            logger.warning("overflow in step %d: not seen again%s without dropout; %s", step, elsewhere, path)
            return
        spoilt = f"; not finite themselves: {', '.join(trace.parameters)}" if trace.parameters else ""
        logger.warning(
            "overflow in step %d (loss scale %g) began in %s%s\n%s\noverflow: report in %s",
            step,
            loss_scale,
            trace.place,
            spoilt,
            "\n".join(largest_values(trace)),
            path,
        )


def diagnostics_of(loaded: LoadedConfig[Any], run_folder: Path, group: ProcessGroup) -> NoDiagnostics:
    """Return what the configuration asks for; call it before anything is compiled."""
    values = loaded.values
    if not values.looks_into_training:
        return NO_DIAGNOSTICS
    return Diagnostics(
        values,
        values.device_target,
        run_folder,
        values.accumulation_steps,
        bool(values.overwrite),
        group,
        expected_dump_bytes(loaded.network(), values.run_plan().batch_size),
    )
