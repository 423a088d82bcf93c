"""A lock that keeps two runs out of one directory and that a killed run does not leave shut for ever."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.common.errors import OutputError
from src.common.files import output_error
from src.common.interrupts import unfinished_work
from src.common.json_files import object_or_empty

LOGGER = logging.getLogger(__name__)

LOCK_NAME = ".run.lock"


def process_start(pid: int) -> str | None:
    """Return a mark of when a process of this machine began, ``""`` if unknown, or ``None`` if there is none.

    The mark tells a living owner from another process that got the same number later.
    """
    try:
        # The second field is the command in parentheses and may hold anything, so count from the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        # Third field of stat: state; Z and X are processes that have ended. 22nd: start time in clock ticks.
        return None if fields[0] in ("Z", "X") else fields[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "process_start": process_start(os.getpid())}


@contextlib.contextmanager
def _exclusively_open(path: Path) -> Iterator[int]:
    """Open the lock file so that no other process reads or changes it meanwhile; yield the descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # Some network file systems have no flock; two starts in one instant are then not told apart.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # While we waited, the owner may have removed the file that we had opened.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _read_owner(descriptor: int) -> dict[str, Any] | None:
    """Return the owner that the file names; ``None`` for an empty or damaged file."""
    owner = object_or_empty(os.pread(descriptor, 4096, 0))
    return owner if isinstance(owner.get("pid"), int) else None


def read_owner(path: Path) -> dict[str, Any] | None:
    """Return the owner that a lock file names; ``None`` where it cannot be read, is empty or damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read_owner(descriptor)
    finally:
        os.close(descriptor)


def is_alive(owner: dict[str, Any]) -> bool | None:
    """Tell whether the owner may still run; ``None`` for one of another machine, which cannot be seen from here."""
    if owner.get("host") != socket.gethostname():
        return None
    start = process_start(owner["pid"])
    if start is None:
        return False
    return not start or not owner.get("process_start") or start == owner["process_start"]


class RunLock:
    """The lock of a run directory.

    Args:
        directory: An existing directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_NAME
        self._unfinished = contextlib.ExitStack()

    def acquire(self) -> None:
        """Take the lock, also over from an owner that has ended.

        Raises:
            OutputError: Another run holds it, or the file cannot be written.
        """
        try:
            with _exclusively_open(self._path) as descriptor:
                owner = _read_owner(descriptor)
                if owner is not None and is_alive(owner) is not False:
                    raise self._in_use(owner)
                if owner is not None:
                    LOGGER.warning("process %d ended without releasing %s: taking over", owner["pid"], self._path)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(_this_process()).encode(), 0)
        except OSError as error:
            raise output_error(error, self._path) from error
        self._unfinished.enter_context(unfinished_work())

    def release(self) -> None:
        """Remove the lock if it is this process's; safe to call twice."""
        self._unfinished.close()
        with contextlib.suppress(OSError):
            if self._path.exists():
                with _exclusively_open(self._path) as descriptor:
                    if _read_owner(descriptor) == _this_process():
                        self._path.unlink()

    def _in_use(self, owner: dict[str, Any]) -> OutputError:
        here = owner.get("host") == socket.gethostname()
        where = "" if here else f" on {owner.get('host')}"
        fix = "wait for it, stop it, or choose another directory"
        if not here:
            fix += f"; if it has ended, remove {self._path.name}"
        return OutputError(f"process {owner['pid']}{where} is using this directory", str(self._path.parent), fix)
