"""Signs of life that a process gives to ``launch.py``: the step it is at, and that its work is complete.

The launcher names a file in the environment; without it nothing is written, so every command may call this. The file
holds one line of fixed width, ``STEP STATUS``, each number or ``-``, that is written in place: a reader sees one beat
or the next. Its time of change is the time of the beat.
"""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_VARIABLE = "ALBERT_HEARTBEAT_FILE"

_WIDTH = 20


@dataclass(frozen=True)
class Heartbeat:
    """What a heartbeat file says.

    Attributes:
        step: The step that the process was about to make; ``None`` before the first.
        status: The exit status of its completed work; ``None`` while it works.
        changed_ns: When the file was written, in nanoseconds of the file system's clock; 0 if it never was.
    """

    step: int | None = None
    status: int | None = None
    changed_ns: int = 0


class _Writer:
    """Keeps the file open, so that a beat is one system call."""

    def __init__(self, path: str) -> None:
        self._step: int | None = None
        self._status: int | None = None
        self._descriptor: int | None = None
        # A job of days must not end because its sign of life cannot be written.
        with contextlib.suppress(OSError):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, step: int | None = None, status: int | None = None) -> None:
        """Write what is given; the rest stays as it was."""
        self._step = self._step if step is None else step
        self._status = self._status if status is None else status
        fields = ("-" if value is None else str(value) for value in (self._step, self._status))
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, (" ".join(field.rjust(_WIDTH) for field in fields) + "\n").encode(), 0)


@functools.cache
def _writer(path: str) -> _Writer:
    return _Writer(path)


def beat(step: int) -> None:
    """Say that this process is alive and about to make ``step``; a few microseconds, nothing without a launcher."""
    if path := os.environ.get(HEARTBEAT_VARIABLE):
        _writer(path).write(step=step)


def alive() -> None:
    """Say that this process works on something that is no training step, such as an evaluation."""
    if path := os.environ.get(HEARTBEAT_VARIABLE):
        _writer(path).write()


def done(status: int) -> None:
    """Say that the work of this process is complete with an exit status.

    A crash after that, such as one of MindSpore taking its CPU cluster down, does not change the status of the job.
    """
    if path := os.environ.get(HEARTBEAT_VARIABLE):
        _writer(path).write(status=status)


def read_heartbeat(path: Path) -> Heartbeat:
    """Return what a heartbeat file says; a missing or unfinished file says nothing."""
    try:
        changed = path.stat().st_mtime_ns
        fields = path.read_text(encoding="ascii").split()
        step, status = (None if field == "-" else int(field) for field in fields)
    except (OSError, ValueError):
        return Heartbeat()
    return Heartbeat(step, status, changed)
