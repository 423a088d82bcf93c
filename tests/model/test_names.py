from __future__ import annotations

import math

import pytest

from src.config.sections import NetworkConfig
from src.model.names import (
    backbone_shapes,
    canonical_name,
    canonical_of_huggingface,
    head_shapes,
    huggingface_name,
    is_training_state,
    layer_of,
    sizes_of,
)

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


@pytest.mark.parametrize("groups", [1, 2])
def test_huggingface_names_in_both_directions(groups: int) -> None:
    config = NetworkConfig(num_hidden_groups=groups, inner_group_num=2)
    names = [*backbone_shapes(config), *head_shapes(config)]
    assert {canonical_of_huggingface(huggingface_name(name)) for name in names} == set(names)
    assert all(canonical_of_huggingface(huggingface_name(name)) == name for name in names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pooler.weight", "dense.weight"),
        ("embeddings.LayerNorm.bias", "albert_embedding_postprocessor.layernorm.beta"),
        (
            "encoder.albert_layer_groups.0.albert_layers.0.ffn.bias",
            "albert_encoder.group.0.inner_group.0.intermediate.bias",
        ),
        ("classifier.weight", "dense_1.weight"),
        ("albert.embeddings.position_ids", None),
        ("predictions.decoder.weight", None),
        ("albert.encoder.albert_layer_groups.0.albert_layers.0.strange.bias", None),
        ("bert.pooler.weight", None),
    ],
)
def test_names_of_a_bare_network_and_foreign_ones(name: str, expected: str | None) -> None:
    assert canonical_of_huggingface(name) == expected


def test_sizes_come_back_from_the_shapes() -> None:
    sizes = {
        "vocab_size": 21,
        "embedding_size": 4,
        "hidden_size": 6,
        "intermediate_size": 10,
        "max_position_embeddings": 600,
        "type_vocab_size": 3,
        "num_hidden_groups": 2,
        "inner_group_num": 3,
    }
    shapes = backbone_shapes(NetworkConfig(num_attention_heads=2, **sizes))
    assert sizes_of(shapes) == sizes
    assert sizes_of({"dense.weight": (6, 6)}) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("moments.dense.weight", True),
        ("global_step", True),
        ("dense.weight/adam_v", True),
        ("dense.weight", False),
        ("albert.cls1.output_bias", False),
    ],
)
def test_training_state_is_told_from_weights(name: str, expected: bool) -> None:
    assert is_training_state(name) is expected
