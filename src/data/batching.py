"""Decide which rows make which batch: pure numpy, exact for any seed, epoch, number of ranks and resume position.

An *update batch* is what one optimizer step sees: ``batch_size * accumulation_steps * group_size`` rows.
A *micro-batch* is what one rank computes at once. Every row of the table is in exactly one update batch of an epoch;
the last update batch of a bucket may be smaller, and the places left over are filler rows with weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.common.errors import ConfigError
from src.common.seeds import child_generator


@dataclass(frozen=True)
class MicroBatch:
    """Rows of one micro-batch of one rank; fewer than the batch size means filler rows.

    Attributes:
        indices: int64 row numbers in the table.
        length: Tokens to which the rows are padded.
    """

    indices: np.ndarray
    length: int


@dataclass(frozen=True)
class BatchGeometry:
    """How rows are cut into batches.

    Attributes:
        batch_size: Rows of a micro-batch on one rank.
        buckets: Ascending padded lengths; a row goes to the first that holds it. One entry: fixed length.
        accumulation_steps: Micro-batches of an update.
        rank: This process's number in its group.
        group_size: Processes that share an update.
    """

    batch_size: int
    buckets: tuple[int, ...]
    accumulation_steps: int = 1
    rank: int = 0
    group_size: int = 1

    @property
    def update_rows(self) -> int:
        """Rows of a full update batch over all ranks."""
        return self.batch_size * self.accumulation_steps * self.group_size


def resolve_buckets(bucket_list: Sequence[int], seq_length: int) -> tuple[int, ...]:
    """Return the ascending bucket lengths, always closed by ``seq_length`` so that every row has a place.

    Raises:
        ConfigError: A bucket is not between 1 and ``seq_length``.
    """
    wrong = [length for length in bucket_list if not 1 <= length <= seq_length]
    if wrong:
        raise ConfigError(
            f"bucket lengths {wrong} are outside 1..{seq_length}", "bucket_list", "list lengths up to seq_length"
        )
    return tuple(sorted({*bucket_list, seq_length}))


def _rows_of_buckets(lengths: np.ndarray, order: np.ndarray, buckets: tuple[int, ...]) -> list[np.ndarray]:
    """Split ``order`` by the first bucket that holds each row, keeping the order inside a bucket."""
    bucket_of_row = np.searchsorted(np.asarray(buckets), lengths[order], side="left")
    return [order[bucket_of_row == number] for number in range(len(buckets))]


def _share_of_rank(rows: np.ndarray, length: int, geometry: BatchGeometry) -> list[MicroBatch]:
    """Cut this rank's share of an update batch into its micro-batches, dealing rows out evenly over the ranks."""
    mine = rows[geometry.rank :: geometry.group_size]
    size = geometry.batch_size
    return [MicroBatch(mine[i * size : (i + 1) * size], length) for i in range(geometry.accumulation_steps)]


def plan_epoch(
    lengths: np.ndarray, geometry: BatchGeometry, seed: int, epoch: int, shuffle: bool
) -> list[list[MicroBatch]]:
    """Return the update batches of an epoch, each as this rank's micro-batches.

    Args:
        lengths: int [rows], tokens of every row.
        geometry: Sizes, buckets and rank.
        seed: The run's seed; the order depends on it and on the epoch only.
        epoch: Epoch, from 0.
        shuffle: False keeps the rows in file order (inside their bucket).
    """
    generator = child_generator(seed, "data", epoch)
    order = generator.permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    updates = []
    for length, rows in zip(geometry.buckets, _rows_of_buckets(lengths, order, geometry.buckets), strict=True):
        for start in range(0, len(rows), geometry.update_rows):
            updates.append(_share_of_rank(rows[start : start + geometry.update_rows], length, geometry))
    if shuffle:
        updates = [updates[i] for i in generator.permutation(len(updates))]
    return updates


def steps_per_epoch(lengths: np.ndarray, geometry: BatchGeometry) -> int:
    """Return the number of optimizer steps of an epoch; it is the same for every epoch."""
    rows = _rows_of_buckets(lengths, np.arange(len(lengths)), geometry.buckets)
    return sum(-(-len(part) // geometry.update_rows) for part in rows)
