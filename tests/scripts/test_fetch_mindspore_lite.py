from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "fetch_mindspore_lite.sh"

# A Python whose pip downloads a wheel that is not the one that is expected, or fails.
FAKE_PYTHON = """#!/usr/bin/env bash
if [[ "$1" == -c ]]; then echo "Python 3"; exit; fi
echo "$*" >>"$RECORD"
[[ -z "${PIP_FAILS:-}" ]] || exit 1
while [[ "$1" != --dest ]]; do shift; done
echo "not the wheel" >"$2/mindspore_lite-2.0.0-cp37-cp37m-manylinux1_x86_64.whl"
"""


def fetch(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    variables = {"PYTHON": str(python), "RECORD": str(tmp_path / "record"), **environment}
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], env={**os.environ, **variables}, capture_output=True, text=True
    )


def test_help(tmp_path: Path) -> None:
    done = fetch(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'export LITE_HOME="$(bash scripts/fetch_mindspore_lite.sh)"' in done.stdout
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize("arguments", [("--fast",), ("one", "two")])
def test_wrong_calls(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = fetch(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")


def test_what_is_complete_is_not_fetched_again(tmp_path: Path) -> None:
    folder = tmp_path / "lite" / "mindspore_lite-2.0.0"
    folder.mkdir(parents=True)
    (folder / ".complete").touch()
    done = fetch(tmp_path, str(tmp_path / "lite"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder}\n", "")
    assert not (tmp_path / "record").exists()


def test_another_file_than_expected(tmp_path: Path) -> None:
    done = fetch(tmp_path, str(tmp_path / "lite"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not the file that is expected: its sha256 is" in done.stderr.splitlines()[-1]
    assert "mindspore-lite==2.0.0" in (tmp_path / "record").read_text()
    assert list((tmp_path / "lite").iterdir()) == []


def test_a_download_that_fails(tmp_path: Path) -> None:
    done = fetch(tmp_path, str(tmp_path / "lite"), PIP_FAILS="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("error: mindspore-lite 2.0.0 cannot be downloaded -> ")
    assert list((tmp_path / "lite").iterdir()) == []


def test_what_is_not_complete_is_replaced_only_by_what_is(tmp_path: Path) -> None:
    folder = tmp_path / "lite" / "mindspore_lite-2.0.0"
    folder.mkdir(parents=True)
    (folder / "part").touch()
    assert fetch(tmp_path, str(tmp_path / "lite")).returncode == 2
    assert (folder / "part").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    done = fetch(tmp_path, "/proc/lite")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: /proc/lite: the folder cannot be made -> name another"
