"""The way of training batches to the train step: from a thread beside the training, or from a queue on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np

from src.data.batch_table import BatchTable
from src.data.batching import BatchGeometry, plan_epoch
from src.data.dataset import BackgroundDataset, TrainStart, train_dataset

Outputs = tuple[Any, ...]


@dataclass(frozen=True)
class StepInfo:
    """What the host knows about a micro-batch without asking the device.

    Attributes:
        indices: int64 numbers of its rows in the training data.
        tokens: Tokens in them, without padding.
        length: Tokens to which the rows are padded.
    """

    indices: np.ndarray
    tokens: int
    length: int


@dataclass(frozen=True)
class TrainFeed:
    """Micro-batches of one process from some step of a training on.

    Attributes:
        infos: What the host knows of each micro-batch.
        dataset: Their tensors, in the same order.
    """

    infos: Iterator[StepInfo]
    dataset: BackgroundDataset

    def run(self, step: Callable[..., Outputs], from_queue: bool = False) -> Iterator[tuple[StepInfo, Outputs]]:
        """Give every micro-batch to ``step`` and yield what it returns.

        Args:
            step: Takes the tensors of a micro-batch.
            from_queue: Let the device take the tensors from a queue of its own, which MindSpore fills in the
                background. GPU and Ascend have one; all batches must then have one shape.
        """
        if not from_queue:
            batches = self.dataset.create_tuple_iterator(num_epochs=1, do_copy=False)
            for info, batch in zip(self.infos, batches, strict=True):
                yield info, step(*batch)
            return
        fetch = ms.data_sink(step, self.dataset.pipeline, sink_size=1)
        for info in self.infos:
            yield info, fetch()


def feed_from(
    table: BatchTable, geometry: BatchGeometry, seed: int, shuffle: bool, start: TrainStart, epochs: int
) -> TrainFeed:
    """Return the feed of a table in the order that ``seed`` decides."""
    dataset = train_dataset(table, geometry, seed, shuffle, start, epochs)
    return TrainFeed(_infos(table.lengths, geometry, seed, shuffle, start, epochs), dataset)


def _infos(
    lengths: np.ndarray, geometry: BatchGeometry, seed: int, shuffle: bool, start: TrainStart, epochs: int
) -> Iterator[StepInfo]:
    for epoch in range(start.epoch, epochs):
        updates = plan_epoch(lengths, geometry, seed, epoch, shuffle)
        for update in updates[start.step_in_epoch if epoch == start.epoch else 0 :]:
            for micro in update:
                yield StepInfo(micro.indices, int(lengths[micro.indices].sum()), micro.length)
