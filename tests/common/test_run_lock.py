from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.common.errors import OutputError
from src.common.run_lock import LOCK_NAME, RunLock, process_start

ROOT = Path(__file__).resolve().parents[2]


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write_owner(directory: Path, **owner: object) -> None:
    (directory / LOCK_NAME).write_text(json.dumps({"host": socket.gethostname(), **owner}))


def test_the_second_run_is_refused_until_the_first_gives_back(tmp_path: Path) -> None:
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    first.acquire()
    with pytest.raises(OutputError, match=f"process {os.getpid()} is using this directory"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    second.release()
    assert os.listdir(tmp_path) == []


def test_a_living_process_of_this_machine_is_respected(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom src.common.run_lock import RunLock\n"
        f"RunLock(Path({str(tmp_path)!r})).acquire()\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match=f"process {process.pid} is using"):
            RunLock(tmp_path).acquire()
        process.kill()
        process.wait()
        RunLock(tmp_path).acquire()
    finally:
        process.kill()
        process.communicate()


def test_the_lock_of_an_ended_process_is_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pid = ended_process()
    write_owner(tmp_path, pid=pid, process_start="1")
    with caplog.at_level(logging.WARNING):
        RunLock(tmp_path).acquire()
    assert f"process {pid} ended without releasing" in caplog.text
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_another_process_with_the_same_number_does_not_count(tmp_path: Path) -> None:
    write_owner(tmp_path, pid=os.getpid(), process_start="1")
    RunLock(tmp_path).acquire()


def test_a_process_of_another_machine_is_respected_with_advice(tmp_path: Path) -> None:
    write_owner(tmp_path, pid=1, host="another-machine", process_start="1")
    with pytest.raises(OutputError, match=rf"process 1 on another-machine .* remove {LOCK_NAME}"):
        RunLock(tmp_path).acquire()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "\x00\xff"])
def test_a_damaged_lock_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK_NAME).write_text(content, encoding="latin-1")
    RunLock(tmp_path).acquire()
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_release_leaves_the_lock_of_others(tmp_path: Path) -> None:
    write_owner(tmp_path, pid=os.getppid(), process_start=process_start(os.getppid()))
    RunLock(tmp_path).release()
    assert (tmp_path / LOCK_NAME).exists()


def test_of_many_starts_in_one_instant_one_wins(tmp_path: Path) -> None:
    write_owner(tmp_path, pid=ended_process(), process_start="1")
    program = (
        "import sys\nfrom pathlib import Path\nfrom src.common.errors import OutputError\n"
        "from src.common.run_lock import RunLock\nsys.stdin.readline()\n"
        f"try:\n    RunLock(Path({str(tmp_path)!r})).acquire()\n    print('won', flush=True)\n"
        "except OutputError:\n    print('lost', flush=True)\nsys.stdin.readline()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, **pipes) for _ in range(6)]
    try:
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [process.stdout.readline().strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sorted(results) == ["lost"] * 5 + ["won"]


def test_looking_and_taking_are_one_step(tmp_path: Path) -> None:
    with (tmp_path / LOCK_NAME).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        taker = threading.Thread(target=RunLock(tmp_path).acquire, daemon=True)
        taker.start()
        taker.join(0.3)
        assert taker.is_alive()
        assert (tmp_path / LOCK_NAME).read_text() == ""
        fcntl.flock(stream, fcntl.LOCK_UN)
        taker.join(10)
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_process_start() -> None:
    assert process_start(os.getpid())
    assert process_start(ended_process()) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        RunLock(tmp_path / "missing").acquire()
