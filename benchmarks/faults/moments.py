"""Random moments of a training, and waiting for them: its start, its steps, its saves."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.curves import saved_step
from benchmarks.faults.jobs import Job
from benchmarks.faults.workplace import LIMIT_S, SAVE_STEPS, STEPS

START, EARLY, STEP, SAVE = "start", "early", "step", "save"
# Shares of the kinds of moments; the rest fall on steps. From so many kills on, the first two come before any save.
_START_SHARE, _SAVE_SHARE, _EARLY_FROM = 0.25, 0.4, 4
_SCRATCH = ".saving-*"
# A save of the tiny network takes about so long on a busy machine.
_SAVE_S = 0.04
_STEP_S = 0.05
# Behind its end a training that is killed has nothing left to show.
_LAST_STEP = STEPS - SAVE_STEPS - 2


@dataclass(frozen=True)
class Moment:
    """A moment to wait for.

    Attributes:
        kind: ``START``, ``STEP`` or ``SAVE``, or ``EARLY``, a step before the first save.
        step: The step to wait for; a save is the first one after it.
        delay_s: Seconds to wait then.
    """

    kind: str
    step: int
    delay_s: float

    def describe(self) -> str:
        """Return it in words."""
        if self.kind == START:
            return f"{self.delay_s:.1f} s after the start"
        return f"{'in the save after' if self.kind == SAVE else 'at'} step {self.step}"


def draw_kinds(chance: random.Random, count: int) -> list[str]:
    """Return the kinds of so many moments in random order."""
    starts, saves = int(_START_SHARE * count), round(_SAVE_SHARE * count)
    first = [START, EARLY] if count >= _EARLY_FROM else []
    kinds = [START] * (starts - len(first[:1])) + [SAVE] * saves
    kinds += [STEP] * (count - len(first) - len(kinds))
    chance.shuffle(kinds)
    return first + kinds


def draw_moment(chance: random.Random, kind: str, saved: int, left: int, start_s: float) -> Moment:
    """Return a moment, such that all moments that are left spread over the rest of the training.

    Args:
        chance: Source of the randomness.
        kind: Its kind.
        saved: Step of the newest checkpoint.
        left: Moments that are left, this one included.
        start_s: Seconds from the start of the command to the first step.
    """
    if kind == START:
        return Moment(START, saved, chance.uniform(0, start_s))
    if kind == EARLY:
        return Moment(EARLY, chance.randint(1, SAVE_STEPS - 2), 0.0)
    width = 2 * max(0, _LAST_STEP - saved) / (left + 1)
    step = min(_LAST_STEP, saved + 1 + int(chance.uniform(0, width)))
    return Moment(kind, max(step, saved + 1), chance.uniform(0, _SAVE_S if kind == SAVE else _STEP_S))


class Waiter:
    """Waits for moments of one training.

    Args:
        run: Its run directory; make this object before the training is started.
    """

    def __init__(self, run: Path) -> None:
        self._metrics = run / "metrics.jsonl"
        self._checkpoints = run / "checkpoints"
        # A resumed training replaces the file before its first step: until then it holds steps of the one before.
        self._before = self._inode()
        # What an earlier kill left stays until the next save.
        self._stale = self._scratches()

    def wait(self, job: Job, moment: Moment) -> bool:
        """Wait for a moment; return False where the training has ended before."""
        if moment.kind == START:
            end = time.monotonic() + moment.delay_s
            return job.until(lambda: time.monotonic() >= end, LIMIT_S)
        if not self.wait_for_step(job, moment.step):
            return False
        if moment.kind == SAVE and not job.until(self.saving, LIMIT_S):
            return False
        time.sleep(moment.delay_s)
        return job.running

    def wait_for_step(self, job: Job, step: int = 1) -> bool:
        """Wait until a step is recorded; return False where the training has ended before."""
        return job.until(lambda: self.last_step() >= step, LIMIT_S)

    def last_step(self) -> int:
        """Return the last step that this training has recorded, 0 before the first."""
        inode = self._inode()
        return 0 if inode in (None, self._before) else last_step(self._metrics)

    def saving(self) -> bool:
        """Tell whether a checkpoint is being written, or was when the process died."""
        return bool(self._scratches() - self._stale)

    def _scratches(self) -> set[str]:
        return {path.name for path in self._checkpoints.glob(_SCRATCH)}

    def _inode(self) -> int | None:
        try:
            return self._metrics.stat().st_ino
        except FileNotFoundError:
            return None


def last_step(metrics: Path) -> int:
    """Return the step of the last whole line of a metrics log, 0 without one."""
    try:
        lines = metrics.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    return int(json.loads(lines[-1])["step"]) if lines else 0


def lost_steps(run: Path) -> int:
    """Return how many recorded steps are behind the newest checkpoint, and will be made again."""
    return max(0, last_step(run / "metrics.jsonl") - saved_step(run))
