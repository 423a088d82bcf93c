from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.faults.disks import fill, small_disk
from benchmarks.faults.jobs import Job, kill_marked, marked_processes
from benchmarks.faults.moments import EARLY, SAVE, START, STEP, Moment, Waiter, draw_kinds, draw_moment
from benchmarks.faults.report import Progress
from benchmarks.faults.workplace import STEPS, Workplace
from src.common.errors import DataError, DeviceError
from tests.benchmarks.fault_samples import TOKEN, record, write_run

ROOT = Path(__file__).resolve().parents[2]


def place_in(folder: Path) -> Workplace:
    return Workplace(folder, TOKEN, random.Random(1), Progress(10))


def test_moments_spread_over_the_training() -> None:
    kinds = draw_kinds(random.Random(3), 20)
    assert (kinds.count(START), kinds.count(SAVE), kinds.count(STEP)) == (5, 8, 6)
    assert kinds[:2] == [START, EARLY]
    assert draw_kinds(random.Random(3), 20) == kinds != draw_kinds(random.Random(4), 20)
    assert sorted(draw_kinds(random.Random(3), 2)) == [SAVE, STEP]
    chance, saved, steps = random.Random(1), 0, []
    for left in range(20, 0, -1):
        moment = draw_moment(chance, STEP, saved, left, 5.0)
        steps.append(moment.step)
        saved = max(saved, moment.step // 4 * 4)
    assert 0 < steps[0] < 15
    assert STEPS // 2 < steps[-1] < STEPS - 4
    assert max(later - earlier for earlier, later in pairwise(steps)) < STEPS // 3
    assert {draw_moment(chance, EARLY, 0, 9, 5.0).step for _ in range(50)} == {1, 2}
    early = [draw_moment(chance, START, 8, 3, 5.0).delay_s for _ in range(100)]
    assert 0 <= min(early) < 1 < 4 < max(early) <= 5


def test_steps_of_the_training_before_are_not_waited_for(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [record(1), record(2)])
    waiter = Waiter(run)
    assert waiter.last_step() == 0
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps(record(3)) + '\n{"step": 4')
    assert waiter.last_step() == 0
    new = run / "new"
    new.write_bytes((run / "metrics.jsonl").read_bytes())
    new.replace(run / "metrics.jsonl")
    assert waiter.last_step() == 3
    assert not waiter.saving()
    (run / "checkpoints" / ".saving-abc").mkdir()
    assert waiter.saving()
    assert not Waiter(run).saving()


@pytest.fixture
def start_job(tmp_path: Path) -> Iterator[Callable[[str], Job]]:
    def start(code: str) -> Job:
        return Job([sys.executable, "-c", code], tmp_path, tmp_path / "console.txt", TOKEN)

    yield start
    kill_marked(TOKEN)


def test_a_job_and_what_it_leaves_behind(start_job: Callable[[str], Job]) -> None:
    child = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    job = start_job(f"{child}; print('error: this is wrong -> mend it'); sys.exit(2)")
    assert job.wait(60) == 2
    assert job.error == "error: this is wrong -> mend it"
    assert not job.until(lambda: False, 60)
    (orphan,) = job.until_alone(0.1)
    assert orphan in marked_processes(TOKEN)
    assert marked_processes("another") == []
    kill_marked(TOKEN)
    assert job.until_alone(10) == []


def test_a_job_that_does_not_end_is_killed(start_job: Callable[[str], Job]) -> None:
    with pytest.raises(DeviceError, match="did not end"):
        start_job("import time; time.sleep(600)").wait(0.2)
    job = start_job("import time; time.sleep(600)")
    with pytest.raises(DeviceError, match="did not get on"):
        job.until(lambda: False, 0.2)
    assert job.until_alone(10) == []
    assert job.wait(10) == 128 + signal.SIGKILL


def test_members_are_found_by_what_the_launcher_tells_them(
    start_job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK_ID", "7")
    own = "dict(os.environ, RANK_ID='1')"
    job = start_job(f"import os, subprocess; subprocess.run(['sleep', '600'], env={own})")
    assert job.until(lambda: job.member("rank 1") is not None, 60)
    assert job.member("launcher") == job.process.pid != job.member("rank 1")
    assert job.member("rank 7") is None
    assert job.member("scheduler") is None


def test_nothing_is_left_when_the_command_is_terminated(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from benchmarks import fault_run; from benchmarks.faults.jobs import Job;"
        f"folder = Path({str(tmp_path)!r});"
        f"context = fault_run._nothing_left({TOKEN!r}); context.__enter__();"
        "\ntry:\n"
        f"    Job(['sleep', '600'], folder, folder / 'log', {TOKEN!r}).wait(600)\n"
        "except BaseException as error:\n"
        "    context.__exit__(type(error), error, None)\n"
        "    raise\n"
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not marked_processes(TOKEN) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert marked_processes(TOKEN)
        process.send_signal(number)
        process.wait(60)
        while marked_processes(TOKEN) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert marked_processes(TOKEN) == []


def test_a_disk_is_filled_but_for_some_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as reason:
        if reason:
            pytest.skip(reason)
        fill(tmp_path, 100_000).stat()
        (tmp_path / "small").write_bytes(bytes(50_000))
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "large").write_bytes(bytes(200_000))
    assert list(tmp_path.iterdir()) == []


def test_records_are_made_of_a_given_text(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    documents = ["\n".join(f"the {word} number {number} is good" for word in ("film", "plot")) for number in range(300)]
    text.write_text("\n\n".join(documents[:10]))
    place = place_in(tmp_path)
    place.text = text
    with pytest.raises(DataError, match="10 documents are too few"):
        place.make_records()
    text.write_text("\n\n".join(documents))
    place.make_records()
    assert {"the", "film", "number"} < set((tmp_path / "vocab.txt").read_text().splitlines())
    assert len(list(place.records.glob("*.tfrecord"))) > 20
    assert {path.name for path in tmp_path.iterdir()} >= {"records", "held_out", "narrow"}


def test_moments_in_words() -> None:
    assert Moment(START, 0, 1.25).describe() == "1.2 s after the start"
    assert Moment(STEP, 7, 0.1).describe() == Moment(EARLY, 7, 0.1).describe() == "at step 7"
    assert Moment(SAVE, 7, 0.1).describe() == "in the save after step 7"
