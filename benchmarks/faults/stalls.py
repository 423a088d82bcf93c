"""One of two ranks is stopped: for good, or for longer than MindSpore alone would wait."""

from __future__ import annotations

import os
import signal
import time

from benchmarks.faults.curves import curve_problems, weights_problems
from benchmarks.faults.jobs import Job
from benchmarks.faults.moments import Waiter
from benchmarks.faults.report import Row
from benchmarks.faults.workplace import LIMIT_S, STEPS, TWO, Workplace, left_over

# MindSpore ends a job on the CPU when a rank is 30 s late at a collective operation.
SLOW_S = 37.0
_LEAST_STALL_S = 15.0
_VICTIM = "rank 1"


def hung_case(place: Workplace) -> list[Row]:
    """Stop a rank for good: the launcher must name it and end the job, which then can be resumed."""
    reference = place.reference(TWO)
    run = place.folder / "hung"
    # Until its first step a job shows no life, and that takes as long as the reference's start.
    timeout_s = max(_LEAST_STALL_S, round(2 * reference.start_s))
    place.progress.say(f"hung: {_VICTIM} is stopped, --stall_timeout_s {timeout_s}")
    job, pid = _start(place, run.name, ["--stall_timeout_s", str(timeout_s)])
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    status = job.wait(timeout_s + LIMIT_S)
    took_s = time.monotonic() - stopped
    problems = [*left_over(job), *([] if status == 1 else [f"the exit status is {status}"])]
    if f"{_VICTIM} is stopped" not in job.error:
        problems.append("the message does not name the rank")
    place.progress.say("hung: resume")
    problems += place.finish(run, TWO)
    problems += curve_problems(run, reference.run, 0.0) + weights_problems(run, reference.run)
    done = f"SIGSTOP to {_VICTIM} for good, --stall_timeout_s {timeout_s}; then resumed"
    found = f"ended {took_s:.0f} s later; resumed: equal to the bit"
    return [Row("hung", done, str(status), job.error, tuple(problems), found, {"ended_after_s": round(took_s, 1)})]


def slow_case(place: Workplace) -> list[Row]:
    """Stop a rank for a while: the job must wait and go on."""
    reference = place.reference(TWO)
    run = place.folder / "slow"
    place.progress.say(f"slow: {_VICTIM} is stopped for {SLOW_S:g} s")
    job, pid = _start(place, run.name, ["--slow_warning_s", "10"])
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        survived = not job.until(lambda: time.monotonic() - began > SLOW_S, LIMIT_S) or job.running
    finally:
        if job.running:
            os.kill(pid, signal.SIGCONT)
    status = job.wait(LIMIT_S)
    problems = left_over(job)
    if status or not survived:
        problems.append(f"the job ended with {status}: {job.error}")
    else:
        problems += curve_problems(run, reference.run, 0.0) + weights_problems(run, reference.run)
    warning = next((line for line in job.text.splitlines() if line.startswith("warning: rank")), "")
    if _VICTIM not in warning:
        problems.append("no warning names the rank")
    done = f"SIGSTOP to {_VICTIM}, SIGCONT after {SLOW_S:g} s"
    return [Row("slow", done, str(status), warning, tuple(problems), "the job goes on; equal to the bit")]


def _start(place: Workplace, name: str, launch_options: list[str]) -> tuple[Job, int]:
    """Start two ranks; return the job in the middle of its training, and the victim's process."""
    waiter = Waiter(place.folder / name)
    job = place.start(place.folder / name, TWO, launch_options=launch_options)
    waiter.wait_for_step(job)
    pid = job.member(_VICTIM)
    waiter.wait_for_step(job, place.chance.randint(5, STEPS // 2))
    if pid is None:
        raise ChildProcessError(f"{_VICTIM} is not there: {job.error}")
    return job, pid
