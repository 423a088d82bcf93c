from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from src.common.heartbeat import HEARTBEAT_VARIABLE, Heartbeat, beat, done, read_heartbeat


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "rank 0"
    monkeypatch.setenv(HEARTBEAT_VARIABLE, str(path))
    return path


def told(path: Path) -> tuple[int | None, int | None]:
    heartbeat = read_heartbeat(path)
    return heartbeat.step, heartbeat.status


def test_steps_and_status_are_read_back(file: Path) -> None:
    assert read_heartbeat(file) == Heartbeat()
    beat(7)
    assert told(file) == (7, None)
    beat(12345678901)
    assert told(file) == (12345678901, None)
    beat(3)
    assert told(file) == (3, None)
    done(143)
    assert told(file) == (3, 143)
    assert read_heartbeat(file).changed_ns == file.stat().st_mtime_ns


def test_done_without_a_step(file: Path) -> None:
    done(0)
    assert told(file) == (None, 0)


def test_without_a_launcher_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    beat(1)
    done(0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_does_not_end_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HEARTBEAT_VARIABLE, str(tmp_path / "no folder" / "rank 0"))
    beat(1)
    done(0)


@pytest.mark.parametrize("text", ["", "x y\n", "1\n", "1 2 3\n", "\x00\x01"])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rank 0"
    path.write_text(text)
    assert read_heartbeat(path) == Heartbeat()


def test_it_survives_a_crash_of_the_process(file: Path) -> None:
    code = "import os; from src.common.heartbeat import *; beat(4); done(0); os.abort()"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == -6
    assert told(file) == (4, 0)
