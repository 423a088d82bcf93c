"""Start one process of the job, hear of its end, and end it with everything that it has started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from src.common.errors import DeviceError
from src.common.files import make_directory, output_error
from src.common.heartbeat import HEARTBEAT_VARIABLE, Heartbeat, read_heartbeat
from src.runtime.launch.plan import ProcessPlan

_PR_SET_PDEATHSIG = 1


class ManagedProcess:
    """A started process, the leader of a session of its own.

    Attributes:
        plan: What was started.
        status: How it ended as a shell tells it (a signal ``n`` gives 128 + n); ``None`` while it runs.
        ended: When it ended, in seconds of the monotonic clock.
        ended_by_us: Whether it had been sent a signal before.

    Args:
        plan: What to start.
        heartbeat: The file in which the process gives signs of life.

    Raises:
        OutputError: The log cannot be written.
        DeviceError: The program cannot be started.
    """

    def __init__(self, plan: ProcessPlan, heartbeat: Path) -> None:
        self.plan = plan
        self.status: int | None = None
        self.started = time.monotonic()
        self.ended: float | None = None
        self.ended_by_us = False
        self._heartbeat = heartbeat
        environment = {**os.environ, **plan.environment, HEARTBEAT_VARIABLE: str(heartbeat)}
        with _new_log(plan.log) as log:
            try:
                # No thread has been started yet: what runs in the child before its program is safe.
                self._process = subprocess.Popen(
                    plan.command,
                    env=environment,
                    cwd=plan.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=child_setup(plan.cores),
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise DeviceError(f"cannot be started: {error}", plan.name, "check the Python and the cores") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its end has not been heard of."""
        return self.status is None

    @property
    def heartbeat(self) -> Heartbeat:
        """Its last sign of life."""
        return read_heartbeat(self._heartbeat)

    @property
    def outcome(self) -> int | None:
        """The status that counts: what it recorded when its work was complete, else how it ended."""
        recorded = self.heartbeat.status
        return self.status if self.status is None or recorded is None else recorded

    @property
    def complete(self) -> bool:
        """Whether it has said that its work is complete."""
        return self.heartbeat.status is not None

    def watch_end(self, events: queue.SimpleQueue[ManagedProcess | int]) -> None:
        """Put this process into ``events`` when it has ended."""
        threading.Thread(target=self._wait, args=(events,), daemon=True, name=f"wait for {self.plan.name}").start()

    def stop(self) -> None:
        """Ask it to save and leave. Those it has started are not asked: it needs them for that."""
        if self.running:
            self.ended_by_us = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it has started."""
        if self.running:
            self.ended_by_us = True
            self._kill_session()

    def _wait(self, events: queue.SimpleQueue[ManagedProcess | int]) -> None:
        # Not reaped yet, so that its number is not given to another process before the rest of its session is ended.
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        ended = time.monotonic()
        self._kill_session()
        self._process.wait()
        assert found is not None
        self.ended = ended
        self.status = found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
        events.put(self)

    def _kill_session(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def child_setup(cores: tuple[int, ...]) -> Callable[[], None]:
    """Return what a child does before its program starts."""
    launcher = os.getpid()
    # Loaded here: a child between fork and exec should do as little as possible.
    set_option = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def setup() -> None:
        if set_option is not None:
            # A launcher that is killed cannot end us any more, so the kernel does.
            set_option(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != launcher:  # It was gone before we asked.
                os._exit(128 + signal.SIGKILL)
        if cores:
            os.sched_setaffinity(0, cores)

    return setup


@contextlib.contextmanager
def _new_log(path: Path) -> Iterator[int]:
    """Open a new log for appending; an older one of this name is kept under another."""
    make_directory(path.parent)
    try:
        if path.exists():
            path.rename(_free_name(path))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise output_error(error, path) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _free_name(path: Path) -> Path:
    """Return ``rank_0.1.log`` for ``rank_0.log``, or the first such name that is free."""
    number = 1
    while (older := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return older
