"""What the launcher says about the processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from src.common.cli import EXIT_USER_ERROR
from src.runtime.launch.console import error_lines, last_lines
from src.runtime.launch.plan import LaunchPlan
from src.runtime.launch.processes import ManagedProcess
from src.runtime.launch.watch import Watch

_TAIL_LINES = 20


def status_in_words(status: int) -> str:
    """Return ``exit status 3`` or ``killed by SIGKILL (9)``."""
    if status <= 128:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(status - 128).name} ({status - 128})"
    except ValueError:
        return f"exit status {status}"


def started(plan: LaunchPlan, device_target: str) -> str:
    """Return the first line."""
    first, last = plan.ranks[0], plan.ranks[-1]
    names = first.name if first is last else f"ranks {first.rank} to {last.rank}"
    return f"launch: {names} of {plan.size} on {device_target}; logs: {first.log.parent}"


def failed(process: ManagedProcess, plan: LaunchPlan, *, in_time: bool) -> Iterator[str]:
    """Yield what is said about the process that failed first.

    Args:
        process: The process.
        plan: The job.
        in_time: Whether it ended before its time to stop was over.
    """
    assert process.outcome is not None
    log = process.plan.log
    if process.outcome == EXIT_USER_ERROR and (lines := error_lines(log)):
        yield from lines
        yield f"launch: {process.plan.name} ended with exit status {EXIT_USER_ERROR}; its log: {log}"
        return
    how = status_in_words(process.outcome)
    if not in_time:
        how += ", as it did not stop in time"
    after = (process.ended or process.started) - process.started
    yield f"error: {process.plan.name}: {how}, {after:.1f} s after its start -> see {log}"
    if process.plan.rank != 0 or plan.ranks[0].rank != 0:
        yield from (f"  | {line}" for line in last_lines(log, _TAIL_LINES))


def stalled(watch: Watch, timeout_s: float) -> Iterator[str]:
    """Yield what is said about a job that hangs."""
    culprits = watch.culprits()
    who = "; ".join(culprits) if culprits else "all are at the same step, so who hangs cannot be told"
    yield f"error: no process made a step for {timeout_s:g} s: {who} -> the job is killed; resume it"
    yield from (f"  | {line}" for line in watch.describe())


def stopped_in_order(process: ManagedProcess) -> bool:
    """Say whether a process that was asked to stop did so: by itself, or of the signal before it listened to it."""
    return process.outcome in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)
