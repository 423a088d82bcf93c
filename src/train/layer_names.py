"""Say in words which part of the network a cell or an operator is, from its path in the loss network."""

from __future__ import annotations

import re

# Part of a transformer layer, by its path inside the layer.
_LAYER_PARTS: tuple[tuple[str, str], ...] = (
    (r"attention\.attention\.query_layer", "attention query"),
    (r"attention\.attention\.key_layer", "attention key"),
    (r"attention\.attention\.value_layer", "attention value"),
    (r"attention\.attention\.matmul_transposed", "attention scores"),
    (r"attention\.attention\.softmax", "attention softmax"),
    (r"attention\.attention\.dropouts", "attention probabilities"),
    (r"attention\.attention\.matmul", "attention context"),
    (r"attention\.attention\._generate_relative", "attention relative positions"),
    (r"attention\.attention", "attention"),
    (r"attention\.output\.dense", "attention output"),
    (r"attention\.output\.layernorm", "attention LayerNorm"),
    (r"attention", "attention block"),
    (r"intermediate", "feed-forward input"),
    (r"activation", "feed-forward activation"),
    (r"output\.dense", "feed-forward output"),
    (r"output\.layernorm", "feed-forward LayerNorm"),
    (r"output", "feed-forward block"),
)
# Part of the backbone, by its path inside it.
_BACKBONE_PARTS: tuple[tuple[str, str], ...] = (
    (r"albert_embedding_lookup", "token embeddings"),
    (r"albert_embedding_postprocessor\.layernorm", "LayerNorm of the embeddings"),
    (r"albert_embedding_postprocessor", "segment and position embeddings"),
    (r"albert_encoder\.embedding_hidden_mapping_in", "mapping of the embeddings"),
    (r"albert_encoder", "encoder"),
    (r"dense|tanh", "pooler"),
)
_BACKBONE = re.compile(r"albert\.albert\b\.?(?P<rest>.*)")
_LAYER = re.compile(r"albert_encoder\.group\.\d+(?:\.inner_group\.(?P<inner>\d+))?\.?(?P<rest>.*)")
_HEAD = re.compile(r"albert\.(?P<rest>.+)")


def part_name(path: str, layer: int, inner_layers: int = 1) -> str:
    """Return for example ``layer 3 attention scores``.

    Args:
        path: Names of cells and operator from the loss network on, with dots between.
        layer: Number of the layer that runs, from 1; layers share their cells.
        inner_layers: Distinct layers of a group.
    """
    backbone = _BACKBONE.fullmatch(path)
    if backbone is None:
        head = _HEAD.fullmatch(path)
        return f"head {head['rest']}" if head else "loss"
    rest = backbone["rest"]
    in_layer = _LAYER.fullmatch(rest)
    if in_layer is None:
        return next((name for pattern, name in _BACKBONE_PARTS if re.match(pattern, rest)), "backbone")
    title = f"layer {layer}"
    if inner_layers > 1 and in_layer["inner"] is not None:
        title += f" (inner {int(in_layer['inner']) + 1} of {inner_layers})"
    part = next((name for pattern, name in _LAYER_PARTS if re.match(pattern, in_layer["rest"])), "")
    return f"{title} {part}".rstrip()
