"""Give a network another number of tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from src.common.errors import CheckpointError
from src.common.seeds import child_generator

_TABLE = "albert_embedding_lookup.embedding_table"
_BIAS = "cls1.output_bias"
_STANDARD_DEVIATION = 0.02


def resize_vocabulary(
    weights: Mapping[str, np.ndarray], size: int, seed: int
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the weights with ``size`` rows in the token table and entries in the bias of the MLM head.

    The first rows are kept. New rows are drawn from a normal distribution with standard deviation 0.02, cut off at two
    deviations, as the network's own initialisation; new entries of the bias are zeros.

    Args:
        weights: Arrays by canonical name; they are not changed.
        size: New number of tokens.
        seed: Decides the new rows.

    Returns:
        The weights and what was done, a sentence each; nothing where the size is the same.

    Raises:
        CheckpointError: There is no token table.
    """
    table = weights.get(_TABLE)
    if table is None or table.ndim != 2:
        raise CheckpointError("there is no token table to resize", _TABLE, "leave out --vocab_size")
    before = table.shape[0]
    if size == before:
        return dict(weights), ()
    resized = dict(weights)
    new_rows = _truncated_normal((max(0, size - before), table.shape[1]), seed)
    resized[_TABLE] = np.concatenate([table[:size], new_rows]).astype(np.float32)
    if _BIAS in weights:
        zeros = np.zeros(max(0, size - before), np.float32)
        resized[_BIAS] = np.concatenate([weights[_BIAS][:size], zeros]).astype(np.float32)
    if size < before:
        return resized, (f"vocab_size {before} became {size}: the last {before - size} rows were dropped",)
    what = f"vocab_size {before} became {size}: {size - before} new rows are random (seed {seed}), train them"
    return resized, (what,)


def _truncated_normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    generator = child_generator(seed, "new_tokens")
    values = generator.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = generator.standard_normal(int(outside.sum()))
    return (_STANDARD_DEVIATION * values).astype(np.float32)
