"""Checkpoints that are damaged, or do not fit."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.train.cell import TrainStepCell
from tests.train.checkpoint_samples import (
    at,
    build,
    fill,
    flip_byte,
    manager_of,
    train,
    values_of,
)


@pytest.fixture(scope="module")
def cell() -> TrainStepCell:
    return build()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [flip_byte, truncate, Path.unlink])
@pytest.mark.parametrize("part", ["ckpt", "state.ckpt"])
def test_damaged_newest_falls_back(
    tmp_path: Path,
    cell: TrainStepCell,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    part: str,
) -> None:
    manager = manager_of(tmp_path)
    for step in (1, 2):
        fill(cell, step)
        manager.save(cell.network, cell, at(step))
    damage(manager.directory / f"classifier-1_2.{part}")
    with caplog.at_level(logging.WARNING):
        assert manager.restore(cell.network, cell) == at(1)
    assert f"classifier-1_2.{part}" in caplog.text
    assert values_of(cell) == {1.0}
    damage(manager.directory / f"classifier-1_1.{part}")
    with pytest.raises(CheckpointError, match="no checkpoint is whole"):
        manager.latest()


def test_damaged_entry_that_is_asked_for(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    entry = manager.save(cell.network, cell, at(1))
    flip_byte(manager.directory / entry.state.name)
    fill(cell, 5)
    with pytest.raises(CheckpointError, match=r"damaged checkpoint: .*classifier-1_1\.state\.ckpt"):
        manager.restore(cell.network, cell, entry)
    assert values_of(cell) == {5.0}


def test_nothing_to_resume(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    assert manager.latest() is None
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        manager.restore(cell.network, cell)
    assert not manager.directory.exists()


def test_other_shape_and_other_names_are_refused(tmp_path: Path) -> None:
    """The checkpoint is from the middle of an accumulation."""
    manager, cell = manager_of(tmp_path), build()
    train(cell, range(1))
    manager.save(cell.network, cell, at(1))
    other_shape = build(size=5)
    before = values_of(other_shape)
    with pytest.raises(CheckpointError, match=r"other shape: dense\.weight \(2, 3\) != \(2, 5\)"):
        manager.restore(other_shape.network, other_shape)
    other_settings = build(accumulation_steps=1)
    with pytest.raises(CheckpointError, match=r"unexpected: accumulated\.dense\.weight.*-> resume with the network"):
        manager.restore(other_settings.network, other_settings)
    other_optimizer = build(name="Momentum")
    with pytest.raises(CheckpointError, match=r"missing: moments\.dense\.weight"):
        manager.restore(other_optimizer.network, other_optimizer)
    assert values_of(other_shape) == before


@pytest.mark.parametrize(("saved_with", "gone_on_with"), [(2, 1), (1, 2), (2, 4)])
def test_between_updates_the_number_of_micro_batches_may_change(
    tmp_path: Path, saved_with: int, gone_on_with: int
) -> None:
    """Also in a cell that has begun an update of its own: what it had added up is gone."""
    saved, other = build(accumulation_steps=saved_with), build(accumulation_steps=gone_on_with)
    train(saved, range(2 * saved_with))
    train(other, range(2 * gone_on_with - 1))
    manager_of(tmp_path).save(saved.network, saved, at(2))
    assert manager_of(tmp_path).restore(other.network, other) == at(2)
    expected = {item.name: item.asnumpy() for item in saved.get_parameters()}
    for item in other.get_parameters():
        value = 0 * item.asnumpy() if item.name.startswith("accumulated") else expected[item.name]
        np.testing.assert_array_equal(item.asnumpy(), value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[]", "not a manifest of checkpoints"),
        ('{"format": "albert-checkpoints", "format_version": 2, "prefix": "classifier"}', "format_version"),
        ('{"format": "albert-checkpoints", "format_version": 1, "prefix": "squad"}', "named 'squad'"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_bad_manifest(tmp_path: Path, content: str | bytes, message: str) -> None:
    manager = manager_of(tmp_path)
    manager.directory.mkdir()
    path = manager.directory / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CheckpointError, match=message):
        manager.latest()


def test_manifest_cannot_remove_files_that_are_not_ours(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    manager.save(cell.network, cell, at(1))
    path = manager.directory / "manifest.json"
    content = json.loads(path.read_text())
    (tmp_path / "classifier-x").write_text("precious")
    content["removable"] = ["../classifier-x", "config.yaml", "classifier-1_1.ckpt"]
    path.write_text(json.dumps(content))
    (manager.directory / "config.yaml").write_text("precious")
    manager_of(tmp_path).clean_leftovers()
    assert (tmp_path / "classifier-x").exists()
    assert (manager.directory / "config.yaml").exists()
    assert manager_of(tmp_path).latest().position == at(1)
