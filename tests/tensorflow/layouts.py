"""Names, shapes and random values of the variables of ALBERT in TensorFlow's checkpoints.

Written down from the published lists of variables and not from this project's tables, so that both are checked. Needs
nothing but numpy: the program that runs under TensorFlow imports it as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Shapes = dict[str, tuple[int, ...]]
BASE = {
    "attention_probs_dropout_prob": 0.1,
    "embedding_size": 128,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "inner_group_num": 1,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_groups": 1,
    "num_hidden_layers": 12,
    "type_vocab_size": 2,
    "vocab_size": 30000,
}
TINY = {
    **BASE,
    "embedding_size": 8,
    "hidden_size": 24,
    "intermediate_size": 40,
    "max_position_embeddings": 16,
    "num_attention_heads": 3,
    "num_hidden_layers": 4,
    "vocab_size": 50,
}
TRANSFORMER = "bert/encoder/transformer"
SHARED = "bert/encoder/layer_shared"


def _dense(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}


def _norm(name: str, size: int) -> Shapes:
    return {f"{name}/gamma": (size,), f"{name}/beta": (size,)}


def _attention(name: str, size: int) -> Shapes:
    parts = ("self/query", "self/key", "self/value", "output/dense")
    return {key: shape for part in parts for key, shape in _dense(f"{name}/{part}", size, size).items()}


def _embeddings(config: Mapping[str, Any], inner: int) -> Shapes:
    return {
        "bert/embeddings/word_embeddings": (config["vocab_size"], config["embedding_size"]),
        "bert/embeddings/token_type_embeddings": (config["type_vocab_size"], inner),
        "bert/embeddings/position_embeddings": (config["max_position_embeddings"], inner),
    }


def _pretraining_heads(config: Mapping[str, Any], inner: int, norm: str) -> Shapes:
    size = config["hidden_size"]
    return {
        **_dense("cls/predictions/transform/dense", size, inner),
        **_norm(f"cls/predictions/transform/{norm}", inner),
        "cls/predictions/output_bias": (config["vocab_size"],),
        "cls/seq_relationship/output_weights": (2, size),
        "cls/seq_relationship/output_bias": (2,),
    }


def _matrices(config: Mapping[str, Any], group: int, inner: int) -> Shapes:
    size, feed_forward = config["hidden_size"], config["intermediate_size"]
    layer = f"{TRANSFORMER}/group_{group}/inner_group_{inner}"
    return {
        **_attention(f"{layer}/attention_1", size),
        **_dense(f"{layer}/ffn_1/intermediate/dense", size, feed_forward),
        **_dense(f"{layer}/ffn_1/intermediate/output/dense", feed_forward, size),
    }


def google(config: Mapping[str, Any], heads: str = "pretraining") -> Shapes:
    """Return the variables of google-research/albert with the heads pretraining, classes, answers or none."""
    size, embedding = config["hidden_size"], config["embedding_size"]
    shapes = {
        **_embeddings(config, embedding),
        **_norm("bert/embeddings/LayerNorm", embedding),
        **_dense("bert/encoder/embedding_hidden_mapping_in", embedding, size),
        **_dense("bert/pooler/dense", size, size),
    }
    for group in range(config["num_hidden_groups"]):
        for inner in range(config["inner_group_num"]):
            layer = f"{TRANSFORMER}/group_{group}/inner_group_{inner}"
            shapes |= _matrices(config, group, inner)
            shapes |= _norm(f"{layer}/LayerNorm", size) | _norm(f"{layer}/LayerNorm_1", size)
    if heads == "pretraining":
        shapes |= _pretraining_heads(config, embedding, "LayerNorm")
    elif heads == "classes":
        shapes |= {"output_weights": (3, size), "output_bias": (3,)}
    elif heads == "answers":
        shapes |= {"cls/squad/output_weights": (2, size), "cls/squad/output_bias": (2,)}
    return shapes


def hub(config: Mapping[str, Any]) -> Shapes:
    """Return the variables of a TF-Hub module: those of Google's encoder behind ``module/``."""
    return {f"module/{name}": shape for name, shape in google(config, "none").items()}


def own_norm(layer: int, second: bool) -> str:
    """Return the name of a layer's own normalisation in Google's code under TensorFlow 2."""
    group = f"group_0_{layer}" if layer else "group_0"
    return f"{TRANSFORMER}/{group}/layer_{layer}/inner_group_0/layer_normalization_{1 + 2 * layer + second}"


def own_norms(config: Mapping[str, Any]) -> Shapes:
    """Return the variables of Google's code under TensorFlow 2, where each layer has its own normalisations."""
    size, embedding = config["hidden_size"], config["embedding_size"]
    shapes = {
        **_embeddings(config, embedding),
        **_norm("bert/embeddings/layer_normalization", embedding),
        **_dense("bert/encoder/embedding_hidden_mapping_in", embedding, size),
        **_matrices(config, 0, 0),
        **_dense("bert/pooler/dense", size, size),
        **_pretraining_heads(config, embedding, last_norm(config)),
    }
    for layer in range(config["num_hidden_layers"]):
        shapes |= _norm(own_norm(layer, False), size) | _norm(own_norm(layer, True), size)
    return shapes


def last_norm(config: Mapping[str, Any]) -> str:
    """Return the name of the normalisation in the head of masked tokens, which Keras numbers last."""
    return f"layer_normalization_{1 + 2 * config['num_hidden_layers']}"


def brightmart(config: Mapping[str, Any]) -> Shapes:
    """Return the variables of brightmart's first layout: two token tables, one shared layer, no projection."""
    size, feed_forward = config["hidden_size"], config["intermediate_size"]
    return {
        **_embeddings(config, size),
        "bert/embeddings/word_embeddings_2": (config["embedding_size"], size),
        **_norm("bert/embeddings/LayerNorm", size),
        **_attention(f"{SHARED}/attention", size),
        **_norm(f"{SHARED}/attention/output/LayerNorm", size),
        **_dense(f"{SHARED}/intermediate/dense", size, feed_forward),
        **_dense(f"{SHARED}/output/dense", feed_forward, size),
        **_norm(f"{SHARED}/output/LayerNorm", size),
        **_dense("bert/pooler/dense", size, size),
        **_pretraining_heads(config, size, "LayerNorm"),
    }


def random_values(shapes: Mapping[str, tuple[int, ...]], seed: int = 5) -> dict[str, np.ndarray]:
    """Return float32 values with which every variable changes the outputs."""
    random = np.random.RandomState(seed)
    values = {}
    for name, shape in sorted(shapes.items()):
        drawn = random.standard_normal(shape)
        scale = 0.1 if len(shape) == 1 else 0.04 if max(shape) > 100 else 0.2
        values[name] = ((1.0 if name.endswith("gamma") else 0.0) + scale * drawn).astype(np.float32)
    return values


def random_batch(config: Mapping[str, Any], rows: int = 2, length: int = 16) -> tuple[np.ndarray, ...]:
    """Return ids, mask and segments, int32 [rows, length]; rows after the first have padding."""
    random = np.random.RandomState(9)
    ids = random.randint(0, config["vocab_size"], (rows, length)).astype(np.int32)
    mask = (np.arange(length)[None] < length - 3 * np.arange(rows)[:, None]).astype(np.int32)
    return ids, mask, random.randint(0, 2, (rows, length)).astype(np.int32)
