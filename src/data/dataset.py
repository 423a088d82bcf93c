"""MindSpore datasets over the batch plan: a background thread assembles batches while the device computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mindspore import dataset as msd

from src.common.errors import AlbertError
from src.data.batch_table import BatchTable
from src.data.batching import BatchGeometry, MicroBatch, plan_epoch, steps_per_epoch

INPUT_COLUMNS = ("input_ids", "input_mask", "segment_ids")
NORMALIZERS = "normalizers"

Row = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class TrainStart:
    """Where reading begins: the first epoch and how many updates of it are already done."""

    epoch: int = 0
    step_in_epoch: int = 0


def update_rows(table: BatchTable, update: Sequence[MicroBatch], batch_size: int) -> Iterator[Row]:
    """Yield the micro-batches of one update; each carries the normalizers of the whole update.

    These must be known before the first micro-batch runs, so that accumulated gradients are those of the big
    batch also where its parts hold unequal numbers of rows or labels.
    """
    batches = [table.batch(micro.indices, batch_size, micro.length) for micro in update]
    normalizers = table.normalizers(batches)
    for batch in batches:
        yield (*(batch[name] for name in table.columns), normalizers)


def train_rows(
    table: BatchTable, geometry: BatchGeometry, seed: int, shuffle: bool, start: TrainStart, epochs: int
) -> Iterator[Row]:
    """Yield the micro-batches of every epoch from ``start`` on, in the order that ``seed`` decides."""
    for epoch in range(start.epoch, epochs):
        updates = plan_epoch(table.lengths, geometry, seed, epoch, shuffle)
        skipped = start.step_in_epoch if epoch == start.epoch else 0
        for update in updates[skipped:]:
            yield from update_rows(table, update, geometry.batch_size)


class _Source:
    """Rows with their number, without which MindSpore would make all of them only to count them.

    It holds functions only: MindSpore copies deeply what a source consists of.
    """

    def __init__(self, rows: Callable[[], Iterator[Row]], size: int) -> None:
        self._rows = rows
        self._size = size

    def __iter__(self) -> Iterator[Row]:
        return self._rows()

    def __len__(self) -> int:
        return self._size


class BackgroundDataset:
    """A ``GeneratorDataset`` whose rows are whole batches, made ahead in a thread of the data engine.

    Batches of different lengths pass through it; nothing is batched, cast or reordered on the way. An error of this
    project that ends the making of rows is raised again by the iterators: MindSpore would put it into a
    ``RuntimeError`` with call stacks.

    Args:
        rows: Makes the rows from the beginning.
        columns: Their names.
        size: Their number.

    Attributes:
        pipeline: The dataset of MindSpore.
    """

    def __init__(self, rows: Callable[[], Iterator[Row]], columns: Sequence[str], size: int) -> None:
        self._failures: list[AlbertError] = []
        failures = self._failures

        # A function of its own and no method: MindSpore copies deeply what a method is bound to.
        def guarded() -> Iterator[Row]:
            try:
                yield from rows()
            except AlbertError as error:
                failures.append(error)
                raise

        self.pipeline: Any = msd.GeneratorDataset(
            _Source(guarded, size), list(columns), shuffle=False, num_parallel_workers=1, python_multiprocessing=False
        )

    def get_col_names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.pipeline.get_col_names())

    def create_tuple_iterator(self, num_epochs: int = 1, do_copy: bool = False) -> Iterator[Any]:
        """Return the batches as lists of tensors; see MindSpore's method of this name."""
        return self._reraising(self.pipeline.create_tuple_iterator(num_epochs=num_epochs, do_copy=do_copy))

    def create_dict_iterator(self, num_epochs: int = 1, output_numpy: bool = False) -> Iterator[Any]:
        """Return the batches as dictionaries; see MindSpore's method of this name."""
        return self._reraising(self.pipeline.create_dict_iterator(num_epochs=num_epochs, output_numpy=output_numpy))

    def _reraising(self, iterator: Iterator[Any]) -> Iterator[Any]:
        self._failures.clear()
        try:
            yield from iterator
        except RuntimeError:
            if self._failures:
                raise self._failures[0] from None
            raise


def train_dataset(
    table: BatchTable, geometry: BatchGeometry, seed: int, shuffle: bool, start: TrainStart, epochs: int
) -> BackgroundDataset:
    """Return the training dataset with the table's columns and ``NORMALIZERS``, one row a micro-batch."""
    columns = (*table.columns, NORMALIZERS)
    updates = (epochs - start.epoch) * steps_per_epoch(table.lengths, geometry) - start.step_in_epoch
    size = updates * geometry.accumulation_steps
    return BackgroundDataset(lambda: train_rows(table, geometry, seed, shuffle, start, epochs), columns, size)


def evaluation_dataset(table: BatchTable, plan: Sequence[MicroBatch], batch_size: int) -> BackgroundDataset:
    """Return a dataset of the planned batches in the plan's order, for a network with loss.

    Its columns are those of ``train_dataset``; the normalizers are those of each batch by itself.
    """

    def rows() -> Iterator[Row]:
        for micro in plan:
            yield from update_rows(table, [micro], batch_size)

    return BackgroundDataset(rows, (*table.columns, NORMALIZERS), len(plan))


def inference_dataset(table: BatchTable, plan: Sequence[MicroBatch], batch_size: int) -> BackgroundDataset:
    """Return a dataset with the columns ``INPUT_COLUMNS`` of the planned batches, in the plan's order."""

    def rows() -> Iterator[Row]:
        for micro in plan:
            batch = table.batch(micro.indices, batch_size, micro.length)
            yield tuple(batch[name] for name in INPUT_COLUMNS)

    return BackgroundDataset(rows, INPUT_COLUMNS, len(plan))
