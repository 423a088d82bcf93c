from __future__ import annotations

import json
import os
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.common.errors import CheckpointError, OutputError
from src.train.cell import TrainStepCell
from src.train.checkpoint_files import Metric
from tests.train.checkpoint_samples import (
    at,
    build,
    fill,
    flip_byte,
    manager_of,
    names_in,
    train,
    values_of,
)


@pytest.fixture(scope="module")
def cell() -> TrainStepCell:
    return build()


@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb", "Momentum"])
def test_resumed_run_has_the_same_losses(tmp_path: Path, name: str) -> None:
    """Saved in the middle of an accumulation, restored into a fresh and into an already running cell."""
    original = build(name=name)
    train(original, range(7))
    manager_of(tmp_path).save(original.network, original, at(7))
    expected = train(original, range(7, 15))
    fresh = build(name=name)
    assert manager_of(tmp_path).restore(fresh.network, fresh) == at(7)
    assert train(fresh, range(7, 15)) == expected
    manager_of(tmp_path).restore(original.network, original)
    assert train(original, range(7, 15)) == expected


def test_restored_cell_does_not_share_memory_with_the_next_restore(tmp_path: Path) -> None:
    saved = build()
    manager = manager_of(tmp_path)
    manager.save(saved.network, saved, at(1))
    cells = [build(), build()]
    for item in cells:
        manager.restore(item.network, item)
    before = cells[1].network.dense.weight.asnumpy().copy()
    train(cells[0], range(8))
    np.testing.assert_array_equal(cells[1].network.dense.weight.asnumpy(), before)


def test_weights_file_is_for_everyone(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    manager.save(cell.network, cell, at(20, epoch=3), Metric(name="accuracy", value=0.5))
    assert names_in(manager) == ["classifier-3_20.ckpt", "classifier-3_20.state.ckpt", "manifest.json"]
    weights = ms.load_checkpoint(str(manager.directory / "classifier-3_20.ckpt"))
    assert {name: value.shape for name, value in weights.items()} == {"dense.weight": (2, 3), "dense.bias": (2,)}
    umask = os.umask(0)
    os.umask(umask)
    assert (manager.directory / "classifier-3_20.ckpt").stat().st_mode & 0o777 == 0o666 & ~umask
    manifest = json.loads((manager.directory / "manifest.json").read_text())
    assert manifest["checkpoints"][0]["metric"] == {"name": "accuracy", "value": 0.5}
    assert manifest["checkpoints"][0]["position"]["extra"] == {"seed": 7}
    assert manifest["removable"] == []


def test_newest_are_kept(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path, keep=2)
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / "classifier-9_9.ckpt").write_bytes(b"a file of the user")
    for step in (10, 20, 30):
        manager.save(cell.network, cell, at(step))
    assert names_in(manager) == [
        *("classifier-1_20.ckpt", "classifier-1_20.state.ckpt", "classifier-1_30.ckpt", "classifier-1_30.state.ckpt"),
        *("classifier-9_9.ckpt", "manifest.json"),
    ]
    assert manager.latest().position == at(30)


def test_run_that_went_back_drops_what_came_after(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path, keep=3)
    for step in (10, 20, 30):
        manager.save(cell.network, cell, at(step))
    fill(cell, 2)
    entry = manager.save(cell.network, cell, at(20))
    assert entry.weights.name == "classifier-1_20-2.ckpt"  # the old one stays until the new one is complete
    assert names_in(manager) == [
        *("classifier-1_10.ckpt", "classifier-1_10.state.ckpt"),
        *("classifier-1_20-2.ckpt", "classifier-1_20-2.state.ckpt", "manifest.json"),
    ]
    fill(cell, 3)
    assert manager.restore(cell.network, cell) == at(20)
    assert values_of(cell) == {2.0}


def test_best_is_kept_apart(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path, keep=1)
    assert manager.best() is None
    for step, value in ((10, 0.5), (20, 0.75)):
        fill(cell, step)
        manager.save_best(cell.network, at(step), Metric(name="mcc", value=value))
    for step in (30, 40):
        manager.save(cell.network, cell, at(step))
    best = manager_of(tmp_path).best()
    assert (best.metric, best.position, best.weights.name) == (
        Metric(name="mcc", value=0.75),
        at(20),
        "classifier-best.ckpt",
    )
    weights = ms.load_checkpoint(str(manager.directory / "classifier-best.ckpt"))
    assert set(np.ravel(weights["dense.weight"].asnumpy())) == {20.0}
    flip_byte(manager.directory / "classifier-best.ckpt")
    with pytest.raises(CheckpointError, match=r"damaged best checkpoint: .*another sha256"):
        manager.best()


def test_best_file_of_the_user_is_not_overwritten(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    manager.directory.mkdir()
    (manager.directory / "classifier-best.ckpt").write_bytes(b"precious")
    with pytest.raises(OutputError, match="not in the manifest"):
        manager.save_best(cell.network, at(1), Metric(name="mcc", value=1.0))
    assert (manager.directory / "classifier-best.ckpt").read_bytes() == b"precious"


def test_keep_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot keep 0"):
        manager_of(tmp_path, keep=0)
