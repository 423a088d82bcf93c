"""MindSpore datasets over the batch plan: a background thread assembles batches while the device computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mindspore import dataset as msd

from src.data.batching import BatchGeometry, MicroBatch, plan_epoch
from src.data.table import FinetuneTable

INPUT_COLUMNS = ("input_ids", "input_mask", "segment_ids")
FINETUNE_COLUMNS = (*INPUT_COLUMNS, "label_ids", "row_weight")
TRAIN_COLUMNS = (*FINETUNE_COLUMNS, "normalizers")

Row = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class TrainStart:
    """Where reading begins: the first epoch and how many updates of it are already done."""

    epoch: int = 0
    step_in_epoch: int = 0


def _weight_of(batch: dict[str, np.ndarray], kind: str) -> float:
    """Return what a micro-batch adds to the loss's divisor: its rows, or its labelled tokens."""
    if kind == "token_classification":
        return float(((batch["label_ids"] >= 0) * batch["row_weight"][:, None]).sum())
    return float(batch["row_weight"].sum())


def update_rows(table: FinetuneTable, update: Sequence[MicroBatch], batch_size: int) -> Iterator[Row]:
    """Yield the micro-batches of one update; each carries the divisor of the whole update.

    The divisor must be known before the first micro-batch runs, so that accumulated gradients are those of the big
    batch also where its parts hold unequal numbers of rows or labels.
    """
    batches = [table.batch(micro.indices, batch_size, micro.length) for micro in update]
    weight = sum(_weight_of(batch, table.kind) for batch in batches)
    # Rows without any labelled token add nothing to the loss: 0/1, not 0/0.
    normalizers = np.array([max(1.0, weight)], dtype=np.float32)
    for batch in batches:
        yield (*(batch[name] for name in FINETUNE_COLUMNS), normalizers)


def train_rows(
    table: FinetuneTable, geometry: BatchGeometry, seed: int, shuffle: bool, start: TrainStart, epochs: int
) -> Iterator[Row]:
    """Yield the micro-batches of every epoch from ``start`` on, in the order that ``seed`` decides."""
    for epoch in range(start.epoch, epochs):
        updates = plan_epoch(table.lengths, geometry, seed, epoch, shuffle)
        skipped = start.step_in_epoch if epoch == start.epoch else 0
        for update in updates[skipped:]:
            yield from update_rows(table, update, geometry.batch_size)


def background_dataset(rows: Callable[[], Iterator[Row]], columns: Sequence[str]) -> Any:
    """Return a ``GeneratorDataset`` whose rows are whole batches, made ahead in a thread of the data engine.

    Batches of different lengths pass through it; nothing is batched, cast or reordered on the way.
    """
    return msd.GeneratorDataset(
        rows, list(columns), shuffle=False, num_parallel_workers=1, python_multiprocessing=False
    )


def train_dataset(
    table: FinetuneTable, geometry: BatchGeometry, seed: int, shuffle: bool, start: TrainStart, epochs: int
) -> Any:
    """Return the training dataset with the columns ``TRAIN_COLUMNS``, one row a micro-batch."""
    return background_dataset(lambda: train_rows(table, geometry, seed, shuffle, start, epochs), TRAIN_COLUMNS)


def evaluation_dataset(table: FinetuneTable, plan: Sequence[MicroBatch], batch_size: int) -> Any:
    """Return a dataset with the columns ``INPUT_COLUMNS`` of the planned batches, in the plan's order."""

    def rows() -> Iterator[Row]:
        for micro in plan:
            batch = table.batch(micro.indices, batch_size, micro.length)
            yield tuple(batch[name] for name in INPUT_COLUMNS)

    return background_dataset(rows, INPUT_COLUMNS)
