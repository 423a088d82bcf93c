from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "create_pretraining_data.sh"


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(_SCRIPT), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_arguments_pass_through_from_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my text"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]) + "\n")
    (folder / "text.txt").write_text("good bad\nbad good\n\nbad bad\ngood\n")
    arguments = ["--input", "text.txt", "--vocab_file=vocab.txt", "--output_dir", "the data", "--num_workers", "1"]
    done = _run(folder, *arguments)
    assert (done.returncode, done.stderr) == (0, "read as sentences: text.txt\n")
    names = sorted(path.name for path in (folder / "the data").iterdir())
    assert names == ["pretrain-00000.tfrecord", "pretrain.manifest.json", "schema.json"]
    again = _run(folder, *arguments)
    assert again.returncode == 2
    assert "the output exists already -> choose another" in again.stderr


@pytest.mark.parametrize("arguments", [(), ("text.txt",)])
def test_a_wrong_call_shows_the_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage: bash scripts/create_pretraining_data.sh" in done.stderr
