"""Run a command of this project in a process of its own and time it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.creation_run import children_cpu_s
from benchmarks.machine import ROOT
from src.common.errors import DeviceError


@dataclass(frozen=True)
class Timed:
    """What a command took.

    Attributes:
        wall_s: Seconds from the start of its process to its end.
        cpu_s: Processor seconds of it and of the processes that it started.
    """

    wall_s: float
    cpu_s: float


def run_timed(words: Sequence[str]) -> Timed:
    """Run a script of this project.

    Args:
        words: Its path in the project, and its arguments.

    Raises:
        DeviceError: It failed; the message has its last line.
    """
    cpu_s, started = children_cpu_s(), time.monotonic()
    command = [sys.executable, str(ROOT / words[0]), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    wall_s = time.monotonic() - started
    if done.returncode:
        last = (f"{done.stdout}\n{done.stderr}".strip().splitlines() or [""])[-1]
        raise DeviceError(f"{words[0]} ended with {done.returncode}", "benchmarks.contest", last)
    return Timed(wall_s, children_cpu_s() - cpu_s)
