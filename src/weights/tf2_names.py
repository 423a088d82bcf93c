"""Names in checkpoints of the TensorFlow model garden's ALBERT encoder: of a tree of objects, or of variables.

A Keras model numbers its layers in the order of computation: tables of tokens, positions and segments, layer
normalisation, projection (only where the sizes differ), the one shared layer, pooler (``albert_encoder.py`` and
``tf2_albert_encoder_checkpoint_converter.py`` of tensorflow/models). The encoder has one group of one layer; inside a
network with a head it is the first of two layers with weights. Heads of attention are an axis of their own: query, key
and value are [D, N, D / N], the attention's output [N, D / N, D].
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from src.weights.name_rules import Entry, NameTable, Rule, dense, norm

WEIGHTS_MARK = "layer_with_weights-"
VARIABLE_MARK = "word_embeddings/embeddings"
# The word "encoder" or "model" in front depends on how the program called the network.
_NAME = re.compile(r"^(.*)layer_with_weights-(\d+)/([^.]+?)(?:/\.ATTRIBUTES/VARIABLE_VALUE)?$")
_TABLES = ("embeddings", "_position_embeddings", "position_embeddings")
_TABLE_PARAMETERS = (
    "albert_embedding_lookup.embedding_table",
    "albert_embedding_postprocessor.full_position_embeddings",
    "albert_embedding_postprocessor.embedding_table",
)
_LAYER = "albert_encoder.group.0.inner_group.0"
_LAYER_PARTS = {
    "_attention_layer/_query_dense": f"{_LAYER}.attention.attention.query_layer",
    "_attention_layer/_key_dense": f"{_LAYER}.attention.attention.key_layer",
    "_attention_layer/_value_dense": f"{_LAYER}.attention.attention.value_layer",
    "_attention_layer/_output_dense": f"{_LAYER}.attention.output.dense",
    "_attention_layer_norm": f"{_LAYER}.attention.output.layernorm",
    "_intermediate_dense": f"{_LAYER}.intermediate",
    "_output_dense": f"{_LAYER}.output.dense",
    "_output_layer_norm": f"{_LAYER}.output.layernorm",
}
# Older versions of the layer keep the output of attention beside it.
_OLDER_PARTS = {"_attention_output_dense": f"{_LAYER}.attention.output.dense"}
# The head of classes of sequences (``BertClassifier``) and of tokens (``BertTokenClassifier``). A head one level deeper
# is not taken: it may be classes or the start and end of an answer, and the names are the same.
_CLASSIFIER = re.compile(r"^layer_with_weights-1/(?:out_proj/)?(kernel|bias)(?:/\.ATTRIBUTES/VARIABLE_VALUE)?$")
_NESTED_ENCODER = "layer_with_weights-0/"
_KINDS = {"kernel": "weight", "bias": "bias", "gamma": "gamma", "beta": "beta"}


def model_garden_rules(names: Iterable[str]) -> dict[str, Rule]:
    """Return what becomes of each variable of the encoder and of a head of classes; other heads are left out."""
    names = tuple(names)
    matches = {name: match for name in names if (match := _NAME.match(name))}
    encoders = {match[1] for match in matches.values() if _layer_part(match[3]) is not None}
    if len(encoders) != 1:
        return {}
    inside = {name: (int(match[2]), match[3]) for name, match in matches.items() if match[1] in encoders}
    shared_index = next(index for index, path in inside.values() if _layer_part(path) is not None)
    behind = sorted({index for index, path in inside.values() if index > shared_index and _kind(path) == "kernel"})
    tables = sorted(index for index, path in inside.values() if path in _TABLES)
    found: dict[str, Rule] = {}
    for name, (index, path) in inside.items():
        if path in _TABLES and tables.index(index) < len(_TABLE_PARAMETERS):
            found[name] = Rule(_TABLE_PARAMETERS[tables.index(index)])
            continue
        canonical = _layer_part(path) or _outer_part(path, index, shared_index, behind)
        if canonical is not None:
            found[name] = Rule(canonical, canonical.endswith(".weight"))
    return found | _classifier_rules(names, encoders.pop())


def _classifier_rules(names: Iterable[str], encoder: str) -> dict[str, Rule]:
    """Return what becomes of the variables of a head of classes beside the encoder, whose prefix is given."""
    if not encoder.endswith(_NESTED_ENCODER):
        return {}
    root = encoder.removesuffix(_NESTED_ENCODER)
    matches = {name: _CLASSIFIER.match(name.removeprefix(root)) for name in names if name.startswith(root)}
    return {name: Rule(f"dense_1.{_KINDS[match[1]]}", match[1] == "kernel") for name, match in matches.items() if match}


def _kind(path: str) -> str:
    """Return kernel, bias, gamma or beta; dense layers of older versions write an underscore in front."""
    return path.rsplit("/", 1)[-1].removeprefix("_")


def _layer_part(path: str) -> str | None:
    """Return the canonical name of a parameter of the shared layer, ``None`` for any other."""
    part = path.rpartition("/")[0]
    layer = _LAYER_PARTS.get(part) or _OLDER_PARTS.get(part)
    return f"{layer}.{_KINDS[_kind(path)]}" if layer is not None and _kind(path) in _KINDS else None


def _outer_part(path: str, index: int, shared_index: int, behind: list[int]) -> str | None:
    """Return the canonical name of a parameter before or behind the shared layer."""
    if "/" in path or _kind(path) not in _KINDS:
        return None
    if path in ("gamma", "beta"):
        return f"albert_embedding_postprocessor.layernorm.{path}" if index < shared_index else None
    if index < shared_index:
        return f"albert_encoder.embedding_hidden_mapping_in.{_KINDS[_kind(path)]}"
    return f"dense.{_KINDS[_kind(path)]}" if behind and index == behind[0] else None


@functools.cache
def model_garden_table() -> NameTable:
    """Return the table of the variables' own names, under which ``Checkpoint.restore`` and ``load_weights`` look.

    TensorFlow takes these where a checkpoint holds no tree of objects (the converter's first step writes such a file),
    so they are what is written here.
    """
    attention = "transformer/self_attention"
    return NameTable(
        (
            Entry("word_embeddings/embeddings", _TABLE_PARAMETERS[0]),
            Entry("position_embedding/embeddings", _TABLE_PARAMETERS[1]),
            Entry("type_embeddings/embeddings", _TABLE_PARAMETERS[2]),
            *norm("embeddings/layer_norm", "albert_embedding_postprocessor.layernorm"),
            *dense("embedding_projection", "albert_encoder.embedding_hidden_mapping_in"),
            *dense(f"{attention}/query", f"{_LAYER}.attention.attention.query_layer"),
            *dense(f"{attention}/key", f"{_LAYER}.attention.attention.key_layer"),
            *dense(f"{attention}/value", f"{_LAYER}.attention.attention.value_layer"),
            *dense(f"{attention}/attention_output", f"{_LAYER}.attention.output.dense"),
            *norm(f"{attention}_layer_norm", f"{_LAYER}.attention.output.layernorm"),
            *dense("transformer/intermediate", f"{_LAYER}.intermediate"),
            *dense("transformer/output", f"{_LAYER}.output.dense"),
            *norm("transformer/output_layer_norm", f"{_LAYER}.output.layernorm"),
            *dense("pooler_transform", "dense"),
        )
    )
