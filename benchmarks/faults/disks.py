"""The disk becomes full: while a checkpoint is saved, or to the last byte."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.curves import checkpoint_problems, curve_problems, saved_step, weights_problems
from benchmarks.faults.moments import Waiter
from benchmarks.faults.report import Row
from benchmarks.faults.workplace import LIMIT_S, SAVE_STEPS, Workplace, left_over
from src.common.cli import EXIT_USER_ERROR

NO_SPACE = "no space left on the device"
_DISK_MB = 24
_FULL_AT = 5 * SAVE_STEPS + 1
# Enough for the figures of the steps to the next save, and less than a checkpoint.
_ROOM_BYTES = 100_000
_FILLINGS = (("room for the log but no checkpoint", _ROOM_BYTES), ("not a byte left", 0))
_UNMOUNTED = "a small disk cannot be mounted here"


def disk_case(place: Workplace, name: str, ranks: int) -> list[Row]:
    """Fill the disk of a training up to less than a checkpoint, and with one process also up to the last byte."""
    rows = []
    for what, room in _FILLINGS[: 2 if ranks == 1 else 1]:
        folder = place.folder / f"{name}_{room}"
        folder.mkdir()
        with small_disk(folder) as reason:
            if reason:
                return [Row(name, _UNMOUNTED, "-", reason, done_here=False)]
            rows.append(_fill(place, name, what, folder, room, ranks))
    return rows


def _fill(place: Workplace, name: str, what: str, disk: Path, room: int, ranks: int) -> Row:
    """Train on a disk that becomes full, free it, and go on."""
    reference, run = place.reference(ranks), disk / "run"
    place.progress.say(f"{name}: {what}")
    waiter = Waiter(run)
    job = place.start(run, ranks)
    problems = [] if waiter.wait_for_step(job, _FULL_AT) else ["it ended before the disk was full"]
    filler = fill(disk, room)
    saved = saved_step(run)
    status = job.wait(LIMIT_S)
    problems += left_over(job) + checkpoint_problems(run)
    if status != EXIT_USER_ERROR:
        problems.append(f"the exit status is {status}")
    if NO_SPACE not in job.error:
        problems.append("the message does not tell it")
    if saved_step(run) < saved:
        problems.append(f"the checkpoint of step {saved} is lost")
    filler.unlink()
    place.progress.say(f"{name}: space is free again, resume from step {saved_step(run)}")
    problems += place.finish(run, ranks)
    problems += curve_problems(run, reference.run, 0.0) + weights_problems(run, reference.run)
    done = f"{what}, from step {_FULL_AT} on; then freed and resumed"
    return Row(
        name, done, str(status), job.error, tuple(problems), "earlier checkpoint whole; resumed: equal to the bit"
    )


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """Mount a small disk in memory on a folder; yield why that cannot be done, or nothing."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        yield str(error)
        return
    if mounted.returncode:
        yield mounted.stderr.strip() or f"mount ended with {mounted.returncode}"
        return
    try:
        yield ""
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, room: int) -> Path:
    """Write a file that leaves so many bytes of a disk free; return it."""
    path = disk / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        with contextlib.suppress(OSError):
            while (free := shutil.disk_usage(disk).free - room) > 0:
                os.write(descriptor, bytes(min(free, 1 << 16)))
    finally:
        os.close(descriptor)
    return path
