"""Look after the processes of this machine from their start to the end of the last one."""

from __future__ import annotations

import contextlib
import queue
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from src.runtime.launch import report
from src.runtime.launch.console import Console
from src.runtime.launch.options import LaunchOptions
from src.runtime.launch.plan import LaunchPlan
from src.runtime.launch.processes import ManagedProcess
from src.runtime.launch.watch import Watch

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_S = 0.1
# After a failure nobody can save: who waits for the failed rank waits for ever. All must be over within 15 s.
_AFTER_FAILURE_S = 5.0
# For a scheduler after the last rank; and for a rank that says its work is complete but does not end.
_SCHEDULER_S = 3.0
_TEARDOWN_S = 60.0
STATUS_STALLED = 1


class Supervisor:
    """Starts the processes, waits for them, and leaves none behind.

    Args:
        plan: What to start.
        options: For the times of the watch.
    """

    def __init__(self, plan: LaunchPlan, options: LaunchOptions) -> None:
        self._plan = plan
        self._options = options
        self._events: queue.SimpleQueue[ManagedProcess | int] = queue.SimpleQueue()
        self._ranks: list[ManagedProcess] = []
        self._scheduler: ManagedProcess | None = None
        self._console = Console(plan.ranks[0].log)
        self._kill_at = float("inf")
        self._stopped_by = 0
        self._stalled = False
        self._failed: ManagedProcess | None = None
        self._complete_since: dict[str, float] = {}

    def run(self) -> int:
        """Run the job and return its exit status.

        Raises:
            OutputError: A log cannot be written.
            DeviceError: A process cannot be started.
        """
        with tempfile.TemporaryDirectory(prefix="albert-launch-") as folder, self._signals_as_events():
            try:
                self._start(Path(folder))
                watch = Watch(self._ranks, self._options.stall_timeout_s, self._options.slow_warning_s)
                while any(rank.running for rank in self._ranks):
                    self._take_event()
                    self._console.pump()
                    self._look(watch)
                self._end_scheduler()
                self._console.pump(to_the_end=True)
                return self._finish(watch)
            finally:
                for process in self._all():
                    process.kill()

    def _all(self) -> list[ManagedProcess]:
        return [*self._ranks, *filter(None, [self._scheduler])]

    def _start(self, folder: Path) -> None:
        """Start all processes and only then the threads that wait for them: a fork copies no thread."""
        if self._plan.scheduler:
            self._scheduler = ManagedProcess(self._plan.scheduler, folder / "scheduler")
        for plan in self._plan.ranks:
            self._ranks.append(ManagedProcess(plan, folder / str(plan.rank)))
        for process in self._all():
            process.watch_end(self._events)
        self._console.say(report.started(self._plan, self._options.device_target))

    def _take_event(self) -> None:
        try:
            event = self._events.get(timeout=_POLL_S)
        except queue.Empty:
            return
        if isinstance(event, int):
            self._take_signal(event)
        elif event is self._scheduler:
            self._take_scheduler_end(event)
        elif event.outcome != 0:
            self._take_failure(event)

    def _take_signal(self, number: int) -> None:
        """The first signal lets the ranks save, a second one does not."""
        name = signal.Signals(number).name
        if self._stopped_by:
            self._console.say(f"launch: {name} again: the processes are killed")
            self._kill_at = 0.0
            return
        self._stopped_by = number
        self._console.say(f"launch: {name}: the processes save and stop, for at most {self._options.grace_s:g} s")
        self._stop_ranks(self._options.grace_s)

    def _stop_ranks(self, wait_s: float) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + wait_s)
        for rank in self._ranks:
            rank.stop()

    def _take_failure(self, process: ManagedProcess) -> None:
        """Remember who failed first by its own time: ends may be heard of in another order."""
        if self._failed is not None and (process.ended or 0.0) >= (self._failed.ended or 0.0):
            return
        if self._failed is None and not self._stopped_by:
            # A rank that was asked to stop by somebody else has told the others, who may still be saving.
            in_order = process.complete and report.stopped_in_order(process)
            self._stop_ranks(self._options.grace_s if in_order else _AFTER_FAILURE_S)
        self._failed = process

    def _take_scheduler_end(self, scheduler: ManagedProcess) -> None:
        """It ends by itself when all have left; another end breaks the job unless the work is complete."""
        if scheduler.status and not all(rank.complete or not rank.running for rank in self._ranks):
            self._take_failure(scheduler)

    def _look(self, watch: Watch) -> None:
        """Warn of slow ranks, and kill what hangs or did not use its time to stop."""
        warnings, stalled = watch.check()
        for warning in warnings:
            self._console.say(warning)
        now = time.monotonic()
        if stalled and self._failed is None and not self._stopped_by and not self._stalled:
            self._stalled = True
            self._console.pump(to_the_end=True)
            for line in report.stalled(watch, self._options.stall_timeout_s):
                self._console.say(line)
            self._kill_at = 0.0
        for rank in self._ranks:
            if rank.running and (now >= self._kill_at or self._hangs_in_teardown(rank, now)):
                rank.kill()

    def _hangs_in_teardown(self, rank: ManagedProcess, now: float) -> bool:
        """Say whether a rank has completed its work long ago and should have ended."""
        if not rank.complete:
            return False
        return now - self._complete_since.setdefault(rank.plan.name, now) > _TEARDOWN_S

    def _end_scheduler(self) -> None:
        """Wait for the scheduler, on machine 0 of several also for the ranks of the others."""
        if self._scheduler is None:
            return
        well = self._failed is None and not self._stalled and not self._stopped_by
        wait_s = (_SCHEDULER_S if self._plan.whole_job else self._options.grace_s) if well else 0.0
        until = time.monotonic() + wait_s
        while self._scheduler.running and time.monotonic() < until and not self._stopped_by:
            self._take_event()
        self._scheduler.kill()

    def _finish(self, watch: Watch) -> int:
        """Say how it went and return the exit status."""
        if self._stalled:
            return STATUS_STALLED
        failed = self._failed
        if failed is None:
            return 0
        assert failed.outcome is not None
        if self._stopped_by and all(report.stopped_in_order(rank) for rank in self._ranks):
            self._console.say("launch: all processes have stopped in order")
            return 128 + self._stopped_by
        in_time = not (self._stopped_by and failed.outcome == 128 + signal.SIGKILL and failed.ended_by_us)
        for line in report.failed(failed, self._plan, in_time=in_time):
            self._console.say_error(line)
        return failed.outcome

    @contextlib.contextmanager
    def _signals_as_events(self) -> Iterator[None]:
        """Put signals into the queue of events; a SIGHUP that is ignored (nohup) stays ignored."""

        def receive(number: int, frame: FrameType | None) -> None:
            self._events.put(number)

        previous: dict[int, Any] = {}
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, receive)
        try:
            yield
        finally:
            for handled, handler in previous.items():
                signal.signal(handled, handler)
