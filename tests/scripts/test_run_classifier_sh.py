from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "run_classifier.sh"

# Stands in place of Python: notes its arguments, then does what the test asks for.
RECORDER = """#!/usr/bin/env bash
if [[ "$1" == -c ]]; then echo "Python 3"; exit; fi
printf '%s\\n' "$*" >>"$RECORD"
if [[ "${*: -1}" == --print_config ]]; then
    if [[ -n "${BAD_CONFIG:-}" ]]; then echo "error: $BAD_CONFIG" >&2; exit 2; fi
    echo "the resolved configuration"
    exit 0
fi
echo "training"
echo "a warning" >&2
sleep "${TRAINING_S:-0}"
exit "${TRAINING_STATUS:-0}"
"""

Launch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    recorder = tmp_path / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    workplace = tmp_path / "a folder"
    workplace.mkdir()

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(SCRIPT), *arguments],
            cwd=workplace,
            env={**os.environ, "PYTHON": str(recorder), "RECORD": str(tmp_path / "record"), **environment},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    return run


def calls(tmp_path: Path) -> list[str]:
    record = tmp_path / "record"
    return record.read_text().replace(f"{ROOT}/", "").splitlines() if record.exists() else []


def wait_for(path: Path, text: str) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        content = path.read_text() if path.exists() else ""
        if text in content:
            return content
        time.sleep(0.02)
    raise AssertionError(f"{text!r} did not appear in {path}")


def test_no_arguments_is_a_wrong_call(launch: Launch, tmp_path: Path) -> None:
    result = launch()
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("usage: bash scripts/run_classifier.sh")
    assert result.stderr.endswith("error: no options are given -> say what to do, for example --do_train true\n")
    assert calls(tmp_path) == []


def test_help(launch: Launch, tmp_path: Path) -> None:
    result = launch("--help")
    assert result.returncode == 0
    assert "--foreground" in result.stdout
    assert "classifier_log.txt" in result.stdout
    assert calls(tmp_path) == []


def test_foreground_passes_arguments_and_status_through(launch: Launch, tmp_path: Path) -> None:
    result = launch("--config_path", "my own.yaml", "--foreground", "--do_train", "true", TRAINING_STATUS="7")
    assert result.returncode == 7
    assert result.stdout == "training\n"
    assert result.stderr == "a warning\n"
    assert calls(tmp_path) == ["run_classifier.py --config_path my own.yaml --do_train true"]
    assert not (tmp_path / "a folder" / "classifier_log.txt").exists()


def test_foreground_without_other_arguments(launch: Launch, tmp_path: Path) -> None:
    assert launch("--foreground").returncode == 0
    assert calls(tmp_path) == ["run_classifier.py"]


def test_background_checks_the_configuration_first(launch: Launch, tmp_path: Path) -> None:
    result = launch("--do_train", "maybe", BAD_CONFIG="--do_train: expected true or false")
    assert result.returncode == 2
    assert result.stderr == "error: --do_train: expected true or false\n"
    assert result.stdout == ""
    assert calls(tmp_path) == ["run_classifier.py --do_train maybe --print_config"]
    assert not (tmp_path / "a folder" / "classifier_log.txt").exists()


@pytest.mark.parametrize("status", ["0", "3"])
def test_background_log_ends_with_the_exit_status(launch: Launch, tmp_path: Path, status: str) -> None:
    result = launch("--do_train", "true", TRAINING_STATUS=status)
    assert result.returncode == 0, result.stderr
    log = tmp_path / "a folder" / "classifier_log.txt"
    assert wait_for(log, "exit status") == f"training\na warning\nexit status: {status}\n"
    assert calls(tmp_path) == ["run_classifier.py --do_train true --print_config", "run_classifier.py --do_train true"]
    assert "the resolved configuration" not in result.stdout
    assert "classifier_log.txt" in result.stdout


def test_background_returns_at_once_and_prints_the_process(launch: Launch, tmp_path: Path) -> None:
    started = time.monotonic()
    result = launch("--do_train", "true", TRAINING_S="15")
    assert time.monotonic() - started < 10
    match = re.search(r"process (\d+), log classifier_log.txt", result.stdout)
    assert match
    process = match.group(1)
    assert f"tail --pid={process} -n +1 -f classifier_log.txt" in result.stdout
    wait_for(tmp_path / "a folder" / "classifier_log.txt", "training")
    assert f"{ROOT}/run_classifier.py\0--do_train" in Path(f"/proc/{process}/cmdline").read_text()
    assert "recorder" in Path(f"/proc/{process}/cmdline").read_text()
    os.kill(int(process), signal.SIGTERM)
    assert wait_for(tmp_path / "a folder" / "classifier_log.txt", "exit status").endswith("exit status: 143\n")


def test_a_former_log_is_kept(launch: Launch, tmp_path: Path) -> None:
    log = tmp_path / "a folder" / "classifier_log.txt"
    log.write_text("the former run\n")
    assert launch("--do_train", "true").returncode == 0
    wait_for(log, "exit status")
    assert log.with_name("classifier_log.txt.previous").read_text() == "the former run\n"


def test_log_file_elsewhere(launch: Launch, tmp_path: Path) -> None:
    assert launch("--do_eval", "true", LOG_FILE=str(tmp_path / "mine.txt")).returncode == 0
    wait_for(tmp_path / "mine.txt", "exit status: 0")
    assert not (tmp_path / "a folder" / "classifier_log.txt").exists()


def test_python_that_is_not_there(launch: Launch) -> None:
    result = launch("--do_eval", "true", PYTHON="/no/such/python")
    assert result.returncode == 2
    assert "/no/such/python: no such program" in result.stderr
