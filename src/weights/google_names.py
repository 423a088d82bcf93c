"""Tables of the names in Google's code for TensorFlow 1 and in the codes that come from it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from src.weights.name_rules import Entry, NameTable, Rule, dense, norm, output

_LAYER = "albert_encoder.group.{group}.inner_group.{inner}"
_GOOGLE_LAYER = "bert/encoder/transformer/group_{group}/inner_group_{inner}"
_SHARED = "bert/encoder/layer_shared"
_POSTPROCESSOR = "albert_embedding_postprocessor"


def _embeddings() -> tuple[Entry, ...]:
    return (
        Entry("bert/embeddings/word_embeddings", "albert_embedding_lookup.embedding_table"),
        Entry("bert/embeddings/token_type_embeddings", f"{_POSTPROCESSOR}.embedding_table"),
        Entry("bert/embeddings/position_embeddings", f"{_POSTPROCESSOR}.full_position_embeddings"),
    )


def _heads() -> tuple[Entry, ...]:
    """Return the lines of the heads of pre-training, of classification and of both versions of SQuAD."""
    return (
        *dense("cls/predictions/transform/dense", "cls1.dense"),
        Entry("cls/predictions/output_bias", "cls1.output_bias"),
        *output("cls/seq_relationship/", "cls2.dense"),
        *output("", "dense_1"),
        *output("cls/squad/", "dense1"),
        *dense("start_logits/dense", "start_logits.dense"),
        *dense("end_logits/dense_0", "end_logits.dense_0"),
        *norm("end_logits/LayerNorm", "end_logits.LayerNorm"),
        *dense("end_logits/dense_1", "end_logits.dense_1"),
        *dense("answer_class/dense_0", "answer_class.dense_0"),
        Entry("answer_class/dense_1/kernel", "answer_class.dense_1.weight", True),
    )


def _attention(source: str, canonical: str) -> tuple[Entry, ...]:
    return (
        *dense(f"{source}/self/query", f"{canonical}.attention.attention.query_layer"),
        *dense(f"{source}/self/key", f"{canonical}.attention.attention.key_layer"),
        *dense(f"{source}/self/value", f"{canonical}.attention.attention.value_layer"),
        *dense(f"{source}/output/dense", f"{canonical}.attention.output.dense"),
    )


@functools.cache
def google_without_layer_norms() -> NameTable:
    """Return the table of what Google's code names alike under TensorFlow 1 and 2."""
    return NameTable(
        (
            *_embeddings(),
            *dense("bert/encoder/embedding_hidden_mapping_in", "albert_encoder.embedding_hidden_mapping_in"),
            *_attention(f"{_GOOGLE_LAYER}/attention_1", _LAYER),
            *dense(f"{_GOOGLE_LAYER}/ffn_1/intermediate/dense", f"{_LAYER}.intermediate"),
            *dense(f"{_GOOGLE_LAYER}/ffn_1/intermediate/output/dense", f"{_LAYER}.output.dense"),
            *dense("bert/pooler/dense", "dense"),
            *_heads(),
        )
    )


@functools.cache
def google_layer_norms() -> NameTable:
    """Return the table of the layer normalisations of Google's code under TensorFlow 1."""
    return NameTable(
        (
            *norm("bert/embeddings/LayerNorm", f"{_POSTPROCESSOR}.layernorm"),
            *norm(f"{_GOOGLE_LAYER}/LayerNorm", f"{_LAYER}.attention.output.layernorm"),
            *norm(f"{_GOOGLE_LAYER}/LayerNorm_1", f"{_LAYER}.output.layernorm"),
            *norm("cls/predictions/transform/LayerNorm", "cls1.layernorm"),
        )
    )


