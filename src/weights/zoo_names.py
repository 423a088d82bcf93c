"""Checkpoints of the MindSpore model zoo's ALBERT, whose converter and MLM head had faults.

Its names are this project's. Its converter transposed the weight of the sentence-order head, which is seen by the shape
[D, 2]. Its MLM head is BERT's: it yields the hidden size, where the token table has the embedding size, and could never
run unless the two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from src.common.errors import CheckpointError
from src.model.names import canonical_name, is_training_state

_SOP_WEIGHT = "cls2.dense.weight"
_MLM_WEIGHT = "cls1.dense.weight"
_TABLE = "albert_embedding_lookup.embedding_table"


@dataclass(frozen=True)
class ZooWeights:
    """What was read.

    Attributes:
        weights: Arrays by canonical name.
        state: Moments and counters of an optimizer, which are passed over.
        notices: What was mended or left out and why, a sentence each.
    """

    weights: dict[str, np.ndarray]
    state: tuple[str, ...]
    notices: tuple[str, ...]


def read_zoo(entries: Mapping[str, np.ndarray], where: str) -> ZooWeights:
    """Return the weights of a MindSpore checkpoint by canonical name.

    Args:
        entries: All arrays of the checkpoint by their names there.
        where: The checkpoint, for errors.

    Raises:
        CheckpointError: Two entries are the same parameter, or values are not finite.
    """
    weights: dict[str, np.ndarray] = {}
    sources: dict[str, str] = {}
    state = tuple(name for name in entries if is_training_state(name))
    for name, values in entries.items():
        if is_training_state(name):
            continue
        canonical = canonical_name(name)
        if canonical in sources:
            what = f"{sources[canonical]} and {name} are the same parameter, {canonical}"
            raise CheckpointError(what, where, "save one of them")
        if not np.isfinite(values).all():
            raise CheckpointError(f"{name} holds values that are not finite", where, "take an earlier checkpoint")
        sources[canonical], weights[canonical] = name, values
    notices = [*_mend_sentence_order(weights), *_refuse_masked_tokens(weights)]
    return ZooWeights(weights, state, tuple(notices))


def _mend_sentence_order(weights: dict[str, np.ndarray]) -> list[str]:
    """Turn a transposed weight of the sentence-order head."""
    weight = weights.get(_SOP_WEIGHT)
    if weight is None or weight.ndim != 2 or weight.shape[1] != 2 or weight.shape[0] == 2:
        return []
    weights[_SOP_WEIGHT] = np.ascontiguousarray(weight.T)
    return [f"{_SOP_WEIGHT} was {weight.shape}, as the model zoo's converter left it; it was transposed"]


def _refuse_masked_tokens(weights: dict[str, np.ndarray]) -> list[str]:
    """Leave out an MLM head that does not fit the token table."""
    weight, table = weights.get(_MLM_WEIGHT), weights.get(_TABLE)
    if weight is None or table is None or weight.shape[0] == table.shape[1]:
        return []
    for name in [name for name in weights if name.startswith("cls1.")]:
        del weights[name]
    return [
        f"the MLM head was left out: {_MLM_WEIGHT} is {weight.shape} and yields {weight.shape[0]} values, the token"
        f" table has rows of {table.shape[1]}; the model zoo's head has this fault and its values are of no use"
    ]
