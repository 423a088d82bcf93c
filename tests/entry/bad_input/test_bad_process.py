"""Failing commands as their users start them: real processes, with MindSpore's own messages on stderr."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import check_error, flip

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 60


def start(argv: Sequence[Any], folder: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    command = [str(word) for word in argv]
    given = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **settings}
    return subprocess.run(command, cwd=folder, env=environment, timeout=LIMIT_S, check=False, **given)


def script(name: str) -> list[str]:
    return ["bash", str(ROOT / "scripts" / name)] if name.endswith(".sh") else [sys.executable, str(ROOT / name)]


def test_device_that_is_not_there(samples: Samples, tmp_path: Path) -> None:
    argv = samples.train(tmp_path / "run", "--device_target", "GPU")
    done = start([*script("run_classifier.py"), *argv], tmp_path)
    check_error(done.stderr, done.returncode, ["GPU cannot be used", "--device_target CPU"])
    assert list(tmp_path.iterdir()) == []


def test_damaged_checkpoint(samples: Samples, tmp_path: Path) -> None:
    path = flip(Path(shutil.copy(samples.weights, tmp_path / "weights.ckpt")), 3000)
    done = start([*script("run_classifier.py"), *samples.evaluate(tmp_path / "run", checkpoint=path)], tmp_path)
    check_error(done.stderr, done.returncode, [path, "checksum differs", "copy or download it again"])
    assert not (tmp_path / "run").exists()


def test_predict_in_a_folder_with_an_odd_name(samples: Samples, tmp_path: Path) -> None:
    folder = tmp_path / "mit Ümläuten, 中文 und Leerzeichen"
    run = Path(shutil.copytree(samples.run, folder / "ein Lauf"))
    argv = [*script("predict.py"), "classify", "--run_dir", run.name]
    done = start(argv, folder, stdin=None, input=b"ein Film\n\xff\n", text=False)
    error = check_error(done.stderr.decode(), done.returncode, ["stdin:2: not UTF-8", "convert the file"])
    assert error.startswith("error: stdin")
    done = start([*argv, "--checkpoint", "ünd.ckpt", "text"], folder)
    check_error(done.stderr, done.returncode, ["ünd.ckpt: no such checkpoint"])


def test_output_that_cannot_be_written(samples: Samples, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    argv = [*script("create_finetuning_data.py"), "--inspect", 1, "--input", samples.records()]
    with open("/dev/full", "w") as full:
        done = start(
            [*argv, "--spm_model_file", samples.model],
            tmp_path,
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    check_error(done.stderr, done.returncode, ["no space left on the device", "free some space"])


def test_fetching_film_reviews(tmp_path: Path) -> None:
    done = start([sys.executable, "-m", "src.data.film_reviews", "--archive", "none.tar.gz"], tmp_path)
    check_error(done.stderr, done.returncode, ["none.tar.gz: no such file", "vaderSentiment"])
    assert list(tmp_path.iterdir()) == []


def test_training_a_vocabulary(tmp_path: Path) -> None:
    done = start([*script("train_vocabulary.py"), "--input", "none.txt", "--output_prefix", "v"], tmp_path)
    check_error(done.stderr, done.returncode, ["none.txt: no file matches", "check --input"])
    assert list(tmp_path.iterdir()) == []


def test_conversion_script(samples: Samples, tmp_path: Path) -> None:
    command = script("convert_finetune_datasets_classifier.sh")
    done = start([*command, *samples.convert(tmp_path / "out", tmp_path / "none.tsv")], tmp_path)
    check_error(done.stderr, done.returncode, ["none.tsv: file not found", "check the path"])
    done = start([*command, "SST-2"], tmp_path)
    check_error(done.stderr, done.returncode, ["'SST-2' is no option", "by name"])
    assert list(tmp_path.iterdir()) == []


def test_training_script_in_the_foreground(samples: Samples, tmp_path: Path) -> None:
    argv = ["--foreground", *samples.train(tmp_path / "run", train=tmp_path / "none")]
    done = start([*script("run_classifier.sh"), *argv], tmp_path)
    check_error(done.stderr, done.returncode, [tmp_path / "none", "no such file", "check the path"])
    assert list(tmp_path.iterdir()) == []


def test_training_script_in_the_background(samples: Samples, tmp_path: Path) -> None:
    """A wrong configuration is told at once, without a log; wrong data are told by the end of the log."""
    command = script("run_classifier.sh")
    done = start([*command, *samples.train(tmp_path / "run", "--epoch_nun", 3)], tmp_path)
    check_error(done.stderr, done.returncode, ["--epoch_nun", "did you mean epoch_num?"])
    assert list(tmp_path.iterdir()) == []
    done = start([*command, *samples.train(tmp_path / "run", train=tmp_path / "none")], tmp_path)
    assert done.returncode == 0, done.stderr
    log = tmp_path / "classifier_log.txt"
    deadline_s = time.monotonic() + LIMIT_S
    while "exit status" not in log.read_text():
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.1)
    output, _, status = log.read_text().rpartition("exit status: ")
    check_error(output, int(status), [tmp_path / "none", "no such file"])
    assert not (tmp_path / "run").exists()
