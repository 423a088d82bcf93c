from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes, head_shapes
from src.weights.coverage import HEADS, coverage

CONFIG = NetworkConfig(
    vocab_size=20, embedding_size=4, hidden_size=6, num_attention_heads=2, intermediate_size=10, num_hidden_layers=2
)


def backbone() -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, np.float32) for name, shape in backbone_shapes(CONFIG).items()}


def test_a_whole_backbone_with_a_new_head() -> None:
    weights = backbone() | {"cls2.dense.weight": np.zeros((2, 6)), "cls2.dense.bias": np.zeros(2)}
    report = coverage(weights, CONFIG, "a.ckpt", heads=("dense_1",), unexpected=("strange",), state=7)
    report.require_backbone()
    assert len(report.loaded_backbone) == 25
    assert report.loaded_heads == ("cls2.dense.weight", "cls2.dense.bias")
    assert report.missing == report.missing_heads == ("dense_1.weight", "dense_1.bias")
    assert report.text().splitlines() == [
        "backbone: 25 of 25 parameters from a.ckpt",
        "head cls2 (sentence order): loaded cls2.dense.weight, cls2.dense.bias",
        "head dense_1 (classes): new dense_1.weight, dense_1.bias",
        "not used, 1: strange",
        "passed over: 7 entries of an optimizer's state",
    ]


def test_a_part_of_the_backbone_is_an_error_that_names_the_rest() -> None:
    weights = backbone()
    del weights["dense.weight"], weights["dense.bias"]
    report = coverage(weights, CONFIG, "a.ckpt")
    assert "missing in the backbone: dense.weight, dense.bias" in report.text()
    with pytest.raises(CheckpointError, match=r"a\.ckpt: covers 23 of 25 .* missing: dense\.weight, dense\.bias"):
        report.require_backbone()


def test_another_size_is_an_error_that_names_the_key() -> None:
    weights = backbone()
    weights["albert_embedding_lookup.embedding_table"] = np.zeros((21, 4))
    report = coverage(weights, CONFIG, "a.ckpt")
    assert [wrong.name for wrong in report.wrong_shape] == ["albert_embedding_lookup.embedding_table"]
    assert "albert_embedding_lookup.embedding_table" not in report.loaded + report.missing
    with pytest.raises(CheckpointError, match="vocab_size is 21 in the checkpoint and 20 in the network"):
        report.require_backbone()


def test_more_layers_than_the_network_has_are_an_error() -> None:
    weights = backbone()
    weights["albert_encoder.group.1.inner_group.0.intermediate.bias"] = np.zeros(10)
    with pytest.raises(CheckpointError, match=r"num_hidden_groups.*group\.1\.inner_group\.0\.intermediate\.bias"):
        coverage(weights, CONFIG, "a.ckpt").require_backbone()


def test_a_head_of_another_shape_is_reported_and_no_error() -> None:
    weights = backbone() | {"cls1.dense.weight": np.zeros((6, 6)), "dense_1.weight": np.zeros((3, 6))}
    report = coverage(weights, CONFIG, "a.ckpt")
    report.require_backbone()
    assert "other shape: cls1.dense.weight is [6, 6], the network needs [4, 6]" in report.text()
    assert report.loaded_heads == ("dense_1.weight",)
    assert "dense_1.bias" in report.missing_heads


def test_a_free_size_is_written_as_any() -> None:
    report = coverage(backbone() | {"dense_1.weight": np.zeros((3, 5))}, CONFIG, "a.ckpt")
    assert "the network needs [any, 6]" in report.text()


def test_every_head_has_a_line() -> None:
    assert {name.split(".")[0] for name in head_shapes(CONFIG)} == set(HEADS)
