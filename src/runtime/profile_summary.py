"""Where the time of profiled updates goes: read what MindSpore's profiler has written, and tell it in a table.

Nothing of MindSpore is needed here, so a profile of another machine can be read too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from src.runtime.array_figures import aligned_table

# In the names of operators of backward passes that are written by hand (src/model/backward.py).
BACKWARD_SCOPE = "/backward-"
_SHOWN = 15
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class Launch:
    """One run of an operator.

    Attributes:
        kind: Its type, such as ``MatMul``.
        name: Its name in the graph.
        start_ns: When it began, in nanoseconds since 1970.
        duration_ms: How long it took.
    """

    kind: str
    name: str
    start_ns: int
    duration_ms: float


@dataclass
class OperatorTime:
    """What the runs of one kind of operator took together, in ms."""

    kind: str
    runs: int = 0
    forward_ms: float = 0.0
    backward_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        """Both passes."""
        return self.forward_ms + self.backward_ms


@dataclass(frozen=True)
class ProfiledUpdate:
    """An update of a profile.

    Attributes:
        number: Its number in the log, from 1.
        start_ns: When its first micro-batch was started.
        end_ns: When its results had arrived.
        tokens: Tokens in it, of all processes.
    """

    number: int
    start_ns: int
    end_ns: int
    tokens: int

    @property
    def duration_ms(self) -> float:
        """Its time by the clock."""
        return (self.end_ns - self.start_ns) / _NS_PER_MS


@dataclass
class ProfileSummary:
    """Where the time of some updates goes.

    Attributes:
        updates: The updates.
        operators: Kinds of operators, the slowest first; empty where nothing was found.
        busy_ms: Time in which at least one operator ran.
        device: Where it was measured.
    """

    updates: Sequence[ProfiledUpdate]
    operators: list[OperatorTime] = field(default_factory=list)
    busy_ms: float = 0.0
    device: str = "CPU"

    @property
    def clock_ms(self) -> float:
        """Time of the updates by the clock."""
        return sum(update.duration_ms for update in self.updates)

    @property
    def outside_ms(self) -> float:
        """Time of the updates in which no operator ran: what MindSpore's runtime and Python take."""
        return max(0.0, self.clock_ms - self.busy_ms)

    @property
    def between_ms(self) -> float:
        """Time between one update and the next: batches that are not ready, log, evaluation, checkpoints."""
        pairs = zip(self.updates, self.updates[1:], strict=False)
        return sum(after.start_ns - before.end_ns for before, after in pairs) / _NS_PER_MS

    def content(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        count = len(self.updates)
        return {
            "device": self.device,
            "updates": [update.number for update in self.updates],
            "ms_per_update": self.clock_ms / count,
            "ms_of_each_update": [update.duration_ms for update in self.updates],
            "tokens_per_s": 1000 * sum(update.tokens for update in self.updates) / self.clock_ms,
            "ms_in_operators": self.busy_ms / count,
            "ms_outside_operators": self.outside_ms / count,
            "ms_between_updates": self.between_ms / max(1, count - 1),
            "operators": [
                {
                    "operator": item.kind,
                    "ms_per_update": item.total_ms / count,
                    "ms_forward": item.forward_ms / count,
                    "ms_backward": item.backward_ms / count,
                    "runs_per_update": item.runs / count,
                    "share": item.total_ms / self.clock_ms,
                }
                for item in self.operators
            ],
        }

    def lines(self) -> list[str]:
        """Return the same for people, with the slowest operators only."""
        known = self.content()
        first, last = self.updates[0].number, self.updates[-1].number
        lines = [
            f"profile of updates {first} to {last} on {self.device}: {known['ms_per_update']:.1f} ms per update, "
            f"{known['tokens_per_s']:.0f} tokens/s",
        ]
        if not self.operators:
            return [*lines, "MindSpore has written no times of operators that could be read"]
        titles = ["operator", "ms/update", "share", "forward", "backward", "runs"]
        rows = [_row(item) for item in known["operators"][:_SHOWN]]
        others = known["operators"][_SHOWN:]
        if others:
            sums = {key: sum(item[key] for item in others) for key in others[0] if key != "operator"}
            rows.append(_row({"operator": f"{len(others)} others", **sums}))
        share = self.outside_ms / self.clock_ms
        rows.append(["outside of operators", f"{known['ms_outside_operators']:.2f}", f"{share:.1%}", "", "", ""])
        between = f"between the updates (batches, log, evaluation): {known['ms_between_updates']:.1f} ms"
        return [*lines, *aligned_table(titles, rows), between]


def _row(item: dict[str, Any]) -> list[str]:
    return [
        str(item["operator"]),
        f"{item['ms_per_update']:.2f}",
        f"{item['share']:.1%}",
        f"{item['ms_forward']:.2f}",
        f"{item['ms_backward']:.2f}",
        f"{item['runs_per_update']:.0f}",
    ]


def summarize(updates: Sequence[ProfiledUpdate], launches: Iterable[Launch], device: str) -> ProfileSummary:
    """Return where the time of ``updates`` goes; operators that ran outside of them (evaluation) do not count.

    Args:
        updates: The profiled updates, one at least.
        launches: Runs of operators, in any order.
        device: Where they ran.
    """
    inside = [item for item in launches if any(u.start_ns <= item.start_ns < u.end_ns for u in updates)]
    kinds: dict[str, OperatorTime] = {}
    for item in inside:
        entry = kinds.setdefault(item.kind, OperatorTime(item.kind))
        entry.runs += 1
        if item.name.startswith("Gradients/") or BACKWARD_SCOPE in item.name:
            entry.backward_ms += item.duration_ms
        else:
            entry.forward_ms += item.duration_ms
    ordered = sorted(kinds.values(), key=lambda entry: -entry.total_ms)
    return ProfileSummary(updates, ordered, _covered_ms(inside), device)


def _covered_ms(launches: Sequence[Launch]) -> float:
    """Return the length of the union of the runs: operators may run beside each other."""
    covered_ns, end_ns = 0, 0
    for item in sorted(launches, key=lambda item: item.start_ns):
        # Whole nanoseconds: a float of the time since 1970 is too coarse.
        stop_ns = item.start_ns + round(item.duration_ms * _NS_PER_MS)
        covered_ns += max(0, stop_ns - max(item.start_ns, end_ns))
        end_ns = max(end_ns, stop_ns)
    return covered_ns / _NS_PER_MS


def read_launches(folder: Path) -> Iterator[Launch]:
    """Yield the runs of operators that the files below ``folder`` tell of, those of an Ascend or those of a CPU."""
    tables = sorted(folder.rglob("kernel_details.csv"))
    for path in tables:
        yield from _ascend_launches(path)
    if not tables:
        for path in sorted(folder.rglob("cpu_op_execute_timestamp_*.txt")):
            yield from _cpu_launches(path)


def _cpu_launches(path: Path) -> Iterator[Launch]:
    """Read lines ``name;kind of device;start ns,duration ms,thread start,...`` of MindSpore's profiler on a CPU."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, rest = line.partition(";")
        for entry in rest.partition(";")[2].split():
            numbers = entry.split(",")
            if len(numbers) >= 2 and numbers[0].isdigit():
                yield Launch(_kind_of(name), name, int(numbers[0]), float(numbers[1]))


def _ascend_launches(path: Path) -> Iterator[Launch]:
    """Read ``kernel_details.csv``: one line a kernel, times in microseconds since 1970."""
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        for row in csv.DictReader(stream):
            try:
                start_ns = int(Decimal(row["Start Time(us)"].strip()) * 1000)
                duration_ms = float(row["Duration(us)"]) / 1000
            except (KeyError, ValueError, AttributeError, InvalidOperation):
                continue
            yield Launch(row.get("Type") or "?", row.get("Name") or "?", start_ns, duration_ms)


def _kind_of(name: str) -> str:
    """Return ``MatMul`` of ``Default/network/MatMul-op3``."""
    return re.sub(r"-op\d+$", "", name.rpartition("/")[2])
