from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.runtime.launch_support import Job, finish, make_job, wait_until


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path)


def test_each_rank_gets_its_environment_and_its_log(job: Job) -> None:
    script = """
import json
names = ("MS_ROLE", "MS_NODE_ID", "MS_WORKER_NUM", "RANK_ID", "RANK_SIZE", "DEVICE_ID", "MS_SCHED_HOST")
print(json.dumps([{name: os.environ[name] for name in names}, sys.argv[1:]]))
print("to stderr", rank, file=sys.stderr)
"""
    done = job.run(script, after=("--data_dir", "my data"))
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        text = job.log(rank).splitlines()
        environment, arguments = json.loads(text[0])
        assert environment == {
            "MS_ROLE": "MS_WORKER",
            "MS_NODE_ID": str(rank),
            "MS_WORKER_NUM": "2",
            "RANK_ID": str(rank),
            "RANK_SIZE": "2",
            "DEVICE_ID": str(rank),
            "MS_SCHED_HOST": "127.0.0.1",
        }
        told = ["--distribute", "true", "--device_num", "2", "--device_target", "CPU"]
        assert arguments == ["--data_dir", "my data", *told]
        assert text[1] == f"to stderr {rank}"
    assert done.stdout == job.log(0)
    assert done.stderr == f"launch: ranks 0 to 1 of 2 on CPU; logs: {job.folder}/logs\n"


def test_output_of_rank_0_is_shown_as_it_comes_in_plain_lines(job: Job) -> None:
    noise = (
        "[INFO] DISTRIBUTED(1,7f,python):2026-11-22-11:07:18 [tcp_client.cc:367] Start] Event base dispatch success!"
    )
    script = f'print("half", end="\\r"); print("{noise}"); print("first"); time.sleep(30 if rank == 0 else 0)\n'
    process = job.start(script)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["half\n", "first\n"]
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143


@pytest.mark.slow
def test_the_status_of_the_rank_that_failed_first_and_no_orphan(job: Job) -> None:
    script = """
on_term(signal.SIG_IGN)  # as if blocked in a collective
if rank == 1:
    print("what went wrong"); time.sleep(0.5); sys.exit(7)
child = subprocess.Popen(["sleep", "100"])
Path("pid_child").write_text(str(child.pid))
time.sleep(100)
"""
    started = time.monotonic()
    done = job.run(script)
    assert done.returncode == 7
    assert time.monotonic() - started < 15
    assert "error: rank 1: exit status 7, " in done.stderr
    assert "  | what went wrong\n" in done.stderr
    assert job.pid("child")
    assert job.left_behind() == []


def test_a_rank_killed_by_a_signal(job: Job) -> None:
    script = "if rank == 1: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(100)\n"
    done = job.run(script)
    assert done.returncode == 128 + 9
    assert "error: rank 1: killed by SIGKILL (9)" in done.stderr


@pytest.mark.parametrize("first", [0, 1])
def test_when_all_fail_the_first_by_time_counts(job: Job, first: int) -> None:
    done = job.run(f"time.sleep(0 if rank == {first} else 0.5); sys.exit(10 + rank)\n")
    assert done.returncode == 10 + first


def test_only_the_end_of_a_long_log_is_shown(job: Job) -> None:
    done = job.run("if rank == 1:\n    for i in range(500): print('line', i)\n    sys.exit(1)\n")
    tail = [line for line in done.stderr.splitlines() if line.startswith("  | ")]
    assert tail == [f"  | line {i}" for i in range(480, 500)]


@pytest.mark.parametrize("who", ["True", "rank == 1"])
def test_a_users_mistake_is_shown_once(job: Job, who: str) -> None:
    script = f"""
if {who}:
    print("loading"); print("error: my.yaml:3: unknown key x -> remove it", file=sys.stderr); sys.exit(2)
time.sleep(100)
"""
    done = job.run(script)
    assert done.returncode == 2
    assert done.stderr.count("error: my.yaml:3: unknown key x -> remove it") == 1
    assert "loading" not in done.stderr
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize(("recorded", "status"), [(0, 0), (3, 3)])
def test_a_crash_after_the_work_was_complete_counts_as_what_was_recorded(job: Job, recorded: int, status: int) -> None:
    script = f"heartbeat.done({recorded})\nif rank == 1: os.kill(os.getpid(), signal.SIGSEGV)\n"
    assert job.run(script).returncode == status


def test_a_crash_before_is_a_failure(job: Job) -> None:
    done = job.run("heartbeat.beat(3)\nif rank == 1: os.kill(os.getpid(), signal.SIGSEGV)\n")
    assert done.returncode == 128 + 11
    assert "rank 1: killed by SIGSEGV (11)" in done.stderr


def test_a_hung_rank_is_named(job: Job) -> None:
    script = """
for step in range(6):
    if step == 5 and rank == 1: time.sleep(100)
    heartbeat.beat(step)
time.sleep(100)
"""
    done = job.run(script, "--stall_timeout_s", "1.5", "--slow_warning_s", "0.6")
    assert done.returncode == 1
    assert "warning: rank 1 is at step 4 since 1 s, the others wait for it" in done.stderr
    assert "no process made a step for 1.5 s: rank 1 is at step 4, the others wait for it at step 5" in done.stderr
    assert job.left_behind() == []


