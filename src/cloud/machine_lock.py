"""One process of a machine works while its neighbours wait; a worker that dies or fails keeps none of them waiting."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from src.common import heartbeat
from src.common.errors import AlbertError, StorageError
from src.common.files import make_directory, output_error
from src.common.json_files import object_or_empty

_POLL_S = 0.2
# So long without a sign of life of the one that works.
STALL_S = 900.0
_TOUCH_S = 1.0


class MachineLock:
    """A lock of this machine, which the kernel gives back when its holder dies.

    Args:
        path: Its file, on a disk of this machine; it stays and says how the last holder fared.
        rank: Number of this process, for the messages of the others.
    """

    def __init__(self, path: Path, rank: int) -> None:
        self._path = path
        self._rank = rank
        self._began = time.time()
        self._touched = 0.0
        self._descriptor = -1

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock and hold it.

        Raises:
            StorageError: The process that held it failed while this one waited, or shows no sign of life.
        """
        make_directory(self._path.parent)
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise output_error(error, self._path) from error
        try:
            self._wait()
            self._write({"state": "working"})
            try:
                yield
            except AlbertError as error:
                self._write({"state": "failed", "message": str(error)})
                raise
            self._write({"state": "done"})
        finally:
            os.close(self._descriptor)

    def alive(self) -> None:
        """Show that the holder works."""
        heartbeat.alive()
        now = time.monotonic()
        if now - self._touched > _TOUCH_S:
            self._touched = now
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _wait(self) -> None:
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                self._look()
                heartbeat.alive()
                time.sleep(_POLL_S)
            except OSError as error:
                raise output_error(error, self._path) from error
        self._raise_failure()

    def _look(self) -> None:
        """Raise where the holder has been silent for too long."""
        silent = time.time() - max(self._path.stat().st_mtime, self._began)
        if silent > STALL_S:
            holder = self._read()
            what = f"rank {holder.get('rank', '?')} (process {holder.get('pid', '?')}) downloads for this machine and "
            what += f"has shown no sign of life for {silent:.0f} s"
            raise StorageError(what, str(self._path), "look at its log, stop the job and start it again")

    def _raise_failure(self) -> None:
        """Raise where a process failed for which this one waited: it would fail in the same way."""
        last = self._read()
        if last.get("state") == "failed" and float(last.get("time", 0)) >= self._began:
            raise StorageError(f"rank {last.get('rank')} could not fetch what this machine needs: {last['message']}")

    def _read(self) -> dict[str, str]:
        return object_or_empty(os.pread(self._descriptor, 1 << 16, 0))

    def _write(self, state: dict[str, str]) -> None:
        content = json.dumps({**state, "rank": self._rank, "pid": os.getpid(), "time": time.time()}).encode()
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)
