"""Lines about a long transfer: how much is done, how fast, and when it will be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from src.common import heartbeat

logger = logging.getLogger(__name__)

INTERVAL_S = 10.0


class TransferCancelled(Exception):  # noqa: N818 (nobody made a mistake)
    """Ends the threads of a transfer that is given up."""


def shown_bytes(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


class Progress:
    """Counts a transfer; any number of threads may tell it.

    Args:
        title: What is transferred, for example ``download of s3://bucket/data``.
        files: Number of files.
        size: Bytes of all of them.
        alive: Called with every piece, so that whoever waits knows that this process works.
    """

    def __init__(self, title: str, files: int, size: int, alive: Callable[[], None] = heartbeat.alive) -> None:
        self._title = title
        self._files, self._size = files, size
        self._done_files, self._done = 0, 0
        self._alive = alive
        self._lock = threading.Lock()
        self._cancelled = False
        self._begun = self._last = time.monotonic()

    def add(self, count: int) -> None:
        """Count bytes that have arrived; a negative number takes back those of a piece that is repeated.

        Raises:
            TransferCancelled: The transfer is given up.
        """
        if self._cancelled and count >= 0:
            raise TransferCancelled
        with self._lock:
            self._done += count
            now = time.monotonic()
            due = now - self._last >= INTERVAL_S
            if due:
                self._last = now
                logger.info("%s", self._line(now))
        self._alive()

    def cancel(self) -> None:
        """Give up: every thread that tells of its next piece is ended."""
        self._cancelled = True

    def file_done(self) -> None:
        """Count a file."""
        with self._lock:
            self._done_files += 1

    def finish(self) -> None:
        """Say how long all of it took."""
        seconds = time.monotonic() - self._begun
        speed = shown_bytes(self._done / max(seconds, 1e-3))
        what = f"{self._done_files} files, {shown_bytes(self._done)} in {seconds:.1f} s ({speed}/s)"
        logger.info("%s: %s", self._title, what)

    def _line(self, now: float) -> str:
        speed = self._done / max(now - self._begun, 1e-3)
        left_s = int(max(0, self._size - self._done) / speed) if speed > 0 else 0
        clock = f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02}"
        return (
            f"{self._title}: {100 * self._done / max(self._size, 1):.0f} % of {shown_bytes(self._size)}, "
            f"{self._done_files} of {self._files} files, {shown_bytes(speed)}/s, {clock} left"
        )
