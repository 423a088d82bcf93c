from __future__ import annotations

import math

import pytest

from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes, canonical_name, huggingface_name, layer_of

SIZES = {
    "base": ({}, 11_683_584),
    "large": (
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
        17_683_968,
    ),
    "xlarge": (
        {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 8192},
        58_724_864,
    ),
    "xxlarge": (
        {"hidden_size": 4096, "num_hidden_layers": 12, "num_attention_heads": 64, "intermediate_size": 16384},
        222_595_584,
    ),
}


@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts_are_those_of_the_published_models(size: str) -> None:
    changes, expected = SIZES[size]
    shapes = backbone_shapes(NetworkConfig(**changes))
    assert len(shapes) == 25
    assert sum(math.prod(shape) for shape in shapes.values()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("albert.albert.dense.weight", "dense.weight"),
        ("albert.dense_1.bias", "dense_1.bias"),
        ("dense_1.bias", "dense_1.bias"),
        ("network.albert.albert.dense.bias", "dense.bias"),
        ("albert.albert.albert_embedding_lookup.embedding_table", "albert_embedding_lookup.embedding_table"),
        ("albert_encoder.embedding_hidden_mapping_in.weight", "albert_encoder.embedding_hidden_mapping_in.weight"),
    ],
)
def test_canonical_name_takes_off_wrappers_only(name: str, expected: str) -> None:
    assert canonical_name(name) == expected


def test_huggingface_names() -> None:
    layer = "albert_encoder.group.1.inner_group.2"
    place = "albert.encoder.albert_layer_groups.1.albert_layers.2"
    assert huggingface_name(f"{layer}.attention.attention.key_layer.bias") == f"{place}.attention.key.bias"
    assert huggingface_name(f"{layer}.output.layernorm.gamma") == f"{place}.full_layer_layer_norm.weight"
    assert huggingface_name(f"{layer}.attention.output.layernorm.beta") == f"{place}.attention.LayerNorm.bias"
    assert huggingface_name("dense.weight") == "albert.pooler.weight"
    assert huggingface_name("dense_1.weight") == "classifier.weight"
    assert huggingface_name("dense1.weight") == "qa_outputs.weight"
    assert huggingface_name("end_logits.LayerNorm.gamma") == "end_logits.LayerNorm.weight"
    position = "albert_embedding_postprocessor.full_position_embeddings"
    assert huggingface_name(position) == "albert.embeddings.position_embeddings.weight"


def test_huggingface_name_refuses_what_has_no_counterpart() -> None:
    shapes = backbone_shapes(NetworkConfig(use_relative_positions=True))
    (relative,) = [name for name in shapes if "relative_positions" in name]
    assert shapes[relative] == (33, 64)
    with pytest.raises(KeyError):
        huggingface_name(relative)


def test_layer_of() -> None:
    assert layer_of("albert_encoder.group.3.inner_group.1.intermediate.bias") == (3, 1)
    assert layer_of("dense.bias") is None
