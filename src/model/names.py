"""Names and shapes of the network's parameters, as pure data: no MindSpore needed.

The names are those of the MindSpore model zoo's ALBERT, so its checkpoints load. A *canonical* name has no
wrapper in front: ``dense.weight`` for what a fine-tuning checkpoint calls ``albert.albert.dense.weight``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from src.config.sections import NetworkConfig

# Shaw et al. 2018 (arXiv:1803.02155), section 3.2: distances are clipped to +-k; BERT and the model zoo take k = 16.
MAX_RELATIVE_DISTANCE = 16

# Cells that wrap a model put their attribute's name in front, once for each wrapper.
_WRAPPERS = re.compile(r"^(?:(?:albert|network)\.)+")
# Moments and counters of the optimizers of this project, of MindSpore and of the model zoo.
_TRAINING_STATE = re.compile(
    r"^(?:adam_[mv]|lamb_[mv]|moments?|moment[12]|accum|accumulation|accu_grads|vhat|stat)\."
    r"|[./](?:adam_[mv]|lamb_[mv])$"
    r"|(?:^|\.)(?:global_step|step_num|epoch_num|learning_rate|beta[12]_power|loss_scale|scale_sense|scale"
    r"|current_iterator_step|last_overflow_iterator_step)$"
)
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
_HUGGINGFACE_LAYER = re.compile(r"^albert\.encoder\.albert_layer_groups\.(\d+)\.albert_layers\.(\d+)\.(.+)$")
_HUGGINGFACE_BACKBONE = ("embeddings.", "encoder.", "pooler.")


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


@functools.cache
def _canonical_parts() -> tuple[dict[str, str], dict[str, str]]:
    """Return the two tables above the other way round, with the kind (weight, bias) of every parameter written out."""
    tables: list[dict[str, str]] = []
    for parts in (_HUGGINGFACE_PARTS, _HUGGINGFACE_LAYER_PARTS):
        table: dict[str, str] = {}
        for ours, theirs in parts.items():
            if ours.endswith(("embedding_table", "full_position_embeddings", "output_bias")):
                table[theirs] = ours
                continue
            is_norm = ours.lower().endswith("layernorm")
            table[f"{theirs}.weight"] = f"{ours}.{'gamma' if is_norm else 'weight'}"
            table[f"{theirs}.bias"] = f"{ours}.{'beta' if is_norm else 'bias'}"
        tables.append(table)
    return tables[0], tables[1]


def canonical_of_huggingface(name: str) -> str | None:
    """Return the canonical name of a parameter of HF transformers, ``None`` when it has no counterpart here.

    The names of a bare ``AlbertModel``, without ``albert.`` in front, are understood too.
    """
    if name.startswith(_HUGGINGFACE_BACKBONE):
        name = f"albert.{name}"
    parts, layer_parts = _canonical_parts()
    layer = _HUGGINGFACE_LAYER.match(name)
    if layer is None:
        return parts.get(name)
    group, inner, part = layer.groups()
    ours = layer_parts.get(part)
    return None if ours is None else f"albert_encoder.group.{int(group)}.inner_group.{int(inner)}.{ours}"


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


def head_shapes(config: NetworkConfig) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of every parameter of the known heads by canonical name; ``None`` where any size will do.

    Heads: ``cls1`` masked tokens, ``cls2`` sentence order, ``dense_1`` classes of sequences or tokens, ``dense1``
    start and end of an answer, ``start_logits``, ``end_logits`` and ``answer_class`` the same by beam search.
    """
    size, embedding = config.hidden_size, config.embedding_size
    shapes: dict[str, tuple[int | None, ...]] = {"cls1.output_bias": (config.vocab_size,)}
    shapes |= _linear("cls1.dense", size, embedding) | _layernorm("cls1.layernorm", embedding)
    shapes |= _linear("cls2.dense", size, 2) | {"dense_1.weight": (None, size), "dense_1.bias": (None,)}
    shapes |= _linear("dense1", size, 2) | _linear("start_logits.dense", size, 1)
    shapes |= _linear("end_logits.dense_0", 2 * size, size) | _layernorm("end_logits.LayerNorm", size)
    shapes |= _linear("end_logits.dense_1", size, 1) | _linear("answer_class.dense_0", 2 * size, size)
    return shapes | {"answer_class.dense_1.weight": (1, size)}


def sizes_of(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the keys of ``NetworkConfig`` that a backbone's shapes decide; those of missing parameters are left out.

    Shapes do not tell the number of layers, which share their weights, nor that of attention heads.

    Args:
        shapes: Shapes by canonical name.
    """
    layers = [layer for layer in map(layer_of, shapes) if layer is not None]
    sources = {
        "vocab_size": ("albert_embedding_lookup.embedding_table", 0),
        "embedding_size": ("albert_embedding_lookup.embedding_table", 1),
        "hidden_size": ("albert_encoder.embedding_hidden_mapping_in.weight", 0),
        "intermediate_size": ("albert_encoder.group.0.inner_group.0.intermediate.weight", 0),
        "max_position_embeddings": ("albert_embedding_postprocessor.full_position_embeddings", 0),
        "type_vocab_size": ("albert_embedding_postprocessor.embedding_table", 0),
    }
    sizes = {key: shapes[name][axis] for key, (name, axis) in sources.items() if len(shapes.get(name, ())) == 2}
    if layers:
        sizes["num_hidden_groups"] = 1 + max(group for group, _ in layers)
        sizes["inner_group_num"] = 1 + max(inner for _, inner in layers)
    return sizes


def is_training_state(name: str) -> bool:
    """Return whether an entry of a MindSpore checkpoint is an optimizer's moment or a counter, and no weight."""
    return _TRAINING_STATE.search(name) is not None
