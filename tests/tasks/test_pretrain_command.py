"""Which checkpoint pretrain_eval.py scores, and where its results go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.common.errors import AlbertError, CheckpointError, ConfigError
from src.config.load import load_config
from src.tasks import pretrain_command
from src.tasks.driver import results_directory
from tests.tasks.pretrain_runs import make_run, write_vocabulary


def chosen(*options: object) -> Path:
    return pretrain_command._checkpoint(load_config("pretrain", [str(option) for option in options]))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "best", write_vocabulary(folder / "vocab.txt"))
    make_run(folder / "newest", folder / "vocab.txt", best=False)
    for name in ("best", "newest"):
        (folder / name / "config.yaml").write_text("seed: 3\n")
    return folder


def test_a_named_checkpoint_is_taken_as_it_is(tmp_path: Path) -> None:
    assert chosen("--eval_ckpt", "some.ckpt") == Path("some.ckpt")
    assert chosen("--eval_ckpt", "some.ckpt", "--run_dir", tmp_path) == Path("some.ckpt")


@pytest.mark.parametrize(
    ("name", "file"), [("best", "checkpoint_albert-best.ckpt"), ("newest", "checkpoint_albert-1_1.ckpt")]
)
@pytest.mark.parametrize("option", ["config_path", "run_dir"])
def test_of_a_run_the_best_weights_or_the_newest(run: Path, name: str, file: str, option: str) -> None:
    place = run / name / "config.yaml" if option == "config_path" else run / name
    found = chosen(f"--{option}", place)
    assert found == run / name / "checkpoints" / file
    assert found.is_file()


def test_checkpoints_that_a_run_keeps_elsewhere(run: Path, tmp_path: Path) -> None:
    moved = (run / "best" / "checkpoints").rename(tmp_path / "kept")
    try:
        assert chosen("--run_dir", run / "best", "--save_checkpoint_path", moved).parent == moved
        with pytest.raises(CheckpointError, match="no checkpoint yet"):
            chosen("--run_dir", run / "best")
    finally:
        moved.rename(run / "best" / "checkpoints")


def test_no_checkpoint_and_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"eval_ckpt: no checkpoint is given -> give --eval_ckpt CHECKPOINT, or --config"
    ):
        chosen()


def test_results_go_to_the_run_of_the_checkpoint_unless_a_folder_is_named(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "best" / "checkpoints" / "checkpoint_albert-best.ckpt"
    assert results_directory(load_config("pretrain", []), checkpoint) == run / "best"
    loaded: Any = load_config("pretrain", ["--run_dir", str(tmp_path / "scores")])
    assert results_directory(loaded, checkpoint) == tmp_path / "scores"
    with pytest.raises(AlbertError, match="lies in no run directory"):
        results_directory(load_config("pretrain", []), tmp_path / "some.ckpt")
