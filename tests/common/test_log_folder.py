from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.common.errors import OutputError
from src.common.log_folder import make_log_folder
from src.config.load import load_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def to_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOG_logtostderr", "0")
    monkeypatch.delenv("GLOG_log_dir", raising=False)


@pytest.mark.parametrize("name", ["ms_log", "a folder", "a+b", "\u4e2d\u6587 \u76ee\u5f55"])
def test_the_folder_is_made_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / name / "ms_log"
    monkeypatch.setenv("GLOG_log_dir", str(folder))
    make_log_folder()
    assert folder.is_dir()
    make_log_folder()


def test_nothing_is_made_for_a_log_on_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOG_log_dir", str(tmp_path / "log"))
    for value in ("1", ""):
        monkeypatch.setenv("GLOG_logtostderr", value)
        make_log_folder()
    monkeypatch.delenv("GLOG_logtostderr")
    make_log_folder()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "log"
    monkeypatch.setenv("GLOG_log_dir", str(folder))
    with pytest.raises(OutputError) as caught:
        make_log_folder()
    assert str(caught.value) == (
        f"GLOG_log_dir={folder}: the folder of MindSpore's own log cannot be made: Not a directory -> name another"
        " folder"
    )


def test_no_folder_is_an_error() -> None:
    with pytest.raises(OutputError, match=r"GLOG_logtostderr: .* no folder is named .* -> export GLOG_log_dir="):
        make_log_folder()


def test_a_configuration_makes_it_and_print_config_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a folder"
    monkeypatch.setenv("GLOG_log_dir", str(folder))
    with pytest.raises(SystemExit):
        load_config("classifier", ["--print_config"])
    assert capsys.readouterr().out
    assert not folder.exists()
    load_config("classifier", [])
    assert folder.is_dir()


def test_mindspore_starts_with_such_a_folder(tmp_path: Path) -> None:
    program = "from src.common.log_folder import make_log_folder as make; make(); import mindspore.log"
    folder = tmp_path / "\u4e2d\u6587 +"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "GLOG_log_dir": str(folder)}, check=False
    )
    assert done.returncode == 0
    assert folder.is_dir()
