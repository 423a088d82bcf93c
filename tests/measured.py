"""Run commands that must be quick."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from typing import Any


def run_measured(command: Sequence[str], **settings: Any) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a command to its end; return what it printed, and the processor time that it used in seconds.

    The clock on the wall also counts what else the machine does. Processor time is more than that clock shows on an
    idle machine, except for waiting on the disk.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
