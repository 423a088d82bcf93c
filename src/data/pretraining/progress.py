"""Tell how far the work is: a line that renews itself on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time

from src.common.wording import counted

_TERMINAL_INTERVAL_S = 0.5
_LOG_INTERVAL_S = 10.0


class StatusLine:
    """One line on stderr that tells the newest state."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic()
        self._width = 0

    def is_due(self) -> bool:
        """Tell whether it is time for a new state; if so the clock begins anew."""
        now = time.monotonic()
        if now - self._told < (_TERMINAL_INTERVAL_S if self._terminal else _LOG_INTERVAL_S):
            return False
        self._told = now
        return True

    def tell(self, text: str) -> None:
        """Show a state."""
        if not self._terminal:
            print(text, file=sys.stderr, flush=True)
            return
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def finish(self) -> None:
        """Clear the terminal's line."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)


class ScanProgress:
    """Progress of reading through data before they are used.

    Args:
        title: What is done.
        total: Units of all of it.
        unit: What is counted, in the plural.
    """

    def __init__(self, title: str, total: int, unit: str) -> None:
        self._title, self._total, self._unit = title, max(total, 1), unit
        self._line = StatusLine()
        self._started = time.monotonic()
        self._done = 0

    def advance(self, count: int) -> None:
        """Note that so many more units are done."""
        self._done += count
        if self._line.is_due():
            elapsed_s = max(time.monotonic() - self._started, 1e-9)
            speed = self._done / elapsed_s
            left_s = max(self._total - self._done, 0) / max(speed, 1e-9)
            share = min(100.0, 100 * self._done / self._total)
            self._line.tell(
                f"{self._title}: {share:.0f} %, {speed:,.0f} {self._unit}/s, about {_duration(left_s)} left"
            )

    def finish(self) -> None:
        """Clear the terminal's line."""
        self._line.finish()


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
        self._line = StatusLine()
        self._started = time.monotonic()
        self._position = self._skipped = 0
        self._shards = self._instances = 0
        self.tokens = self.skipped_shards = 0

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
        if self._line.is_due():
            self._line.tell(self.line())

    def finish(self) -> None:
        """Clear the terminal's line."""
        self._line.finish()

    def line(self) -> str:
        """Return what is told."""
        elapsed_s = max(self.elapsed_s, 1e-9)
        done = self._position - self._skipped
        left_s = (self._total - self._position) * elapsed_s / max(done, 1)
        return (
            f"{100 * self._position / self._total:.0f} % of the text, {counted(self._shards, 'shard')}, "
            f"{self._instances:,} records, {self.tokens / elapsed_s:,.0f} tokens/s, about {_duration(left_s)} left"
        )


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"
