"""Names and shapes of the backbone's parameters, as pure data: no MindSpore needed.

The names are those of the MindSpore model zoo's ALBERT, so its checkpoints load. A *canonical* name has no
wrapper in front: ``dense.weight`` for what a fine-tuning checkpoint calls ``albert.albert.dense.weight``.
"""

from __future__ import annotations

import re

from src.config.sections import NetworkConfig

# Shaw et al. 2018 (arXiv:1803.02155), section 3.2: distances are clipped to +-k; BERT and the model zoo take k = 16.
MAX_RELATIVE_DISTANCE = 16

# Cells that wrap a model put their attribute's name in front, once for each wrapper.
_WRAPPERS = re.compile(r"^(?:(?:albert|network)\.)+")
_LAYER = re.compile(r"^albert_encoder\.group\.(\d+)\.inner_group\.(\d+)\.(.+)$")

_HUGGINGFACE_PARTS = {
    "albert_embedding_lookup.embedding_table": "albert.embeddings.word_embeddings.weight",
    "albert_embedding_postprocessor.embedding_table": "albert.embeddings.token_type_embeddings.weight",
    "albert_embedding_postprocessor.full_position_embeddings": "albert.embeddings.position_embeddings.weight",
    "albert_embedding_postprocessor.layernorm": "albert.embeddings.LayerNorm",
    "albert_encoder.embedding_hidden_mapping_in": "albert.encoder.embedding_hidden_mapping_in",
    "dense": "albert.pooler",
    "dense_1": "classifier",
    "cls1.output_bias": "predictions.bias",
    "cls1.dense": "predictions.dense",
    "cls1.layernorm": "predictions.LayerNorm",
    "cls2.dense": "sop_classifier.classifier",
    "dense1": "qa_outputs",
    # HF's ALBERT has no beam head; these are the names in its XLNetForQuestionAnswering.
    "start_logits.dense": "start_logits.dense",
    "end_logits.dense_0": "end_logits.dense_0",
    "end_logits.LayerNorm": "end_logits.LayerNorm",
    "end_logits.dense_1": "end_logits.dense_1",
    "answer_class.dense_0": "answer_class.dense_0",
    "answer_class.dense_1": "answer_class.dense_1",
}
_HUGGINGFACE_LAYER_PARTS = {
    "attention.attention.query_layer": "attention.query",
    "attention.attention.key_layer": "attention.key",
    "attention.attention.value_layer": "attention.value",
    "attention.output.dense": "attention.dense",
    "attention.output.layernorm": "attention.LayerNorm",
    "intermediate": "ffn",
    "output.dense": "ffn_output",
    "output.layernorm": "full_layer_layer_norm",
}
_HUGGINGFACE_KINDS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def canonical_name(name: str) -> str:
    """Return a parameter's name without the wrappers (loss network, train cell) in front of it."""
    return _WRAPPERS.sub("", name)


def huggingface_name(canonical: str) -> str:
    """Return the name that HF transformers' ``AlbertFor...`` models give to a parameter; layouts are equal.

    Raises:
        KeyError: The parameter has no counterpart there, for example relative positions.
    """
    if canonical in _HUGGINGFACE_PARTS:
        return _HUGGINGFACE_PARTS[canonical]
    part, kind = canonical.rsplit(".", 1)
    layer = _LAYER.match(part)
    if layer is None:
        return f"{_HUGGINGFACE_PARTS[part]}.{_HUGGINGFACE_KINDS[kind]}"
    group, inner, layer_part = layer.groups()
    place = f"albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}"
    return f"{place}.{_HUGGINGFACE_LAYER_PARTS[layer_part]}.{_HUGGINGFACE_KINDS[kind]}"


def layer_of(canonical: str) -> tuple[int, int] | None:
    """Return (group, layer inside the group) of a parameter of a shared layer, ``None`` for any other."""
    match = _LAYER.match(canonical)
    return None if match is None else (int(match[1]), int(match[2]))


def _linear(name: str, in_size: int, out_size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out_size, in_size), f"{name}.bias": (out_size,)}


def _layernorm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.gamma": (size,), f"{name}.beta": (size,)}


def _layer_shapes(name: str, config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    size, feed_forward = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {}
    for part in ("query", "key", "value"):
        shapes |= _linear(f"{name}.attention.attention.{part}_layer", size, size)
    if config.use_relative_positions:
        head_size = size // config.num_attention_heads
        table = f"{name}.attention.attention._generate_relative_positions_embeddings.embeddings_for_position"
        shapes[table] = (2 * MAX_RELATIVE_DISTANCE + 1, head_size)
    shapes |= _linear(f"{name}.attention.output.dense", size, size)
    shapes |= _layernorm(f"{name}.attention.output.layernorm", size)
    shapes |= _linear(f"{name}.intermediate", size, feed_forward)
    shapes |= _linear(f"{name}.output.dense", feed_forward, size)
    return shapes | _layernorm(f"{name}.output.layernorm", size)


def backbone_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter of the backbone (encoder and pooler) by canonical name."""
    embedding = config.embedding_size
    postprocessor = "albert_embedding_postprocessor"
    shapes: dict[str, tuple[int, ...]] = {
        "albert_embedding_lookup.embedding_table": (config.vocab_size, embedding),
        f"{postprocessor}.embedding_table": (config.type_vocab_size, embedding),
    }
    if not config.use_relative_positions:
        shapes[f"{postprocessor}.full_position_embeddings"] = (config.max_position_embeddings, embedding)
    shapes |= _layernorm(f"{postprocessor}.layernorm", embedding)
    shapes |= _linear("albert_encoder.embedding_hidden_mapping_in", embedding, config.hidden_size)
    for group in range(config.num_hidden_groups):
        for inner in range(config.inner_group_num):
            shapes |= _layer_shapes(f"albert_encoder.group.{group}.inner_group.{inner}", config)
    return shapes | _linear("dense", config.hidden_size, config.hidden_size)
