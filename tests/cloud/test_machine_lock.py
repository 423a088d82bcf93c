from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from src.cloud import machine_lock
from src.cloud.machine_lock import MachineLock
from src.common.errors import StorageError


def in_threads(path: Path, count: int, work: list[str], fails: bool = False) -> list[str]:
    """Let several holders take the lock at once; return how each fared."""
    ends = [""] * count
    # Made before any works: a thread that comes late has waited for the others too.
    locks = [MachineLock(path, rank) for rank in range(count)]

    def hold(rank: int) -> None:
        try:
            with locks[rank].hold():
                work.append(f"begin {rank}")
                time.sleep(0.1)
                if fails:
                    raise StorageError("the bucket is not there")
                work.append(f"end {rank}")
        except StorageError as error:
            ends[rank] = str(error)

    threads = [threading.Thread(target=hold, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_one_at_a_time(tmp_path: Path) -> None:
    work: list[str] = []
    assert in_threads(tmp_path / "deep" / "data.lock", 3, work) == ["", "", ""]
    assert len(work) == 6
    assert all(work[place].split()[1] == work[place + 1].split()[1] for place in (0, 2, 4))


def test_who_waited_for_a_failure_fails_too(tmp_path: Path) -> None:
    work: list[str] = []
    ends = in_threads(tmp_path / "data.lock", 3, work, fails=True)
    assert len(work) == 1
    failed = work[0].split()[1]
    told = f"rank {failed} could not fetch what this machine needs: the bucket is not there"
    assert sorted(ends) == sorted(["the bucket is not there", told, told])
    # A later start is not held back.
    assert in_threads(tmp_path / "data.lock", 1, work) == [""]


def _hold_for_ever(path: str, ready: str) -> None:
    with MachineLock(Path(path), 0).hold():
        Path(ready).touch()
        time.sleep(60)


def test_a_killed_holder_keeps_nobody_waiting(tmp_path: Path) -> None:
    path, ready = tmp_path / "data.lock", tmp_path / "ready"
    holder = multiprocessing.get_context("fork").Process(target=_hold_for_ever, args=(str(path), str(ready)))
    holder.start()
    try:
        while not ready.exists():
            time.sleep(0.01)
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        assert in_threads(path, 1, []) == [""]
    finally:
        holder.kill()
        holder.join()


def test_a_holder_without_a_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.lock"
    monkeypatch.setattr(machine_lock, "STALL_S", 0.3)
    with MachineLock(path, 5).hold():
        (end,) = in_threads(path, 1, [])
    assert f"rank 5 (process {os.getpid()}) downloads for this machine and has shown no sign of life" in end
    with MachineLock(path, 5).hold():
        worker = MachineLock(path, 0)
        done = threading.Event()
        waiting = threading.Thread(target=lambda: (in_threads(path, 1, []), done.set()))
        waiting.start()
        for _ in range(8):
            worker._touched = 0.0
            worker.alive()
            time.sleep(0.1)
        assert not done.is_set()
    waiting.join()
