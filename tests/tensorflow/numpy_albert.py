"""ALBERT in float64 numpy, on TensorFlow's variables as they are named and laid out there.

It follows the description of google-research/albert's ``modeling.py`` (post-LayerNorm layers, GELU in its tanh form,
scores of padding lowered by 10000) and of brightmart's ``modeling.py``, and shares no code with this project's network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.tensorflow.layouts import SHARED, TRANSFORMER, last_norm, own_norm

Variables = dict[str, np.ndarray]
_EPSILON = 1e-12


@dataclass(frozen=True)
class Block:
    """Names of the parts of one layer."""

    attention: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


def _google_block(group: int, inner: int) -> Block:
    layer = f"{TRANSFORMER}/group_{group}/inner_group_{inner}"
    feed_forward = f"{layer}/ffn_1/intermediate"
    return Block(
        f"{layer}/attention_1", f"{layer}/LayerNorm", f"{feed_forward}/dense", f"{feed_forward}/output/dense",
        f"{layer}/LayerNorm_1",
    )  # fmt: skip


def _layers(variables: Variables, config: Mapping[str, Any]) -> Iterator[list[Block]]:
    """Yield the blocks of each layer in the order in which they run."""
    for layer in range(config["num_hidden_layers"]):
        if "bert/embeddings/word_embeddings_2" in variables:
            block = Block(
                f"{SHARED}/attention", f"{SHARED}/attention/output/LayerNorm", f"{SHARED}/intermediate/dense",
                f"{SHARED}/output/dense", f"{SHARED}/output/LayerNorm",
            )  # fmt: skip
            yield [block]
        elif f"{own_norm(0, False)}/gamma" in variables:
            shared = _google_block(0, 0)
            yield [replace(shared, attention_norm=own_norm(layer, False), output_norm=own_norm(layer, True))]
        else:
            group = int(layer / config["num_hidden_layers"] * config["num_hidden_groups"])
            yield [_google_block(group, inner) for inner in range(config["inner_group_num"])]


def _dense(variables: Variables, name: str, inputs: np.ndarray) -> np.ndarray:
    return inputs @ variables[f"{name}/kernel"] + variables[f"{name}/bias"]


def _norm(variables: Variables, name: str, inputs: np.ndarray) -> np.ndarray:
    centred = inputs - inputs.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + _EPSILON)
    return centred / deviation * variables[f"{name}/gamma"] + variables[f"{name}/beta"]


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _attention(variables: Variables, name: str, inputs: np.ndarray, mask: np.ndarray, heads: int) -> np.ndarray:
    """Return the output of attention [B, T, D] before its residual sum."""
    rows, length, size = inputs.shape

    def split(part: str) -> np.ndarray:
        values = _dense(variables, f"{name}/self/{part}", inputs)
        return values.reshape(rows, length, heads, size // heads).transpose(0, 2, 1, 3)

    scores = split("query") @ split("key").transpose(0, 1, 3, 2) / np.sqrt(size // heads)
    scores = scores - 10000.0 * (1.0 - mask[:, None, None, :])
    mixed = (_softmax(scores) @ split("value")).transpose(0, 2, 1, 3).reshape(rows, length, size)
    return _dense(variables, f"{name}/output/dense", mixed)


def _embed(variables: Variables, ids: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Return the first hidden states [B, T, D]."""
    words = variables["bert/embeddings/word_embeddings"][ids]
    second = variables.get("bert/embeddings/word_embeddings_2")
    words = words if second is None else words @ second
    places = variables["bert/embeddings/position_embeddings"][: ids.shape[1]]
    summed = words + variables["bert/embeddings/token_type_embeddings"][segments] + places
    own = "bert/embeddings/layer_normalization"
    normed = _norm(variables, own if f"{own}/gamma" in variables else "bert/embeddings/LayerNorm", summed)
    mapping = "bert/encoder/embedding_hidden_mapping_in"
    return _dense(variables, mapping, normed) if f"{mapping}/kernel" in variables else normed


def _masked_tokens(variables: Variables, config: Mapping[str, Any], hidden: np.ndarray) -> np.ndarray:
    """Return the logits of every position over the vocabulary [B, T, V]."""
    place = "cls/predictions/transform"
    norm = "LayerNorm" if f"{place}/LayerNorm/gamma" in variables else last_norm(config)
    inputs = _norm(variables, f"{place}/{norm}", _gelu(_dense(variables, f"{place}/dense", hidden)))
    second = variables.get("bert/embeddings/word_embeddings_2")
    inputs = inputs if second is None else inputs @ second.T
    return inputs @ variables["bert/embeddings/word_embeddings"].T + variables["cls/predictions/output_bias"]


def outputs(
    values: Mapping[str, np.ndarray], config: Mapping[str, Any], batch: tuple[np.ndarray, ...]
) -> dict[str, np.ndarray]:
    """Return hidden states [L + 1, B, T, D], pooled [B, D] and the logits of the heads that the variables have.

    Args:
        values: Variables by name.
        config: The content of ``albert_config.json``.
        batch: Ids, mask and segments [B, T].
    """
    ids, mask, segments = batch
    variables = {name.removeprefix("module/"): array.astype(np.float64) for name, array in values.items()}
    hidden = _embed(variables, ids, segments)
    states = [hidden]
    for blocks in _layers(variables, config):
        for block in blocks:
            attended = _attention(variables, block.attention, hidden, mask, config["num_attention_heads"])
            hidden = _norm(variables, block.attention_norm, hidden + attended)
            wide = _gelu(_dense(variables, block.intermediate, hidden))
            hidden = _norm(variables, block.output_norm, hidden + _dense(variables, block.output, wide))
        states.append(hidden)
    pooled = np.tanh(_dense(variables, "bert/pooler/dense", hidden[:, 0]))
    found = {"hidden states": np.stack(states), "pooled": pooled}
    if "cls/predictions/output_bias" in variables:
        found["masked tokens"] = _masked_tokens(variables, config, hidden)
    for prefix, inputs, name in (
        ("cls/seq_relationship/", pooled, "order"),
        ("", pooled, "classes"),
        ("", hidden.reshape(-1, hidden.shape[-1]), "classes of tokens"),
        ("cls/squad/", hidden.reshape(-1, hidden.shape[-1]), "answers"),
    ):
        if f"{prefix}output_weights" in variables:
            found[name] = inputs @ variables[f"{prefix}output_weights"].T + variables[f"{prefix}output_bias"]
    return found
