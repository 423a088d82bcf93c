"""Let both sides work in turn, and say who was faster."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any

from benchmarks.contest.cases import StepCase
from benchmarks.machine import ROOT, reset_peak, status_mb
from src.common.errors import DeviceError

_OURS, _PEER = "benchmarks.contest.ours", "benchmarks.contest.peer"
_SHOWN_LINES = 15


class Side:
    """A process that works for one side; see ``benchmarks.contest.worker``.

    Args:
        python: Python of its environment.
        module: What it runs.
        case: What it works on.
        log: Takes what its libraries print.
    """

    def __init__(self, python: Path | str, module: str, case: StepCase, log: IO[str]) -> None:
        self.name = module.rpartition(".")[2]
        self._log = log
        self.first_step_s = 0.0
        self.value = 0.0
        self.versions: dict[str, str] = {}
        self._started = time.monotonic()
        environment = {**os.environ, "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [str(python), "-m", module, json.dumps(asdict(case))],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it is warm: ``first_step_s`` (from its start), ``value`` (of a step) and ``versions`` are known.

        Raises:
            DeviceError: The process has failed; shows the end of what it said.
        """
        self._answer()
        self.first_step_s = time.monotonic() - self._started
        answer = self._answer()
        self.value, self.versions = answer["value"], answer["versions"]

    def seconds(self, steps: int) -> list[float]:
        """Let it work; return the seconds of each step. Raises as ``wait``."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps({"steps": steps}) + "\n")
                self._process.stdin.flush()
        found: list[float] = self._answer()["seconds"]
        return found

    def forget_peak(self) -> None:
        """Let the peak of memory begin anew."""
        reset_peak(self._process.pid)

    def peak_mb(self) -> float:
        """Return the largest memory since ``forget_peak``."""
        return status_mb("VmHWM", self._process.pid)

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process.wait()
        self._log.seek(0)
        last = "".join(self._log.readlines()[-_SHOWN_LINES:]).strip()
        what = f"the process of {self.name} ended with status {self._process.returncode}: {last}"
        raise DeviceError(what, "benchmarks.contest", "see the last lines above; is there enough memory?")


@contextlib.contextmanager
def sides(case: StepCase, ours: Path | str, peer: Path | str) -> Iterator[tuple[Side, Side]]:
    """Start both sides, one after the other, and end them at last.

    Args:
        case: What they work on.
        ours: Python of this project's environment.
        peer: Python of the peer's.
    """
    with contextlib.ExitStack() as stack:
        both: list[Side] = []
        for python, module in ((ours, _OURS), (peer, _PEER)):
            log = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            side = Side(python, module, case, log)
            stack.callback(side.close)
            both.append(side)
            # The next one starts when this one has nothing more to do: they must not disturb each other.
            side.wait()
        yield both[0], both[1]


@dataclass(frozen=True)
class Outcome:
    """What both sides took for a case; seconds of each step, or MB.

    Attributes:
        case: The case.
        ours: Of this project.
        peer: Of the peer.
        versions: Of the libraries of both.
    """

    case: StepCase
    ours: tuple[float, ...]
    peer: tuple[float, ...]
    versions: dict[str, str]

    @property
    def ratio(self) -> float:
        """Return our median over the peer's."""
        return median(self.ours) / median(self.peer)

    def cells(self) -> list[str]:
        """Return name, median and spread of both, ratio, target and whether it is reached."""
        target = "-" if self.case.target is None else f"{self.case.target:.2f}"
        reached = "" if self.case.target is None else ("yes" if self.ratio <= self.case.target else "no")
        return [self.case.name, *map(_spread, (self.ours, self.peer)), f"{self.ratio:.2f}", target, reached]


def _spread(values: Sequence[float]) -> str:
    """Return median and, in brackets, least and most."""
    middle, least, most = median(values), min(values), max(values)
    digits = 0 if middle >= 100 else 3 if middle < 10 else 1
    return f"{middle:,.{digits}f} ({least:,.{digits}f} - {most:,.{digits}f})"


def contest(case: StepCase, ours: Path | str, peer: Path | str, rounds: int, steps: int) -> Outcome:
    """Measure the seconds of a step: rounds of ``steps`` steps in turn.

    Raises:
        DeviceError: One side failed.
    """
    own: list[float] = []
    others: list[float] = []
    with sides(case, ours, peer) as (our_side, peer_side):
        for _ in range(rounds):
            own += our_side.seconds(steps)
            others += peer_side.seconds(steps)
        versions = our_side.versions | peer_side.versions
    return Outcome(case, tuple(own), tuple(others), versions)


def cold_start(case: StepCase, ours: Path | str, peer: Path | str, rounds: int) -> Outcome:
    """Measure the seconds from the start of a process to the end of its first step."""
    own, others, versions = [], [], {}
    for _ in range(rounds):
        with sides(case, ours, peer) as (our_side, peer_side):
            own.append(our_side.first_step_s)
            others.append(peer_side.first_step_s)
            versions = our_side.versions | peer_side.versions
    return Outcome(case, tuple(own), tuple(others), versions)


def memory(case: StepCase, ours: Path | str, peer: Path | str, steps: int) -> Outcome:
    """Measure the most memory of each process while it trains, in MB: weights, moments and libraries included."""
    with sides(case, ours, peer) as both:
        peaks = []
        for side in both:
            side.forget_peak()
            side.seconds(steps)
            peaks.append(side.peak_mb())
        versions = both[0].versions | both[1].versions
    return Outcome(case, (peaks[0],), (peaks[1],), versions)
