"""What a probe has found: one line that says how bad it is, what it is, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from src.common.wording import counted

Level = Literal["OK", "NOTE", "WARNING", "ERROR"]
LEVELS: tuple[Level, ...] = ("OK", "NOTE", "WARNING", "ERROR")
_WIDTH = len("WARNING")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: ``OK``; ``NOTE``: nothing has to be done; ``WARNING``: something may go wrong or be slow; ``ERROR``:
            something will not work.
        topic: What it is about, for example ``versions``.
        what: What was found.
        fix: What to do; empty where nothing has to be done.
    """

    level: Level
    topic: str
    what: str
    fix: str = ""

    def as_line(self) -> str:
        """Return the line that is shown."""
        text = f"{self.level:<{_WIDTH}}  {self.what}"
        return f"{text} -> {self.fix}" if self.fix else text


@dataclass(frozen=True)
class Topic:
    """Makes findings of one topic."""

    name: str

    def ok(self, what: str) -> Finding:
        """Return that something is as it should be."""
        return Finding("OK", self.name, what)

    def note(self, what: str, fix: str = "") -> Finding:
        """Return something worth knowing."""
        return Finding("NOTE", self.name, what, fix)

    def warning(self, what: str, fix: str) -> Finding:
        """Return something that may go wrong."""
        return Finding("WARNING", self.name, what, fix)

    def error(self, what: str, fix: str) -> Finding:
        """Return something that will not work."""
        return Finding("ERROR", self.name, what, fix)

    def bad(self, needed: bool, what: str, fix: str) -> Finding:
        """Return an error where the thing is needed, else a warning."""
        return self.error(what, fix) if needed else self.warning(what, fix)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether something will not work."""
    return any(finding.level == "ERROR" for finding in findings)


def count_text(findings: Iterable[Finding]) -> str:
    """Return how many findings are worse than OK, for example ``1 error, 0 warnings, 2 notes``."""
    counts = Counter(finding.level for finding in findings)
    return ", ".join(counted(counts[level], level.lower()) for level in ("ERROR", "WARNING", "NOTE"))


def as_json(findings: list[Finding], device_target: str) -> dict[str, Any]:
    """Return the report as plain JSON."""
    counts = Counter(finding.level for finding in findings)
    return {
        "device_target": device_target,
        "ok": not has_errors(findings),
        "counts": {level: counts[level] for level in LEVELS},
        "findings": [asdict(finding) for finding in findings],
    }