@functools.cache
def brightmart() -> NameTable:
    """Return the table of brightmart's first layout: one layer, and no projection behind the embeddings."""
    layer = _LAYER.format(group=0, inner=0)
    return NameTable(
        (
            *_embeddings(),
            *norm("bert/embeddings/LayerNorm", f"{_POSTPROCESSOR}.layernorm"),
            *_attention(f"{_SHARED}/attention", layer),
            *norm(f"{_SHARED}/attention/output/LayerNorm", f"{layer}.attention.output.layernorm"),
            *dense(f"{_SHARED}/intermediate/dense", f"{layer}.intermediate"),
            *dense(f"{_SHARED}/output/dense", f"{layer}.output.dense"),
            *norm(f"{_SHARED}/output/LayerNorm", f"{layer}.output.layernorm"),
            *dense("bert/pooler/dense", "dense"),
            *norm("cls/predictions/transform/LayerNorm", "cls1.layernorm"),
            *_heads(),
        )
    )


_OWN_NORM = re.compile(
    r"^bert/encoder/transformer/group_(\d+)(?:_\d+)?/layer_(\d+)/inner_group_(\d+)"
    r"/layer_normalization(?:_(\d+))?/(gamma|beta)$"
)
_OUTER_NORM = re.compile(r"^(bert/embeddings|cls/predictions/transform)/layer_normalization(?:_\d+)?/(gamma|beta)$")
_OUTER_NORMS = {"bert/embeddings": f"{_POSTPROCESSOR}.layernorm", "cls/predictions/transform": "cls1.layernorm"}


def map_own_layer_norms(names: Iterable[str]) -> tuple[dict[str, Rule], dict[str, str]]:
    """Map the names of Google's code run under TensorFlow 2, where each layer has layer normalisations of its own.

    Keras makes a new layer normalisation wherever the code asks for one, so that layers share their matrices and not
    their normalisations (huggingface/transformers issue 10774 lists such a checkpoint). Here every layer becomes a
    group of its own, and the groups repeat the shared matrices: ``num_hidden_groups`` is the number of layers.

    Returns:
        What becomes of each variable, and the parameters that repeat another one, by the other's name.
    """
    names = tuple(names)
    norms = {name: match for name in names if (match := _OWN_NORM.match(name))}
    group_of_layer = {int(match[2]): int(match[1]) for match in norms.values()}
    first_layer: dict[int, int] = {}
    for layer, group in sorted(group_of_layer.items()):
        first_layer.setdefault(group, layer)
    found: dict[str, Rule] = {}
    for name in names:
        outer = _OUTER_NORM.match(name)
        if outer:
            found[name] = Rule(f"{_OUTER_NORMS[outer[1]]}.{outer[2]}")
        elif name in norms:
            found[name] = Rule(_own_norm(norms, name))
        else:
            rule = google_without_layer_norms().to_canonical(name)
            if rule is not None:
                found[name] = Rule(_with_group(rule.canonical, first_layer), rule.transpose)
    copies = {
        _of_group(rule.canonical, layer): rule.canonical
        for layer, group in group_of_layer.items()
        for name, rule in found.items()
        if name not in norms and layer != first_layer[group] and _group_of(rule.canonical) == first_layer[group]
    }
    return found, copies


def _own_norm(norms: dict[str, re.Match[str]], name: str) -> str:
    """Return the canonical name of a layer's own normalisation: the lower number is the one behind attention."""
    match = norms[name]
    place = match.group(2, 3)
    numbers = {int(other[4] or 0) for other in norms.values() if other.group(2, 3) == place}
    part = "attention.output" if int(match[4] or 0) == min(numbers) else "output"
    return f"albert_encoder.group.{int(place[0])}.inner_group.{int(place[1])}.{part}.layernorm.{match[5]}"


_GROUP = re.compile(r"^albert_encoder\.group\.(\d+)\.")


def _group_of(canonical: str) -> int | None:
    match = _GROUP.match(canonical)
    return None if match is None else int(match[1])


def _of_group(canonical: str, group: int) -> str:
    return _GROUP.sub(f"albert_encoder.group.{group}.", canonical)


def _with_group(canonical: str, first_layer: dict[int, int]) -> str:
    group = _group_of(canonical)
    return canonical if group is None else _of_group(canonical, first_layer.get(group, group))
