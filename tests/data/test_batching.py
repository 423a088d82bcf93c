from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import ConfigError
from src.data.batching import BatchGeometry, plan_epoch, resolve_buckets, steps_per_epoch


def rows_of(updates: list) -> list[int]:
    return [int(i) for update in updates for micro in update for i in micro.indices]


@pytest.fixture
def lengths() -> np.ndarray:
    return np.random.default_rng(0).integers(2, 65, size=157)


@pytest.mark.parametrize("buckets", [(64,), (8, 16, 64)])
@pytest.mark.parametrize("group_size", [1, 2, 3])
def test_every_row_is_in_exactly_one_batch(lengths: np.ndarray, buckets: tuple[int, ...], group_size: int) -> None:
    seen: list[int] = []
    for rank in range(group_size):
        geometry = BatchGeometry(4, buckets, 2, rank, group_size)
        seen += rows_of(plan_epoch(lengths, geometry, seed=1, epoch=0, shuffle=True))
    assert sorted(seen) == list(range(157))


def test_ranks_run_the_same_number_of_equally_long_micro_batches(lengths: np.ndarray) -> None:
    shapes = []
    for rank in range(3):
        plan = plan_epoch(lengths, BatchGeometry(4, (16, 64), 2, rank, 3), seed=1, epoch=0, shuffle=True)
        shapes.append([[micro.length for micro in update] for update in plan])
    assert shapes[0] == shapes[1] == shapes[2]
    assert all(len(update) == 2 for update in shapes[0])


def test_rows_fit_their_bucket_and_take_the_smallest(lengths: np.ndarray) -> None:
    for update in plan_epoch(lengths, BatchGeometry(8, (8, 16, 32, 64)), seed=3, epoch=0, shuffle=True):
        for micro in update:
            assert (lengths[micro.indices] <= micro.length).all()
            assert micro.length == 8 or (lengths[micro.indices] > micro.length // 2).all()


def test_order_depends_on_seed_and_epoch_only(lengths: np.ndarray) -> None:
    geometry = BatchGeometry(8, (64,))
    first = rows_of(plan_epoch(lengths, geometry, 1, 0, True))
    assert first == rows_of(plan_epoch(lengths, geometry, 1, 0, True))
    assert first != rows_of(plan_epoch(lengths, geometry, 1, 1, True))
    assert first != rows_of(plan_epoch(lengths, geometry, 2, 0, True))
    assert rows_of(plan_epoch(lengths, geometry, 1, 0, False)) == list(range(157))


def test_big_batch_holds_the_rows_of_the_accumulated_ones(lengths: np.ndarray) -> None:
    big = plan_epoch(lengths, BatchGeometry(8, (64,)), 1, 0, True)
    small = plan_epoch(lengths, BatchGeometry(2, (64,), accumulation_steps=4), 1, 0, True)
    assert [rows_of([a]) for a in big] == [rows_of([b]) for b in small]


@pytest.mark.parametrize("buckets", [(64,), (8, 16, 64)])
def test_steps_per_epoch_counts_the_last_partial_batch(lengths: np.ndarray, buckets: tuple[int, ...]) -> None:
    geometry = BatchGeometry(10, buckets)
    assert steps_per_epoch(lengths, geometry) == len(plan_epoch(lengths, geometry, 1, 0, True))
    assert steps_per_epoch(lengths, BatchGeometry(10, (64,))) == 16


def test_buckets_are_sorted_and_closed_by_the_sequence_length() -> None:
    assert resolve_buckets([32, 16, 32], 64) == (16, 32, 64)
    assert resolve_buckets([], 64) == (64,)
    with pytest.raises(ConfigError, match=r"\[128\].*1\.\.64"):
        resolve_buckets([16, 128], 64)
