"""Let both sides work in turn, and say who was faster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any, Protocol

from benchmarks.contest.process import SideProcess, log_file
from benchmarks.machine import reset_peak, status_mb

COLUMNS = ("case", "ours", "peer", "ratio", "target", "reached")
"""What ``Outcome.cells`` are."""

_OURS, _PEER = "benchmarks.contest.ours", "benchmarks.contest.peer"


class Case(Protocol):
    """What both sides work on."""

    @property
    def name(self) -> str:
        """Name it in a table."""

    @property
    def target(self) -> float | None:
        """Return the largest ratio that is aimed at; ``None`` for none."""


class Side(SideProcess):
    """A process that repeats a step; see ``benchmarks.contest.worker.serve``.

    Args:
        python: Python of its environment.
        module: What it runs.
        case: What it works on.
        log: Takes what its libraries print.
        environment: Variables besides those of this process.
    """

    def __init__(
        self, python: Path | str, module: str, case: Any, log: IO[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.first_step_s = 0.0
        self.value = 0.0
        self.versions: dict[str, str] = {}
        self._started = time.monotonic()
        super().__init__(python, module, case, log, environment)

    def wait(self) -> None:
        """Wait until it is warm: ``first_step_s`` (from its start), ``value`` (of a step) and ``versions`` are known.

        Raises:
            DeviceError: The process has failed; shows the end of what it said.
        """
        self.answer()
        self.first_step_s = time.monotonic() - self._started
        answer = self.answer()
        self.value, self.versions = answer["value"], answer["versions"]

    def seconds(self, steps: int) -> list[float]:
        """Let it work; return the seconds of each step. Raises as ``wait``."""
        self.say(steps=steps)
        found: list[float] = self.answer()["seconds"]
        return found

    def forget_peak(self) -> None:
        """Let the peak of memory begin anew."""
        reset_peak(self.number)

    def peak_mb(self) -> float:
        """Return the largest memory since ``forget_peak``."""
        return status_mb("VmHWM", self.number)


@contextlib.contextmanager
def sides(
    case: Any,
    ours: Path | str,
    peer: Path | str,
    modules: tuple[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[Side, Side]]:
    """Start both sides, one after the other, and end them at last.

    Args:
        case: What they work on.
        ours: Python of this project's environment.
        peer: Python of the peer's.
        modules: What ours and the peer run; ``None`` for steps of a network.
        environment: Variables of both besides those of this process.
    """
    with contextlib.ExitStack() as stack:
        both: list[Side] = []
        for python, module in zip((ours, peer), modules or (_OURS, _PEER), strict=True):
            log = stack.enter_context(log_file())
            side = Side(python, module, case, log, environment)
            stack.callback(side.close)
            both.append(side)
            # The next one starts when this one has nothing more to do: they must not disturb each other.
            side.wait()
        yield both[0], both[1]


@dataclass(frozen=True)
class Outcome:
    """What both sides took for a case; seconds of each step, or MB.

    Attributes:
        case: What was measured.
        ours: Of this project.
        peer: Of the peer.
        versions: Of the libraries of both.
        values: What a step of ours and of the peer returned, if that is known.
    """

    case: Case
    ours: tuple[float, ...]
    peer: tuple[float, ...]
    versions: dict[str, str]
    values: tuple[float, float] | None = None

    @property
    def ratio(self) -> float:
        """Return our median over the peer's."""
        return median(self.ours) / median(self.peer)

    def cells(self) -> list[str]:
        """Return name, median and spread of both, ratio, target and whether it is reached."""
        target = "-" if self.case.target is None else f"{self.case.target:.2f}"
        reached = "" if self.case.target is None else ("yes" if self.ratio <= self.case.target else "no")
        return [self.case.name, *map(spread, (self.ours, self.peer)), f"{self.ratio:.2f}", target, reached]


def spread(values: Sequence[float]) -> str:
    """Return median and, in brackets, least and most."""
    middle, least, most = median(values), min(values), max(values)
    digits = 0 if middle >= 100 else 3 if middle < 10 else 1
    return f"{middle:,.{digits}f} ({least:,.{digits}f} - {most:,.{digits}f})"


def contest(
    case: Case,
    ours: Path | str,
    peer: Path | str,
    rounds: int,
    steps: int,
    modules: tuple[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Measure the seconds of a step: rounds of ``steps`` steps in turn; the other arguments are those of ``sides``.

    Raises:
        DeviceError: One side failed.
    """
    own: list[float] = []
    others: list[float] = []
    with sides(case, ours, peer, modules, environment) as (our_side, peer_side):
        for _ in range(rounds):
            own += our_side.seconds(steps)
            others += peer_side.seconds(steps)
        versions = our_side.versions | peer_side.versions
        values = (our_side.value, peer_side.value)
    return Outcome(case, tuple(own), tuple(others), versions, values)


def cold_start(case: Case, ours: Path | str, peer: Path | str, rounds: int) -> Outcome:
    """Measure the seconds from the start of a process to the end of its first step."""
    own, others, versions = [], [], {}
    for _ in range(rounds):
        with sides(case, ours, peer) as (our_side, peer_side):
            own.append(our_side.first_step_s)
            others.append(peer_side.first_step_s)
            versions = our_side.versions | peer_side.versions
    return Outcome(case, tuple(own), tuple(others), versions)


def memory(case: Case, ours: Path | str, peer: Path | str, steps: int) -> Outcome:
    """Measure the most memory of each process while it trains, in MB: weights, moments and libraries included."""
    with sides(case, ours, peer) as both:
        peaks = []
        for side in both:
            side.forget_peak()
            side.seconds(steps)
            peaks.append(side.peak_mb())
        versions = both[0].versions | both[1].versions
    return Outcome(case, (peaks[0],), (peaks[1],), versions)
