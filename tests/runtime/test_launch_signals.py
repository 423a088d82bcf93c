from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.runtime.launch_support import Job, finish, make_job, wait_until


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_lets_the_ranks_save(job: Job, number: signal.Signals, status: int) -> None:
    script = """
def save(number, frame):
    time.sleep(0.5); Path(f"saved_{rank}").touch(); heartbeat.done(143); sys.exit(143)
on_term(save)
Path(f"ready_{rank}").touch()
time.sleep(100)
"""
    process = job.start(script)
    wait_until(lambda: all((job.folder / f"ready_{rank}").exists() for rank in (0, 1)))
    process.send_signal(number)
    assert finish(process)[0] == status
    assert sorted(path.name for path in job.folder.glob("saved_*")) == ["saved_0", "saved_1"]


def test_ranks_that_do_not_stop_are_killed_after_the_grace_period(job: Job) -> None:
    process = job.start("on_term(signal.SIG_IGN); Path(f'ready_{rank}').touch(); time.sleep(100)\n", "--grace_s", "1")
    wait_until(lambda: all((job.folder / f"ready_{rank}").exists() for rank in (0, 1)))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    status, _, errors = finish(process)
    assert 1 <= time.monotonic() - began < 8
    assert status == 137
    assert "killed by SIGKILL (9), as it did not stop in time" in errors
    assert job.left_behind() == []


def test_a_second_signal_kills_at_once(job: Job) -> None:
    process = job.start("on_term(signal.SIG_IGN); Path(f'ready_{rank}').touch(); time.sleep(100)\n")
    wait_until(lambda: all((job.folder / f"ready_{rank}").exists() for rank in (0, 1)))
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert finish(process, 8)[0] == 137
    assert job.left_behind() == []


def test_no_rank_outlives_a_killed_launcher(job: Job) -> None:
    process = job.start("on_term(signal.SIG_IGN); time.sleep(100)\n")
    pids = [job.pid(0), job.pid(1)]
    process.kill()
    process.wait()
    wait_until(lambda: job.left_behind() == [], 5)
    assert len(pids) == 2


@pytest.mark.slow
def test_a_rank_that_was_stopped_by_somebody_else_lets_the_others_save(job: Job) -> None:
    script = """
def save(number, frame):
    time.sleep(7 if rank == 0 else 0); heartbeat.done(143); Path(f"saved_{rank}").touch(); sys.exit(143)
on_term(save)
if rank == 1: time.sleep(0.5); os.kill(os.getpid(), signal.SIGTERM)
time.sleep(100)
"""
    assert job.run(script).returncode == 143
    assert (job.folder / "saved_0").exists()


def test_a_console_that_goes_away_does_not_end_the_job(job: Job) -> None:
    process = job.start("for i in range(20): print(i, flush=True); time.sleep(0.1)\nPath(f'end_{rank}').touch()\n")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    process.stderr.close()
    assert process.wait(30) == 0
    assert (job.folder / "end_0").exists()
    assert job.log(0).splitlines()[-1] == "19"
