"""What runs have left in their folder: locks, and files that a killed process was writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from src.common.run_lock import LOCK_NAME, is_alive, read_owner
from src.common.wording import counted
from src.runtime.doctor.findings import Finding, Topic

TOPIC = Topic("runs")
_DEPTH = 4
_MIB = 1 << 20


def probe(run_dir: Path) -> Iterator[Finding]:
    """Yield what there is to say about the runs in a folder, and in the folders below it."""
    locks, unfinished = find(run_dir)
    for lock in locks:
        yield check_lock(lock)
    if unfinished:
        size = sum(_size(path) for path in unfinished) / _MIB
        yield TOPIC.note(
            f"{counted(len(unfinished), 'file')} that a killed process was writing, {size:.1f} MiB: "
            f"{unfinished[0]}{' ...' if len(unfinished) > 1 else ''}",
            "remove them when no run is going on; the files beside them are whole",
        )
    if not locks and not unfinished:
        yield TOPIC.ok(f"no locks and no half-written files in {run_dir}")


def find(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the lock files, and the temporary files of interrupted writes, in a folder and some levels below it."""
    locks, unfinished = [], []
    depth = len(folder.parts)
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders.sort()
        if len(here.parts) - depth >= _DEPTH:
            folders.clear()
        locks += [here / name for name in files if name == LOCK_NAME]
        unfinished += [here / name for name in sorted(files) if name[0] == "." and name.endswith(".tmp")]
    return locks, unfinished


def check_lock(path: Path) -> Finding:
    """Say who holds a lock."""
    folder = path.parent
    owner = read_owner(path)
    if owner is None:
        return TOPIC.note(f"{folder}: its lock names no process", f"nothing, or remove {path}")
    who = f"process {owner['pid']} of {owner.get('host', 'an unknown machine')}"
    alive = is_alive(owner)
    if alive is False:
        return TOPIC.note(f"{folder}: {who} ended without releasing its lock", "nothing: the next run takes it over")
    if alive is None:
        return TOPIC.warning(
            f"{folder}: locked by {who}, which cannot be seen from here", f"if it has ended, remove {path}"
        )
    return TOPIC.note(f"{folder}: {who} is using it", "wait for it, or choose another run_dir")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