def test_a_stopped_rank_is_named(job: Job) -> None:
    process = job.start("heartbeat.beat(1); Path(f'ready_{rank}').touch(); time.sleep(100)\n", "--stall_timeout_s", "2")
    wait_until(lambda: (job.folder / "ready_1").exists() and (job.folder / "ready_0").exists())
    os.kill(job.pid(1), signal.SIGSTOP)
    status, _, errors = finish(process)
    assert (status, job.left_behind()) == (1, [])
    assert "rank 1 is stopped (SIGSTOP or a debugger)" in errors
    assert "rank 0 is stopped" not in errors


def test_a_rank_that_leaves_early_while_others_wait_is_a_stall(job: Job) -> None:
    done = job.run("heartbeat.beat(1)\nif rank == 0: time.sleep(100)\n", "--stall_timeout_s", "1")
    assert done.returncode == 1
    assert "rank 1 has left with status 0" in done.stderr


def test_a_slow_rank_is_reported_once_and_not_killed(job: Job) -> None:
    script = """
for step in range(3):
    if rank == 1: time.sleep(1.2)
    heartbeat.beat(step)
    Path(f"{step}_{rank}").touch()
    while not all(Path(f"{step}_{other}").exists() for other in (0, 1)): time.sleep(0.02)
"""
    done = job.run(script, "--slow_warning_s", "0.5")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: ") == 1
    assert "warning: rank 1 has made no step since 1 s, the others wait for it" in done.stderr


def test_waiting_for_a_long_rank_is_no_stall_without_a_timeout(job: Job) -> None:
    done = job.run("if rank == 1: time.sleep(2)\n", "--stall_timeout_s", "0", "--slow_warning_s", "0")
    assert (done.returncode, "warning" in done.stderr) == (0, False)


def test_a_scheduler_that_fails_ends_the_job(job: Job) -> None:
    job.environment["FAKE_SCHEDULER_STATUS"] = "5"
    done = job.run("time.sleep(100)\n")
    assert done.returncode == 5
    assert "error: scheduler: exit status 5" in done.stderr
    assert "scheduler.log" in done.stderr
    assert job.left_behind() == []


def test_older_logs_are_kept(job: Job) -> None:
    for number in range(3):
        assert job.run(f"print('launch', {number})\n").returncode == 0
    names = ["rank_1.1.log", "rank_1.2.log", "rank_1.log"]
    texts = [(job.folder / "logs" / name).read_text() for name in names]
    assert texts == ["launch 0\n", "launch 1\n", "launch 2\n"]


def test_a_taken_port_is_an_error_before_anything_starts(job: Job) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = job.run("pass\n", "--master_port", port)
    assert done.returncode == 2
    assert f"error: --master_port: port {port} of 127.0.0.1 cannot be used: Address already in use" in done.stderr
    assert list(job.folder.iterdir()) == [job.folder / "entry.py"]


def test_a_log_folder_that_cannot_be_made(job: Job) -> None:
    (job.folder / "logs").write_text("a letter")
    done = job.run("pass\n")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert (job.folder / "logs").read_text() == "a letter"


def test_cores_are_shared_out(job: Job) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core cannot be shared")
    assert job.run("print(sorted(os.sched_getaffinity(0)))\n", "--bind_cores", "true").returncode == 0
    half = len(cores) // 2
    assert [json.loads(job.log(rank)) for rank in (0, 1)] == [cores[:half], cores[half:]]


def test_a_dry_run_starts_and_writes_nothing(job: Job) -> None:
    done = job.run("pass\n", "--dry_run", "--bind_cores", "true", after=("--data_dir", "my data"))
    assert (done.returncode, done.stderr) == (0, "")
    blocks = done.stdout.split("\n\n")
    assert [block.split(",")[0] for block in blocks] == ["# scheduler", "# rank 0", "# rank 1"]
    assert " RANK_ID=1 " in blocks[2]
    assert "taskset -c " in blocks[2]
    assert "entry.py' --data_dir 'my data' --distribute true --device_num 2" in blocks[2]
    assert list(job.folder.iterdir()) == [job.folder / "entry.py"]


@pytest.mark.parametrize("question", ["--help", "--print_config"])
def test_help_and_configuration_of_the_entry_script_need_one_process(job: Job, question: str) -> None:
    command = job.command("")[:-1]
    (job.folder / "entry.py").write_text("import os, sys\nprint(sys.argv[1:], 'RANK_ID' in os.environ)\nsys.exit(4)\n")
    done = subprocess.run(
        [*command, "entry.py", question],
        cwd=job.folder,
        env=job.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = ["--distribute", "true", "--device_num", "2", "--device_target", "CPU"]
    assert (done.returncode, done.stdout) == (4, f"{[question, *told]} False\n")
    assert not (job.folder / "logs").exists()
