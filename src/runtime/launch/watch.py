"""Notice from the heartbeats that a process is slow or that the whole job hangs."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.runtime.launch.processes import ManagedProcess

# Files of the kernel that are read seldom enough to cost nothing.
_CHECK_EVERY_S = 0.5


@dataclass
class _Pulse:
    """The last beat of a process as the launcher saw it."""

    step: int | None
    changed_ns: int
    seen: float


class Watch:
    """Looks at the heartbeats of the ranks.

    A beat is timed by the launcher's own clock when its file is seen to have changed, so clocks of file systems and
    changes of the time of day do not matter. Before the first beat the time counts from the start.

    Args:
        ranks: The processes that train.
        stall_timeout_s: So long without a beat of any rank is a stall; 0 never.
        slow_warning_s: So long without a beat of a rank that others wait for is worth a warning; 0 never.
    """

    def __init__(self, ranks: Sequence[ManagedProcess], stall_timeout_s: float, slow_warning_s: float) -> None:
        self._ranks = ranks
        self._stall_timeout_s = stall_timeout_s
        self._slow_warning_s = slow_warning_s
        now = time.monotonic()
        self._pulses = [_Pulse(None, 0, now) for _ in ranks]
        self._warned: set[str] = set()
        self._next = now

    def check(self) -> tuple[list[str], bool]:
        """Return new warnings, and whether the job hangs."""
        now = time.monotonic()
        if now < self._next:
            return [], False
        self._next = now + _CHECK_EVERY_S
        for rank, pulse in zip(self._ranks, self._pulses, strict=True):
            beat = rank.heartbeat
            if beat.changed_ns and (beat.changed_ns, beat.step) != (pulse.changed_ns, pulse.step):
                pulse.step, pulse.changed_ns, pulse.seen = beat.step, beat.changed_ns, now
        latest = max(pulse.seen for pulse in self._pulses)
        stalled = self._stall_timeout_s > 0 and now - latest > self._stall_timeout_s
        return self._new_warnings(now), stalled

    def culprits(self) -> list[str]:
        """Return for each rank that the others wait for why it is thought to be one; none where it cannot be told."""
        stopped = [f"{rank.plan.name} is stopped ({_stop_name()})" for rank in self._ranks if _is_stopped(rank)]
        if stopped:
            return stopped
        left = [f"{rank.plan.name} has left with status {rank.status}" for rank in self._ranks if not rank.running]
        if left:
            return left
        front = max((pulse.step if pulse.step is not None else -1) for pulse in self._pulses)
        return [
            f"{rank.plan.name} {_at(pulse)}, the others wait for it at step {front}"
            for rank, pulse in self._pairs()
            if (pulse.step if pulse.step is not None else -1) < front
        ]

    def describe(self) -> list[str]:
        """Return one line for each rank: its step and how long ago it came there."""
        now = time.monotonic()
        return [f"{rank.plan.name} {_at(pulse)} since {now - pulse.seen:.0f} s" for rank, pulse in self._pairs()]

    def _pairs(self) -> list[tuple[ManagedProcess, _Pulse]]:
        return list(zip(self._ranks, self._pulses, strict=True))

    def _new_warnings(self, now: float) -> list[str]:
        """Return a warning for each rank that others wait for, once."""
        if not self._slow_warning_s:
            return []
        steps = [pulse.step for pulse in self._pulses if pulse.step is not None]
        warnings = []
        for rank, pulse in self._pairs():
            age = now - pulse.seen
            late = rank.running and not rank.complete and age > self._slow_warning_s
            behind = bool(steps) and (pulse.step is None or pulse.step < max(steps))
            if late and rank.plan.name not in self._warned and (behind or _is_stopped(rank)):
                self._warned.add(rank.plan.name)
                why = f"is stopped ({_stop_name()})" if _is_stopped(rank) else f"{_at(pulse)} since {age:.0f} s"
                warnings.append(f"warning: {rank.plan.name} {why}, the others wait for it")
        return warnings


def _at(pulse: _Pulse) -> str:
    return "has made no step" if pulse.step is None else f"is at step {pulse.step}"


def _stop_name() -> str:
    return f"{signal.Signals.SIGSTOP.name} or a debugger"


def _is_stopped(rank: ManagedProcess) -> bool:
    """Say whether the kernel has the process stopped; unknown counts as no."""
    if not rank.running:
        return False
    try:
        text = Path(f"/proc/{rank.pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The command in parentheses may hold anything; the state follows the last parenthesis.
    return text.rpartition(")")[2].split()[:1] in (["T"], ["t"])
