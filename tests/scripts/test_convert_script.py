from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[2]
_SCRIPT = _PROJECT / "scripts" / "convert_finetune_datasets_classifier.sh"


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
    """A folder with a tiny GLUE task and vocabulary, and a space in its name."""
    folder = tmp_path / "my data"
    (folder / "glue" / "SST-2").mkdir(parents=True)
    (folder / "glue" / "SST-2" / "dev.tsv").write_text("sentence\tlabel\ngood\t1\nbad\t0\n")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]) + "\n")
    return folder


_ARGUMENTS = ("--task_name", "SST-2", "--input_dir", "glue", "--output_dir", "out", "--vocab_path", "vocab.txt")


def test_arguments_pass_through_from_any_folder(data: Path) -> None:
    done = _run(data, *_ARGUMENTS, "--file_format=tfrecord")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (data / "out").iterdir()) == [
        "sst-2_dev.tfrecord",
        "sst-2_dev.tfrecord.manifest.json",
    ]


def test_mindrecord_is_the_default_and_is_never_replaced_silently(data: Path) -> None:
    assert _run(data, *_ARGUMENTS).returncode == 0
    before = (data / "out" / "sst-2_dev.mindrecord").read_bytes()
    again = _run(data, *_ARGUMENTS)
    assert again.returncode == 2
    assert "sst-2_dev.mindrecord: the output exists already -> say --overwrite true" in again.stderr
    assert (data / "out" / "sst-2_dev.mindrecord").read_bytes() == before


@pytest.mark.parametrize("arguments", [(), ("SST-2",)])
def test_a_wrong_call_shows_the_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage: bash scripts/convert_finetune_datasets_classifier.sh --task_name NAME" in done.stderr
    assert done.stdout == ""


def test_a_users_mistake_is_one_line_and_status_2(data: Path) -> None:
    done = _run(data, *_ARGUMENTS, "--max_seq_lenght", "64")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown option --max_seq_lenght -> did you mean --max_seq_length?\n"


def test_help_lists_the_options_without_mindspore(tmp_path: Path) -> None:
    done = _run(tmp_path, "--help")
    assert done.returncode == 0
    for option in ("--task_name", "--spm_model_file", "--do_pred", "--shard_num", "--train_file", "--inspect"):
        assert option in done.stdout
    code = "import sys, src.data.convert_command; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_PROJECT, check=False).returncode == 0


def test_a_missing_python_is_an_error(tmp_path: Path) -> None:
    assert _run(tmp_path, "--help", PYTHON="no-such-python").returncode == 127


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck() -> None:
    done = subprocess.run(["shellcheck", str(_SCRIPT)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
