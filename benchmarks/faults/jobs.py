"""Start a pre-training in one process or two, find its processes, and end them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import ROOT
from src.common.errors import DeviceError
from src.runtime.launch.processes import child_setup

# Every process of a run of this command has it in its environment, whoever its parent is.
MARKER = "ALBERT_FAULT_RUN"
_POLL_S = 0.002
_ERROR = "error: "


def marked_processes(token: str) -> list[int]:
    """Return the processes of this run that are alive, our own left out."""
    wanted = f"{MARKER}={token}".encode()
    return [pid for pid in _processes() if pid != os.getpid() and wanted in _environment(pid)]


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _environment(pid: int) -> list[bytes]:
    """Return the environment of a process; that of one that has ended is empty."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def kill_marked(token: str) -> None:
    """Kill all processes of this run, until none is left."""
    while found := marked_processes(token):
        for pid in found:
            send(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Job:
    """A started command: one process, or the launcher of two.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        log: Where both its streams go.
        token: Marks its processes.
    """

    def __init__(self, command: Sequence[str], folder: Path, log: Path, token: str) -> None:
        self._token = token
        self._log = log
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MS_", "RANK_"))}
        own = {MARKER: token, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with log.open("w", encoding="utf-8") as stream:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**kept, **own},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Killed by the kernel with this command, and the ranks with the launcher.
                preexec_fn=child_setup(()),
            )
        self.started = time.monotonic()

    @property
    def text(self) -> str:
        """What it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def error(self) -> str:
        """The last line in which it says what is wrong, else its last line."""
        lines = self.text.rstrip().splitlines() or [""]
        return next((line for line in reversed(lines) if line.startswith(_ERROR)), lines[-1])

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    @property
    def running(self) -> bool:
        """Whether the command itself runs."""
        return self.process.poll() is None

    def wait(self, limit_s: float) -> int:
        """Return the exit status as a shell tells it, 128 + n for signal n.

        Raises:
            DeviceError: It does not end; it is killed.
        """
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            kill_marked(self._token)
            self.process.wait()
            raise DeviceError(f"a job did not end in {limit_s:g} s", str(self._log), "") from error
        return status if status >= 0 else 128 - status

    def until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Wait until something is so; return False where the command has ended before.

        Raises:
            DeviceError: It takes too long.
        """
        deadline = time.monotonic() + limit_s
        while not condition():
            if not self.running:
                return False
            if time.monotonic() > deadline:
                kill_marked(self._token)
                raise DeviceError(f"a job did not get on in {limit_s:g} s", str(self._log), "")
            time.sleep(_POLL_S)
        return True

    def member(self, name: str) -> int | None:
        """Return the process of a name: ``launcher`` or ``process``, ``rank 0`` and so on, ``scheduler``."""
        if name in ("launcher", "process"):
            return self.process.pid
        rank = re.fullmatch(r"rank (\d+)", name)
        wanted = f"RANK_ID={rank[1]}".encode() if rank else b"MS_ROLE=MS_SCHED"
        return next((pid for pid in marked_processes(self._token) if wanted in _environment(pid)), None)

    def until_alone(self, limit_s: float) -> list[int]:
        """Wait until no process of the run is left; return those that are after ``limit_s``."""
        deadline = time.monotonic() + limit_s
        while (found := marked_processes(self._token)) and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(_POLL_S)
        return found


def pretrain_command(ranks: int, launch_options: Sequence[str] = ()) -> list[str]:
    """Return the program to start; the options of ``run_pretrain.py`` follow."""
    entry = str(ROOT / "run_pretrain.py")
    if ranks == 1:
        return [sys.executable, entry]
    return [sys.executable, str(ROOT / "launch.py"), "--device_num", str(ranks), *launch_options, entry]
