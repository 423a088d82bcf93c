"""The weights of a TensorFlow checkpoint in this project's layout, and back.

Three things differ besides names: dense kernels are [in, out]; the model garden splits the heads of attention into an
axis; and where embeddings and hidden states have the same size, TensorFlow's codes have no projection between them,
while the network here has one, then the identity.

brightmart's first layout adds positions and segments behind the projection and has no bias there. The network here
computes the same with the product of both tables as its token table, embeddings of the hidden size, and the identity as
projection: W1 W2 is looked up, and the head's logits are h (W1 W2)^T (albert_zh ``modeling.py`` and
``run_pretraining.py``). The table is larger then, the function the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src.common.errors import CheckpointError
from src.model.names import layer_of
from src.weights.name_rules import Rule
from src.weights.tf_names import FOLDED_TABLE, Layout, NameMap, from_canonical, to_canonical

if TYPE_CHECKING:
    from src.weights.tensor_source import TensorSource

_TABLE = "albert_embedding_lookup.embedding_table"
_PROJECTION = "albert_encoder.embedding_hidden_mapping_in"
_POOLER = "dense.weight"
_HEADS_BEHIND = ("query_layer", "key_layer", "value_layer")

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class TensorFlowWeights:
    """What was read.

    Attributes:
        weights: Arrays by canonical name, dense weights [out, in].
        names: What every variable was.
        notices: What the user should know, a sentence each.
        network_keys: Keys of ``NetworkConfig`` in which the network here differs from the checkpoint's own
            configuration; they go over what the file says.
    """

    weights: Weights
    names: NameMap
    notices: tuple[str, ...]
    network_keys: Mapping[str, int]


def read_tensorflow(source: TensorSource) -> TensorFlowWeights:
    """Return the weights of an opened TensorFlow checkpoint.

    Raises:
        CheckpointError: It is no ALBERT's, damaged, or holds values that are not finite.
    """
    where = str(source.path)
    names = to_canonical(source.shapes(), where)
    weights: Weights = {}
    for name, rule in names.found.items():
        values = source.read(name)
        if not np.isfinite(values).all():
            raise CheckpointError(f"{name} holds values that are not finite", where, "take an earlier checkpoint")
        weights[rule.canonical] = np.ascontiguousarray(_in_our_layout(values, rule, where))
    notices: list[str] = []
    network_keys: dict[str, int] = {}
    if names.layout is Layout.BRIGHTMART:
        _fold(weights, source)
        network_keys["embedding_size"] = weights[_TABLE].shape[1]
        notices.append(
            "brightmart's first layout adds positions behind the projection; its two token tables became one of the"
            " hidden size (embedding_size equals hidden_size), which computes the same"
        )
    if names.copies:
        weights |= {name: weights[original] for name, original in names.copies.items()}
        network_keys["num_hidden_groups"] = 1 + max(layer[0] for layer in map(layer_of, weights) if layer is not None)
        notices.append(
            "every layer has layer normalisations of its own in this checkpoint: each layer became a group"
            " (num_hidden_groups is the number of layers), with the shared matrices repeated"
        )
    _add_identity(weights)
    return TensorFlowWeights(weights, names, tuple(notices), network_keys)


def _in_our_layout(values: np.ndarray, rule: Rule, where: str) -> np.ndarray:
    """Return a variable as [out, in] or [out]; heads of attention that have an axis of their own are joined."""
    part = rule.canonical.rsplit(".", 2)[-2]
    if values.ndim == 2 and rule.canonical.endswith(".bias"):
        return values.reshape(-1)
    if values.ndim == 3 and rule.transpose:
        split_last = part in _HEADS_BEHIND
        values = values.reshape(values.shape[0], -1) if split_last else values.reshape(-1, values.shape[-1])
    if rule.transpose and values.ndim != 2:
        what = f"a matrix was expected for {rule.canonical}, not the shape {values.shape}"
        raise CheckpointError(what, where, "give a checkpoint of ALBERT")
    return values.T if rule.transpose else values


def _fold(weights: Weights, source: TensorSource) -> None:
    """Multiply brightmart's two token tables, in float64 so that nothing but the last rounding is lost."""
    table = weights.get(_TABLE)
    if table is None or FOLDED_TABLE not in source.shapes():
        raise CheckpointError("one of the two token tables is missing", str(source.path), "copy the checkpoint again")
    second = source.read(FOLDED_TABLE)
    if table.ndim != 2 or second.ndim != 2 or table.shape[1] != second.shape[0]:
        what = f"the two token tables do not fit each other: {table.shape} and {second.shape}"
        raise CheckpointError(what, str(source.path), "copy the checkpoint again")
    weights[_TABLE] = (table.astype(np.float64) @ second.astype(np.float64)).astype(np.float32)


def _add_identity(weights: Weights) -> None:
    """Give a network without a projection the identity, where the sizes allow it."""
    table, pooler = weights.get(_TABLE), weights.get(_POOLER)
    if table is None or pooler is None or any(name.startswith(_PROJECTION) for name in weights):
        return
    size = pooler.shape[0]
    if table.ndim == 2 and table.shape[1] == size:
        weights[f"{_PROJECTION}.weight"] = np.eye(size, dtype=np.float32)
        weights[f"{_PROJECTION}.bias"] = np.zeros(size, np.float32)


def tensors_for_tensorflow(weights: Mapping[str, np.ndarray], layout: Layout, attention_heads: int) -> Weights:
    """Return the variables of a TensorFlow checkpoint by their names there.

    Args:
        weights: Arrays by canonical name.
        layout: How the variables are to be named.
        attention_heads: Number of attention heads; only the model garden's layout needs it.

    Raises:
        CheckpointError: The layout has no place for a parameter.
    """
    kept = dict(weights)
    projection = kept.get(f"{_PROJECTION}.weight")
    if projection is not None and projection.shape[0] == projection.shape[1]:
        bias = kept.get(f"{_PROJECTION}.bias")
        if bias is None or bias.any() or not np.array_equal(projection, np.eye(len(projection), dtype=np.float32)):
            what = "TensorFlow's codes have no projection where embedding_size equals hidden_size, and this one is used"
            raise CheckpointError(what, f"{_PROJECTION}.weight", "write .ckpt, .safetensors or Hugging Face's format")
        kept = {name: values for name, values in kept.items() if not name.startswith(f"{_PROJECTION}.")}
    tensors: Weights = {}
    for canonical, (name, transpose) in from_canonical(kept, layout).items():
        values = kept[canonical].T if transpose else kept[canonical]
        if layout is Layout.TF2_MODEL_GARDEN:
            values = _with_head_axis(canonical, values, attention_heads)
        tensors[name] = np.ascontiguousarray(values)
    return tensors


def _with_head_axis(canonical: str, values: np.ndarray, heads: int) -> np.ndarray:
    """Split an array [in, out] or [out] of attention into its heads."""
    part, kind = canonical.rsplit(".", 2)[-2:]
    if part in _HEADS_BEHIND:
        return values.reshape(*values.shape[:-1], heads, values.shape[-1] // heads)
    if canonical.endswith("attention.output.dense.weight") and kind == "weight":
        return values.reshape(heads, values.shape[0] // heads, values.shape[1])
    return values
