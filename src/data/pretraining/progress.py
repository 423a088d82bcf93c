"""Tell how far the work is: a line that renews itself on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time

_TERMINAL_INTERVAL_S = 0.5
_LOG_INTERVAL_S = 10.0


class Progress:
    """Progress over the bytes of the input.

    Args:
        total_bytes: Bytes of all files, as they lie on the disk.

    Attributes:
        tokens: Tokens of the records made.
        skipped_shards: Shards that an earlier run had made.
    """

    def __init__(self, total_bytes: int) -> None:
        self._total = max(total_bytes, 1)
        self._terminal = sys.stderr.isatty()
        self._started = self._told = time.monotonic()
        self._position = self._skipped = 0
        self._shards = self._instances = 0
        self.tokens = self.skipped_shards = 0
        self._width = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the begin."""
        return time.monotonic() - self._started

    def skip(self, position: int) -> None:
        """Note that the input up to ``position`` was done by an earlier run."""
        self._position = max(self._position, position)
        self._skipped = self._position
        self.skipped_shards += 1

    def update(self, position: int, instances: int, tokens: int) -> None:
        """Note a finished shard, whose text ends at ``position``."""
        self._position = max(self._position, position)
        self._shards += 1
        self._instances += instances
        self.tokens += tokens
        now = time.monotonic()
        if now - self._told >= (_TERMINAL_INTERVAL_S if self._terminal else _LOG_INTERVAL_S):
            self._told = now
            self._tell()

    def finish(self) -> None:
        """Clear the terminal's line."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)

    def line(self) -> str:
        """Return what is told."""
        elapsed_s = max(self.elapsed_s, 1e-9)
        done = self._position - self._skipped
        left_s = (self._total - self._position) * elapsed_s / max(done, 1)
        return (
            f"{100 * self._position / self._total:.0f} % of the text, {self._shards} shards, "
            f"{self._instances:,} records, {self.tokens / elapsed_s:,.0f} tokens/s, about {_duration(left_s)} left"
        )

    def _tell(self) -> None:
        text = self.line()
        if not self._terminal:
            print(text, file=sys.stderr, flush=True)
            return
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"
