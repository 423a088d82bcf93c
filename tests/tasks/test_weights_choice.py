from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from mindspore import nn

from src.common.errors import CheckpointError, ConfigError, OutputError
from src.common.run_directory import RunDirectory
from src.config.sections import LossScaleConfig, OptimizerConfig
from src.tasks.weights_choice import (
    best_or_latest_weights,
    check_identity,
    check_same_folder,
    checkpoint_folder,
    hold_folder,
    refuse_used_folder,
)
from src.train.cell import TrainStepCell
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import CheckpointEntry, FileRecord, Metric, TrainPosition
from src.train.optimizers import build_optimizer


class Loss(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(2, 2)
        self.figure_names: tuple[str, ...] = ()


@pytest.fixture
def manager(tmp_path: Path) -> CheckpointManager:
    return CheckpointManager(tmp_path, "classifier", keep=2)


def position(step: int) -> TrainPosition:
    return TrainPosition(epoch=1, step_in_epoch=step, global_step=step)


def save(manager: CheckpointManager, step: int, best: bool = False) -> None:
    network = Loss()
    config = OptimizerConfig(name="AdamWeightDecay", learning_rate=0.1, warmup_steps=0)
    optimizer = build_optimizer(network, config, train_steps=9)
    manager.save(network, TrainStepCell(network, optimizer, LossScaleConfig(enable=False), 1.0), position(step))
    if best:
        manager.save_best(network, position(step), Metric(name="accuracy", value=0.5))


def test_best_before_newest(manager: CheckpointManager, tmp_path: Path) -> None:
    save(manager, 1, best=True)
    save(manager, 2)
    assert best_or_latest_weights(tmp_path, "classifier") == tmp_path / "classifier-best.ckpt"


def test_newest_where_nothing_was_evaluated(manager: CheckpointManager, tmp_path: Path) -> None:
    save(manager, 1)
    save(manager, 2)
    assert best_or_latest_weights(tmp_path, "classifier") == tmp_path / "classifier-1_2.ckpt"


def test_newest_where_the_best_is_damaged(
    manager: CheckpointManager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(manager, 1, best=True)
    (tmp_path / "classifier-best.ckpt").write_bytes(b"")
    assert best_or_latest_weights(tmp_path, "classifier") == tmp_path / "classifier-1_1.ckpt"
    assert "classifier-best.ckpt" in caplog.text


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        best_or_latest_weights(tmp_path, "classifier")


def test_folders_of_new_runs_are_empty(manager: CheckpointManager, tmp_path: Path) -> None:
    refuse_used_folder(manager)
    save(manager, 1)
    with pytest.raises(OutputError, match="not this run's") as caught:
        refuse_used_folder(manager)
    assert caught.value.where == str(tmp_path)
    # Files that no manifest names are somebody's too.
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(OutputError, match="not this run's"):
        refuse_used_folder(manager)


def test_a_folder_outside_of_the_run_is_held_by_one_run(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path / "first"), RunDirectory(tmp_path / "second")
    folder = checkpoint_folder(first, str(tmp_path / "shared"))
    with hold_folder(folder, first):
        lock = json.loads((folder / ".run.lock").read_text())
        assert lock["pid"] == os.getpid()
        with pytest.raises(OutputError, match="is using this directory"), hold_folder(folder, second):
            pass
    with hold_folder(folder, second):
        (folder / "classifier-1_1.ckpt").touch()
    assert [path.name for path in folder.iterdir()] == ["classifier-1_1.ckpt"]


def test_a_start_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError), hold_folder(tmp_path / "outside", RunDirectory(tmp_path / "run")):
        raise KeyError
    assert not (tmp_path / "outside").exists()


def test_a_run_goes_on_in_its_own_checkpoint_folder(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, previous_config={"save_finetune_checkpoint_path": str(tmp_path / "outside")})
    check_same_folder(
        run, CheckpointManager(tmp_path / "outside", "classifier", keep=1), "save_finetune_checkpoint_path"
    )
    with pytest.raises(ConfigError, match=r"keeps its checkpoints in .*outside"):
        check_same_folder(
            run, CheckpointManager(tmp_path / "checkpoints", "classifier", keep=1), "save_finetune_checkpoint_path"
        )


def test_settings_that_make_another_training_are_refused(manager: CheckpointManager) -> None:
    file = FileRecord(name="classifier-1_1.ckpt", bytes=1, sha256="")
    stored = TrainPosition(epoch=1, step_in_epoch=1, global_step=1, extra={"seed": 1, "optimizer": "Lamb"})
    entry = CheckpointEntry(position=stored, weights=file, state=file)
    check_identity(entry, {"seed": 1, "optimizer": "Lamb", "new_key": 3})
    with pytest.raises(CheckpointError, match="optimizer was Lamb, is Momentum"):
        check_identity(entry, {"seed": 1, "optimizer": "Momentum"})


def test_a_damaged_manifest_is_told_once(
    manager: CheckpointManager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(manager, 1, best=True)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"manifest.json: damaged"):
        best_or_latest_weights(tmp_path, "classifier")
    assert caplog.messages == []
