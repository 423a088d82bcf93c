"""Places where nothing can be written, and trainings that cannot go on."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.common.run_lock import RunLock
from src.train import checkpoint
from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import Fails, snapshot, write

NO_SPACE = "no space left on the device -> free some space"
DISK_KB = 100


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 100 kB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount cannot be run: {error}")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def files_in(folder: Path) -> list[str]:
    return [name for name, content in snapshot(folder).items() if content is not None]


def test_output_exists(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    before = snapshot(samples.folder)
    argv = samples.convert(samples.folder / "data", samples.text)
    fails("convert", argv, samples.records(), "exists already", "--overwrite true")
    argv = ["--input", samples.text, "--output_prefix", samples.folder / "tiny", "--vocab_size", 40]
    fails("vocabulary", argv, samples.model, "the file exists", "--overwrite true")
    fails("run", samples.train(samples.run), samples.run, "not empty", "--resume true or --overwrite true")
    argv = samples.train(samples.folder, "--overwrite", "true")
    fails("run", argv, samples.folder, "not a run directory, so nothing in it is removed", "choose another")
    used = samples.run / "checkpoints"
    argv = samples.train(tmp_path / "run", "--save_finetune_checkpoint_path", used)
    fails("run", argv, used, "checkpoints that are not this run's", "move them away, or choose another folder")
    assert snapshot(samples.folder) == before
    assert snapshot(tmp_path) == {}


def test_a_file_stands_in_the_way(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    before = snapshot(samples.folder)
    for place in (samples.text, samples.text / "below"):
        fails("run", samples.train(place), place, "a file stands where the run directory should be")
        fails("convert", samples.convert(place, samples.text), place, "a file stands where a folder is needed")
        fails("run", samples.evaluate(place), samples.text, "a file stands where a folder is needed")
    argv = ["--input", samples.text, "--output_prefix", samples.text / "v", "--vocab_size", 40]
    fails("vocabulary", argv, samples.text, "a file stands where a folder is needed")
    argv = samples.train(tmp_path / "run", "--save_finetune_checkpoint_path", samples.text)
    fails("run", argv, samples.text, "a file stands where a folder is needed")
    assert snapshot(samples.folder) == before
    assert snapshot(tmp_path) == {}


def test_run_directory_in_use(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.acquire()
    before = snapshot(tmp_path)
    fails("run", samples.train(tmp_path), tmp_path, f"process {os.getpid()} is using this directory", "wait for it")
    assert snapshot(tmp_path) == before
    lock.release()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        for command, argv in (
            ("run", samples.train(tmp_path / "run")),
            ("convert", samples.convert(tmp_path / "data", samples.text)),
        ):
            fails(command, argv, tmp_path, "no permission to write", "choose a place you may write to")
    finally:
        tmp_path.chmod(0o700)


def test_full_disk(samples: Samples, fails: Fails, small_disk: Path, tmp_path: Path) -> None:
    fails("convert", samples.convert(small_disk / "data", samples.text), "films_train.mindrecord", NO_SPACE)
    assert files_in(small_disk) == []
    filler = write(small_disk / "filler", b"x" * (DISK_KB - 4) * 1024)
    vocabulary = ["--input", samples.text, "--output_prefix", small_disk / "v", "--vocab_size", 40]
    fails("vocabulary", vocabulary, small_disk / "v", NO_SPACE)
    texts = write(tmp_path / "texts.txt", "a good film\n" * 600)
    argv = ["classify", "--run_dir", samples.run, "--input", texts, "--output", small_disk / "answers"]
    fails("predict", argv, small_disk / "answers", NO_SPACE)
    assert files_in(small_disk) == [filler.name]


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_disk_is_full_when_a_checkpoint_is_saved(
    samples: Samples, fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(samples.run, tmp_path / "run"))
    before = snapshot(run / "checkpoints")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_parameters", no_space)
        argv = samples.train(run, "--resume", "true", "--train_steps", 3)
        fails("run", argv, run / "checkpoints", NO_SPACE)
    assert snapshot(run / "checkpoints") == before
    assert "no space left" in (run / "train.log").read_text()
    samples.must_run("run", argv)


def test_disk_is_full_when_predictions_are_written(
    samples: Samples, fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = [*samples.evaluate(tmp_path / "run"), "--do_predict", "true"]
    argv += ["--test_data_file_path", samples.records(split="dev")]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", no_space)
        fails("run", argv, tmp_path / "run", NO_SPACE)
    assert files_in(tmp_path) == []


def test_device_that_is_not_there(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    for target, advice in (("GPU", "CUDA"), ("Ascend", "CANN")):
        argv = samples.train(tmp_path / "run", "--device_target", target)
        fails("run", argv, "device_target", f"{target} cannot be used", advice, "--device_target CPU")
        argv = ["classify", "--run_dir", samples.run, "--device_target", target, "a film"]
        fails("predict", argv, "device_target", f"{target} cannot be used", advice)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("scale", "fragments"),
    [
        ([], ["the loss or a gradient is not finite", ".mindrecord: row ", "look at the records"]),
        (["--enable_lossscale", "true", "--loss_scale_value", 1], ["loss or gradients are not finite", "shrunk to 1"]),
    ],
    ids=["no scale", "smallest scale"],
)
def test_loss_that_is_not_finite(
    scale: list[Any], fragments: list[str], samples: Samples, fails: Fails, tmp_path: Path
) -> None:
    rate = ["--optimizer_cfg.AdamWeightDecay.learning_rate", 1e6, "--train_steps", 6]
    command = samples.train(tmp_path / "run", *rate, *scale)
    fails("run", command, "step ", "lower the learning rate", *fragments)
    assert "not finite" in (tmp_path / "run" / "train.log").read_text()
    assert files_in(tmp_path / "run" / "checkpoints") == []
