"""Run ``launch.py`` on small scripts, with a stand-in for MindSpore in the scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FAKE_MINDSPORE = """
GRAPH_MODE = 0
def set_context(**settings): pass
def set_device(name): pass
"""
FAKE_COMMUNICATION = """
import os, sys, time
def init():
    assert os.environ["MS_ROLE"] == "MS_SCHED"
    time.sleep(0.2)
    sys.exit(int(os.environ.get("FAKE_SCHEDULER_STATUS", "0")))
"""
# What each script begins with; ``me`` is written where a test looks for processes left behind.
PROLOGUE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from src.common import heartbeat
rank = int(os.environ["RANK_ID"])
Path(f"pid_{rank}").write_text(str(os.getpid()))
def on_term(action):
    signal.signal(signal.SIGTERM, action)
"""


def heed_sighup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass
class Job:
    """A folder in which launches run.

    Attributes:
        folder: The current folder of the launches.
        environment: Their variables.
    """

    folder: Path
    environment: dict[str, str]

    def command(self, script: str, *options: str, after: tuple[str, ...] = (), ranks: int = 2) -> list[str]:
        (self.folder / "entry.py").write_text(PROLOGUE + script)
        ours = ["--device_num", str(ranks), "--log_dir", "logs", *options]
        return [sys.executable, str(ROOT / "launch.py"), *ours, "entry.py", *after]

    def run(
        self, script: str, *options: str, after: tuple[str, ...] = (), ranks: int = 2
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(script, *options, after=after, ranks=ranks),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, script: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(script, *options),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Tests that were started with nohup would hand on a SIGHUP that is ignored, and the launcher respects that.
            preexec_fn=heed_sighup,
        )

    def pid(self, rank: int | str) -> int:
        """Return the process id that a rank has written, waiting for it."""
        path = self.folder / f"pid_{rank}"
        wait_until(lambda: path.exists() and bool(path.read_text()))
        return int(path.read_text())

    def log(self, rank: int) -> str:
        return (self.folder / "logs" / f"rank_{rank}.log").read_text()

    def left_behind(self) -> list[int]:
        """Return the processes that still run, of all that have written their id."""
        return [pid for path in self.folder.glob("pid_*") if is_alive(pid := int(path.read_text()))]


def make_job(folder: Path) -> Job:
    fake = folder / "fake" / "mindspore"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text(FAKE_MINDSPORE)
    (fake / "communication.py").write_text(FAKE_COMMUNICATION)
    work = folder / "a folder"
    work.mkdir()
    path = os.pathsep.join([str(fake.parent), str(ROOT)])
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MS_", "RANK_", "GLOG_", "HCCL_"))
    }
    # A launcher that is killed leaves its folder of heartbeats behind.
    return Job(work, {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder)})


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def finish(process: subprocess.Popen[str], limit_s: float = 30.0) -> tuple[int, str, str]:
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        raise
    return process.returncode, output, errors
