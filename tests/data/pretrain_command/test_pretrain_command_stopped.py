"""Stopped runs of create_pretraining_data.py, and going on with them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from src.data.pretraining import workers
from src.data.pretraining.unfinished import UnfinishedRun
from src.data.tfrecord import TFRecordWriter
from tests.data.pretrain_command.support import PROJECT, command_line, contents_of, run


@pytest.mark.slow
def test_a_killed_run_goes_on(arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    unfinished = folder / "pretrain.unfinished"
    kept: dict[str, int] = {}
    for _ in range(3):
        more = {"output_dir": folder, "resume": "true", "num_workers": 2, "dupe_factor": 2}
        command = [sys.executable, str(PROJECT / "create_pretraining_data.py"), *command_line(arguments, **more)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path)
        deadline = time.monotonic() + 60
        while len(list(unfinished.glob("*record.json"))) <= len(kept) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if not unfinished.exists():
            break
        assert {path.name for path in folder.iterdir()} == {unfinished.name}
        now = {path.name: path.stat().st_mtime_ns for path in unfinished.glob("*.tfrecord")}
        assert {name: now[name] for name in kept} == kept  # not made again
        kept = {name: now[name] for name in now if (unfinished / f"{name}.json").exists()}
        # Workers end by themselves when their parent is gone.
        time.sleep(0.5)
    assert kept
    assert run(arguments, output_dir=folder, resume="true") == 0
    assert contents_of(folder) == whole


def test_resume_begins_goes_on_and_is_content_with_what_is_complete(
    arguments: dict[str, Any],
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, written = tmp_path / "new", TFRecordWriter.write
    calls = []

    def full(self: TFRecordWriter, data: bytes) -> None:
        calls.append(1)
        if len(calls) > 700:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(self, data)

    monkeypatch.setattr(TFRecordWriter, "write", full)
    assert run(arguments, output_dir=folder, resume="true") == 2
    told = capsys.readouterr().err
    assert "no space left on the device" in told
    assert "finished shards are kept" in told
    monkeypatch.undo()
    assert [path.name for path in folder.iterdir()] == ["pretrain.unfinished"]
    assert not list((folder / "pretrain.unfinished").glob("*.tmp"))
    assert run(arguments, output_dir=folder) == 2
    assert "a run was stopped here" in capsys.readouterr().err
    assert run(arguments, output_dir=folder, resume="true", random_seed=3) == 2
    assert "the stopped run differs in its settings, random_seed: 12345 then, 3 now" in capsys.readouterr().err
    assert run(arguments, output_dir=folder, resume="true") == 0
    assert "shards were finished already" in capsys.readouterr().err
    assert contents_of(folder) == whole
    assert run(arguments, output_dir=folder, resume="true") == 0
    assert "complete already" in capsys.readouterr().out
    assert run(arguments, output_dir=folder, resume="true", random_seed=3) == 2
    assert "finished output is there, with other settings" in capsys.readouterr().err
    assert contents_of(folder) == whole


def test_a_run_stopped_while_it_published_goes_on(
    arguments: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"

    def die(*arguments: Any) -> None:
        source, place, names, _ = arguments
        for name in names[:3]:
            os.rename(source / name, place / name)
        raise KeyboardInterrupt

    monkeypatch.setattr("src.data.pretraining.publication.publish", die)
    assert run(arguments, output_dir=folder) == 130
    monkeypatch.undo()
    assert run(arguments, output_dir=folder, resume="true") == 0
    assert contents_of(folder) == whole


def test_a_damaged_finished_shard_is_made_again(
    arguments: dict[str, Any],
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "new"

    def die(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("src.data.pretraining.publication.publish", die)
    assert run(arguments, output_dir=folder) == 130
    monkeypatch.undo()
    unfinished = folder / "pretrain.unfinished"
    content = (unfinished / "pretrain-00001.tfrecord").read_bytes()
    (unfinished / "pretrain-00001.tfrecord").write_bytes(content[:-1] + b"?")
    (unfinished / "pretrain-00002.tfrecord").unlink()
    (unfinished / "pretrain-00003.tfrecord.json").write_text("{")
    assert run(arguments, output_dir=folder, resume="true") == 0
    told = capsys.readouterr().err
    assert (
        "pretrain-00001.tfrecord: the file is damaged or changed: its sha256 differs; the shard is made again" in told
    )
    assert told.count("the shard is made again") == 3
    assert contents_of(folder) == whole


def test_a_damaged_plan_is_one_error(
    arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished = tmp_path / "out" / "pretrain.unfinished"
    unfinished.mkdir(parents=True)
    for text in ("[]", "{", "3"):
        (unfinished / "plan.json").write_text(text)
        (unfinished / "pretrain-00000.tfrecord.json").write_text("{}")
        assert run(arguments, output_dir=tmp_path / "out", resume="true") == 2
        assert "plan.json: the plan is damaged -> --overwrite true begins anew" in capsys.readouterr().err


@pytest.mark.parametrize("error", [EOFError, SystemExit])
def test_a_worker_that_ends_is_deaf_to_sigterm(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """What Python clears away at the end of a process would otherwise be broken into, with a traceback."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(plan: Any, connection: Any) -> None:
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, handlers[signal.SIGTERM])
        raise error

    monkeypatch.setattr(workers, "_result", end)
    plan, connection = cast(Any, None), cast(Any, SimpleNamespace(send=print))
    try:
        with pytest.raises(SystemExit) if error is SystemExit else contextlib.nullcontext():
            workers._work(plan, connection)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_changed_text_is_noticed(
    arguments: dict[str, Any], corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    content = corpus.read_bytes()
    text.write_bytes(content + b"\n\xff\n")
    arguments["input_format"] = "sentences"
    assert run(arguments, input=text, output_dir=tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "not UTF-8 text: byte 0xff" in told
    assert "finished shards are kept" in told
    text.write_bytes(content.replace(b"fox", b"dog", 1) + b"\n!\n")
    assert run(arguments, input=text, output_dir=tmp_path / "out", resume="true") == 2
    assert "shard 0 was made from another text" in capsys.readouterr().err


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_in_a_worker_is_told(
    arguments: dict[str, Any], tmp_path: Path, processes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = "import resource,sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); sys.argv=sys.argv[1:]; "
    limited += f"sys.path.insert(0, {str(PROJECT)!r}); import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    options = command_line(arguments, output_dir=tmp_path / "out", num_workers=processes, block_mb=1)
    command = [sys.executable, "-c", limited, str(PROJECT / "create_pretraining_data.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot write: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_sigterm_leaves_things_tidy(arguments: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    more = {"output_dir": folder, "num_workers": 2, "dupe_factor": 40}
    command = [sys.executable, str(PROJECT / "create_pretraining_data.py"), *command_line(arguments, **more)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(folder.glob("*.unfinished/*record.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.terminate()
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert re.search("finished shards? (is|are) kept", told)
    left = {path.name for path in (folder / "pretrain.unfinished").iterdir()}
    assert not [name for name in left if name.endswith((".tmp", ".lock"))]


def test_two_runs_do_not_meet(arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with UnfinishedRun(tmp_path / "out", "pretrain", 0, 1).locked():
        assert run(arguments, output_dir=tmp_path / "out") == 2
    assert "is using this directory" in capsys.readouterr().err


def test_a_killed_worker_is_told(arguments: dict[str, Any], tmp_path: Path) -> None:
    command = [sys.executable, str(PROJECT / "create_pretraining_data.py")]
    command += command_line(arguments, output_dir=tmp_path / "out", num_workers=2, dupe_factor=2000)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path)
    children: list[int] = []
    deadline = time.monotonic() + 60
    while len(children) < 2:
        assert time.monotonic() < deadline
        children = _workers_of(process.pid)
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(children[0], signal.SIGKILL)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "a worker process ended by signal 9" in told
    assert not [pid for pid in children if Path(f"/proc/{pid}/status").exists()]


def _workers_of(pid: int) -> list[int]:
    """Return the spawned children of a process, without multiprocessing's resource tracker."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("this system does not list the children of a process")
    found = [int(text) for text in children.read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
