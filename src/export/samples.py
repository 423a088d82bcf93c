"""Batches to compare an exported model with its checkpoint: fixed, of several lengths, with and without padding."""

from __future__ import annotations

import numpy as np

from src.common.seeds import child_generator
from src.export.description import TensorSpec
from src.tasks.assets import TaskDescription

# Batches of a model that takes one size, and most rows of the batches of one that takes any.
_STATIC_BATCHES = 4
_MOST_ROWS = 3


def sample_batches(
    task: TaskDescription, inputs: tuple[TensorSpec, ...], shortest: int
) -> list[tuple[np.ndarray, ...]]:
    """Return batches of int32 arrays in the order of the inputs; equal for equal arguments.

    The first row of the first batch is full; the others end anywhere and are padded. Of a model for any size two
    batches differ in both.

    Args:
        task: Gives the size of the vocabulary and the longest length.
        inputs: Inputs of the model.
        shortest: Fewest tokens of a row. So many, nearly, are in the second segment, where answers are looked for.
    """
    rows, length = inputs[0].shape
    if rows is not None and length is not None:
        shapes = [(rows, length)] * _STATIC_BATCHES
    else:
        longest = task.length
        shapes = [(1, longest), (_MOST_ROWS, max(shortest, longest // 2)), (_MOST_ROWS - 1, shortest)]
    network = task.network_config()
    batches: list[tuple[np.ndarray, ...]] = []
    for number, shape in enumerate(shapes):
        chance = child_generator(0, "export", number)
        ends = chance.integers(min(shortest, shape[1]), shape[1] + 1, shape[0])
        if number == 0:
            ends[0] = shape[1]
        places = np.arange(shape[1])
        mask = (places < ends[:, None]).astype(np.int32)
        ids = chance.integers(0, network.vocab_size, shape).astype(np.int32) * mask
        # A beam that found fewer places than it looks for would fill up with any.
        begins = np.maximum(1, np.minimum(ends // 2, ends - shortest + 1))
        second = places >= begins[:, None]
        segments = (second & (mask > 0)).astype(np.int32) * min(1, network.type_vocab_size - 1)
        batch: tuple[np.ndarray, ...] = (ids, mask, segments)
        if len(inputs) > len(batch):
            count = inputs[3].shape[1] or number + 1
            positions = chance.integers(0, ends[:, None], (shape[0], count)).astype(np.int32)
            batch = (*batch, positions)
        batches.append(batch)
    return batches
