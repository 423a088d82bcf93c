from __future__ import annotations

import pytest

from src.train.layer_names import part_name

LAYER = "albert.albert.albert_encoder.group.0.inner_group.0"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("albert.albert.albert_embedding_lookup.gather", "token embeddings"),
        ("albert.albert.albert_embedding_postprocessor.gather", "segment and position embeddings"),
        ("albert.albert.albert_embedding_postprocessor.layernorm.layer_norm", "LayerNorm of the embeddings"),
        ("albert.albert.albert_encoder.embedding_hidden_mapping_in.matmul", "mapping of the embeddings"),
        (f"{LAYER}.attention.attention.query_layer.matmul", "layer 3 attention query"),
        (f"{LAYER}.attention.attention.matmul_transposed", "layer 3 attention scores"),
        (f"{LAYER}.attention.attention.softmax", "layer 3 attention softmax"),
        (f"{LAYER}.attention.attention.matmul", "layer 3 attention context"),
        (f"{LAYER}.attention.output.dense.matmul", "layer 3 attention output"),
        (f"{LAYER}.attention.output.layernorm.layer_norm", "layer 3 attention LayerNorm"),
        (f"{LAYER}.intermediate.matmul", "layer 3 feed-forward input"),
        (f"{LAYER}.activation.sigmoid", "layer 3 feed-forward activation"),
        (f"{LAYER}.output.dense.matmul", "layer 3 feed-forward output"),
        (f"{LAYER}.output.layernorm.layer_norm", "layer 3 feed-forward LayerNorm"),
        ("albert.albert.dense.matmul", "pooler"),
        ("albert.albert.tanh.sigmoid", "pooler"),
        ("albert.dense_1.matmul", "head dense_1.matmul"),
        ("albert.cls1.matmul", "head cls1.matmul"),
        ("log_softmax", "loss"),
        ("", "loss"),
    ],
)
def test_parts_in_words(path: str, name: str) -> None:
    assert part_name(path, 3) == name


def test_inner_layers_are_named_where_there_are_several() -> None:
    path = LAYER.replace("inner_group.0", "inner_group.1") + ".intermediate.matmul"
    assert part_name(path, 2, inner_layers=2) == "layer 2 (inner 2 of 2) feed-forward input"
