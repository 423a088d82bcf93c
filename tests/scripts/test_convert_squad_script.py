from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.squad_record_samples import squad_json, write_vocabulary

_PROJECT = Path(__file__).resolve().parents[2]
_SCRIPT = _PROJECT / "scripts" / "convert_finetune_datasets_squad.sh"
_ARGUMENTS = (
    "--train_file",
    "train.json",
    "--eval_file",
    "dev.json",
    "--output_dir",
    "out",
    "--vocab_path",
    "vocab.txt",
)


def _run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(_SCRIPT), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with tiny files and a space in its name."""
    folder = tmp_path / "my data"
    folder.mkdir()
    squad_json(folder / "train.json", version="v2.0")
    squad_json(folder / "dev.json", version="v2.0")
    write_vocabulary(folder / "vocab.txt")
    return folder


def test_arguments_pass_through_from_any_folder(data: Path) -> None:
    done = _run(data, *_ARGUMENTS, "--file_format=tfrecord")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (data / "out").iterdir()) == [
        "squad_v2.0_dev.features.npz",
        "squad_v2.0_train.tfrecord",
        "squad_v2.0_train.tfrecord.manifest.json",
    ]


def test_mindrecord_is_the_default_and_is_never_replaced_silently(data: Path) -> None:
    assert _run(data, *_ARGUMENTS).returncode == 0
    before = (data / "out" / "squad_v2.0_train.mindrecord").read_bytes()
    again = _run(data, *_ARGUMENTS)
    assert again.returncode == 2
    assert "squad_v2.0_train.mindrecord: the output exists already -> say --overwrite true" in again.stderr
    assert (data / "out" / "squad_v2.0_train.mindrecord").read_bytes() == before


@pytest.mark.parametrize("arguments", [(), ("train.json",)])
def test_a_wrong_call_shows_the_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage: bash scripts/convert_finetune_datasets_squad.sh --train_file FILE" in done.stderr
    assert done.stdout == ""


def test_a_users_mistake_is_one_line_and_status_2(data: Path) -> None:
    done = _run(data, *_ARGUMENTS, "--doc_strid", "64")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown option --doc_strid -> did you mean --doc_stride?\n"
    (data / "train.json").write_text("{")
    done = _run(data, *_ARGUMENTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: train.json:1, column 2: not valid json")
    assert done.stderr.count("\n") == 1


def test_help_lists_the_options(tmp_path: Path) -> None:
    done = _run(tmp_path, "--help")
    assert done.returncode == 0
    for option in ("--train_file", "--eval_file", "--doc_stride", "--max_query_length", "--shard_num", "--inspect"):
        assert option in done.stdout


def test_tfrecords_and_features_are_made_without_mindspore(data: Path) -> None:
    code = (
        "import sys; from src.data.squad_command import main; main(sys.argv[1:]); sys.exit('mindspore' in sys.modules)"
    )
    given = [
        str(data / word) if word in ("train.json", "dev.json", "out", "vocab.txt") else word for word in _ARGUMENTS
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *given, "--file_format", "tfrecord"],
        cwd=_PROJECT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, (data / "out" / "squad_v2.0_train.tfrecord").exists()) == (0, True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck() -> None:
    done = subprocess.run(
        ["shellcheck", "--external-sources", str(_SCRIPT)], cwd=_PROJECT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
