"""Rows of the final table, their verdicts, and how far the whole is."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

GOOD, BAD, NOT_DONE = "good", "BAD", "not done"
_COLUMNS = ("case", "what was done", "exit status", "message seen", "verdict")
_WIDTHS = (15, 40, 11, 62, 40)


@dataclass(frozen=True)
class Row:
    """What came of one case.

    Attributes:
        case: Its name.
        done: What was done.
        status: The exit status, or several.
        message: What was said about it.
        problems: What should be otherwise; none for a good verdict.
        found: What was measured.
        figures: The same as numbers.
        done_here: False where this machine does not allow it.
    """

    case: str
    done: str
    status: str
    message: str
    problems: tuple[str, ...] = ()
    found: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    done_here: bool = True

    @property
    def verdict(self) -> str:
        """Whether it went as it must."""
        if not self.done_here:
            return NOT_DONE
        return BAD if self.problems else GOOD

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain JSON."""
        return {**asdict(self), "verdict": self.verdict}


def table(rows: Iterable[Row]) -> list[str]:
    """Return the lines of the table."""
    lines = [_line(_COLUMNS), _line(["-" * width for width in _WIDTHS])]
    for row in rows:
        verdict = f"{row.verdict}: {'; '.join(row.problems) or row.found}".removesuffix(": ")
        cells = (row.case, row.done, row.status, row.message, verdict)
        wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
        height = max(map(len, wrapped))
        lines += [_line([cell[line] if line < len(cell) else "" for cell in wrapped]) for line in range(height)]
    return lines


def _line(cells: Sequence[str]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


class Progress:
    """Says on stderr what is being done, and how long the rest will take.

    Args:
        total: Work of all cases, in starts of one process.
    """

    def __init__(self, total: float) -> None:
        self._total = total
        self._done = 0.0
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Show what is being done."""
        elapsed = time.monotonic() - self._began
        left = f", about {_clock(elapsed * (self._total / self._done - 1))} left" if self._done > 0 else ""
        print(f"[{self._done / self._total:4.0%} {_clock(elapsed)}{left}] {text}", file=sys.stderr, flush=True)

    def advance(self, work: float) -> None:
        """Note that so much work is done; chance may make it more than was planned."""
        self._done = min(self._total, self._done + work)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
