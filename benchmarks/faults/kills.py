"""A training that is killed again and again must end as if nothing had happened."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.curves import (
    LOSSES,
    checkpoint_problems,
    curve_problems,
    largest_difference,
    saved_step,
    weights_problems,
)
from benchmarks.faults.jobs import Job, send
from benchmarks.faults.moments import EARLY, SAVE, START, STEP, Moment, Waiter, draw_kinds, draw_moment, lost_steps
from benchmarks.faults.report import Row
from benchmarks.faults.workplace import LIMIT_S, SAVE_STEPS, TWO, Workplace, left_over

END_LIMIT_S = 15.0
ALL = "all at once"
# One process against two: sums are rounded in another order.
SAME_AS_ONE = 1e-4
_VICTIMS = {1: ("process",), TWO: ("rank 0", "rank 1", "scheduler", "launcher", ALL)}
_WORDS = {START: "while it starts", EARLY: "before its first save", STEP: "at a step", SAVE: "in a save"}
_MEMBERS = ("launcher", "rank 0", "rank 1", "scheduler")


@dataclass
class Tally:
    """What the kills of a case came to.

    Attributes:
        done: Kills.
        kinds: Moments by kind.
        victims: Kills by victim.
        in_saves: Kills that left an unfinished checkpoint behind.
        before_first: Kills before the first checkpoint.
        statuses: Exit statuses of the command.
        end_s: The longest time from a kill to the end of the command.
        gone_s: The longest time from a kill to the end of the last process.
        most_lost: Most steps that had to be made again.
        message: The last error line.
        problems: What should be otherwise.
    """

    done: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)
    in_saves: int = 0
    before_first: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    end_s: float = 0.0
    gone_s: float = 0.0
    most_lost: int = 0
    message: str = ""
    problems: list[str] = field(default_factory=list)


def kill_case(place: Workplace, name: str, ranks: int, kills: int) -> list[Row]:
    """Kill a training at random moments, resume it each time, and compare its end with the uninterrupted run.

    A training that is over before all kills are done is followed by another.
    """
    killer = _Killer(place, ranks, kills)
    tally, rounds, largest = killer.tally, 0, 0.0
    while tally.done < kills and not tally.problems:
        rounds += 1
        run = place.folder / f"{name}_{rounds}"
        while tally.done < kills and not tally.problems and killer.kill(run):
            pass
        if tally.problems:
            break
        place.progress.say(f"{name}: to the end")
        reference, one = place.reference(ranks).run, place.reference(1).run
        tally.problems += place.finish(run, ranks)
        tally.problems += curve_problems(run, reference, 0.0) + weights_problems(run, reference)
        if ranks > 1:
            tally.problems += curve_problems(run, one, SAME_AS_ONE, LOSSES)
            largest = max(largest, largest_difference(run, one, LOSSES))
    return [_row(name, ranks, tally, largest)]


class _Killer:
    """Draws moments and victims, and kills.

    Args:
        place: Where the training runs.
        ranks: Its processes.
        kills: Kills to draw.

    Attributes:
        tally: What came of the kills so far.
    """

    def __init__(self, place: Workplace, ranks: int, kills: int) -> None:
        self._place = place
        self._ranks = ranks
        self._start_s = place.reference(ranks).start_s
        self._kinds = draw_kinds(place.chance, kills)
        self._victims = [_VICTIMS[ranks][number % len(_VICTIMS[ranks])] for number in range(kills)]
        place.chance.shuffle(self._victims)
        self.tally = Tally()

    def kill(self, run: Path) -> bool:
        """Start or resume, kill, and look at what is left; return False where the training was over before."""
        tally, before, count = self.tally, saved_step(run), len(self._kinds)
        kind, victim = self._kinds[tally.done], self._victims[tally.done]
        moment = draw_moment(self._place.chance, kind, before, count - tally.done, self._start_s)
        self._place.progress.say(f"kill {tally.done + 1} of {count}: {victim}, {moment.describe()} (saved: {before})")
        waiter = Waiter(run)
        job = self._place.start(run, self._ranks)
        targets = _wait_for_targets(job, waiter, moment, victim)
        if not targets:
            if status := job.wait(LIMIT_S):
                tally.problems.append(f"it ended with {status} before it was killed: {job.error}")
            return False
        for pid in targets:
            send(pid, signal.SIGKILL)
        _note_end(job, victim, time.monotonic(), tally)
        tally.done += 1
        tally.kinds[kind] += 1
        tally.victims[victim] += 1
        tally.in_saves += waiter.saving()
        tally.before_first += saved_step(run) == 0
        tally.most_lost = max(tally.most_lost, lost_steps(run))
        tally.problems += _judge(run, before, job, kind != START)
        return True


def _wait_for_targets(job: Job, waiter: Waiter, moment: Moment, victim: str) -> list[int]:
    """Wait for a moment and return the processes to kill; none where the job was over before."""
    # Looked up early where that is possible: it takes longer than a save.
    early = [] if moment.kind == START or not waiter.wait_for_step(job) else _members(job, victim)
    return early or _members(job, victim) if waiter.wait(job, moment) else []


def _members(job: Job, victim: str) -> list[int]:
    """Return the processes to kill; a single one may have to appear first. None where the job is over."""
    if victim == ALL:
        return [pid for pid in map(job.member, _MEMBERS) if pid is not None]
    found: list[int] = []

    def appeared() -> bool:
        found.extend(filter(None, [job.member(victim)]))
        return bool(found)

    job.until(appeared, LIMIT_S)
    return found


def _note_end(job: Job, victim: str, killed: float, tally: Tally) -> None:
    """Wait until nothing is left of a job, and note how it ended."""
    status = job.wait(LIMIT_S)
    tally.end_s = max(tally.end_s, time.monotonic() - killed)
    tally.problems += left_over(job, END_LIMIT_S)
    tally.gone_s = max(tally.gone_s, time.monotonic() - killed)
    tally.statuses[status] += 1
    if status == 0:
        tally.problems.append(f"{victim} was killed, the exit status is 0")
    if tally.end_s > END_LIMIT_S:
        tally.problems.append(f"it ended only {tally.end_s:.1f} s after {victim} was killed")
    if victim.startswith(("rank", "scheduler")):
        tally.message = job.error
        if f"{victim}: killed by SIGKILL" not in job.error:
            tally.problems.append(f"{victim} was killed, the launcher said: {job.error or 'nothing'}")


def _judge(run: Path, before: int, job: Job, trained: bool) -> list[str]:
    """Return what the kill has spoilt, or the start before it, if it came as far as training."""
    problems = checkpoint_problems(run)
    if saved_step(run) < before:
        problems.append(f"the checkpoint of step {before} is lost")
    if lost_steps(run) > SAVE_STEPS:
        problems.append(f"{lost_steps(run)} steps are lost, a save is due every {SAVE_STEPS}")
    if trained and before and f"resumed at step {before}" not in job.text:
        problems.append(f"it did not go on from step {before}")
    return problems


def _row(name: str, ranks: int, tally: Tally, largest: float) -> Row:
    """Return the row of the table."""
    kinds = ", ".join(f"{tally.kinds[kind]} {words}" for kind, words in _WORDS.items() if tally.kinds[kind])
    done = f"{tally.done} SIGKILL: {kinds}; {tally.in_saves} left an unfinished save behind, "
    done += f"{tally.before_first} no checkpoint at all"
    found = "curve, last checkpoint and best weights equal to the bit"
    if ranks > 1:
        done += "; " + ", ".join(f"{victim} {count}" for victim, count in sorted(tally.victims.items()))
        found += f"; losses of one process: {largest:.1e}; launcher ended in {tally.end_s:.1f} s, last process "
        found += f"in {tally.gone_s:.1f} s"
    figures = {
        "kills": tally.done,
        "kinds": dict(tally.kinds),
        "victims": dict(tally.victims),
        "unfinished_saves": tally.in_saves,
        "before_first_checkpoint": tally.before_first,
        "most_steps_made_again": tally.most_lost,
        "longest_end_s": round(tally.end_s, 2),
        "longest_gone_s": round(tally.gone_s, 2),
        "difference_to_one_process": largest,
    }
    statuses = ", ".join(f"{status} ({count}x)" for status, count in sorted(tally.statuses.items()))
    message = tally.message or "then: resumed at step N"
    return Row(name, done, statuses, message, tuple(tally.problems), found, figures)
