"""The batches of the comparison: valid, of several lengths, equal every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import ConfigError
from src.export.description import TensorSpec
from src.export.samples import sample_batches
from src.export.shapes import exported_length, shortest_length
from tests.export.export_runs import LENGTH, POSITIONS, SIZES, task_of, write_vocabulary
from tests.export.plans import plan_of


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocab.txt")


def specs(rows: int | None, length: int | None, places: int | None = 0) -> tuple[TensorSpec, ...]:
    first = tuple(TensorSpec(name, "int32", (rows, length)) for name in ("a", "b", "c"))
    return first if places == 0 else (*first, TensorSpec("d", "int32", (rows, places)))


@pytest.mark.parametrize(("rows", "length", "places"), [(1, LENGTH, 0), (4, 7, 2), (None, None, 0), (None, None, None)])
def test_batches_are_valid_and_differ_in_length(
    vocabulary: Path, rows: int | None, length: int | None, places: int | None
) -> None:
    task = task_of("pretraining", vocabulary)
    batches = sample_batches(task, specs(rows, length, places), 3)
    ends = set()
    for batch in batches:
        ids, mask, segments = batch[:3]
        assert {array.dtype for array in batch} == {np.dtype(np.int32)}
        assert ids.shape == mask.shape == segments.shape == (rows or len(ids), length or ids.shape[1])
        assert ids.min() >= 0
        assert ids.max() < SIZES["vocab_size"]
        # Tokens first, padding behind them; the second segment is a part of the tokens.
        assert (np.diff(mask, axis=1) <= 0).all()
        assert (segments <= mask).all()
        assert set(np.unique(segments)) == {0, 1}
        ends |= set(mask.sum(axis=1).tolist())
        if places != 0:
            assert (batch[3] < mask.sum(axis=1)[:, None]).all()
    assert batches[0][1][0].all()
    assert len(ends) > 1
    again = sample_batches(task, specs(rows, length, places), 3)
    assert all(
        np.array_equal(a, b)
        for first, second in zip(batches, again, strict=True)
        for a, b in zip(first, second, strict=True)
    )
    if rows is None:
        assert batches[0][0].shape[0] != batches[1][0].shape[0]
        assert batches[0][0].shape[1] != batches[1][0].shape[1]


def test_a_beam_finds_enough_places(vocabulary: Path) -> None:
    task = task_of("beam", vocabulary)
    shortest = shortest_length(task, "model")
    assert shortest == 6
    assert shortest_length(task, "encoder") == 3
    for length in (shortest, LENGTH):
        for _, mask, segments in sample_batches(task, specs(3, length), shortest):
            # [CLS], and the second segment without the [SEP] at its end.
            allowed = 1 + (segments * mask).sum(axis=1) - 1
            assert allowed.min() >= 4


def test_lengths_that_the_network_does_not_have(vocabulary: Path) -> None:
    task = task_of("beam", vocabulary)
    assert exported_length(task, plan_of()) == LENGTH
    assert exported_length(task, plan_of(length=POSITIONS)) == POSITIONS
    assert exported_length(task, plan_of(rows=None)) is None
    with pytest.raises(ConfigError, match=f"positions for {POSITIONS} tokens, not for {POSITIONS + 1}"):
        exported_length(task, plan_of(length=POSITIONS + 1))
    with pytest.raises(ConfigError, match="5 tokens are too few: the network needs 6"):
        exported_length(task, plan_of(length=5))
    assert exported_length(replace(task, answers=None), plan_of(length=5)) == 5
