from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes
from src.weights.zoo_names import read_zoo

CONFIG = NetworkConfig(
    vocab_size=20, embedding_size=4, hidden_size=6, num_attention_heads=2, intermediate_size=10, num_hidden_layers=2
)


def zoo_entries() -> dict[str, np.ndarray]:
    random = np.random.RandomState(2)
    entries = {
        f"albert.albert.{name}": random.standard_normal(shape).astype(np.float32)
        for name, shape in backbone_shapes(CONFIG).items()
    }
    entries["albert.cls2.dense.weight"] = random.standard_normal((6, 2)).astype(np.float32)
    entries["albert.cls2.dense.bias"] = np.zeros(2, np.float32)
    return entries


def test_the_transposed_weight_of_sentence_order_is_turned() -> None:
    entries = zoo_entries()
    read = read_zoo({**entries, "global_step": np.zeros(1), "moments.dense.weight": np.ones(1)}, "old.ckpt")
    assert np.array_equal(read.weights["cls2.dense.weight"], entries["albert.cls2.dense.weight"].T)
    assert "(6, 2)" in read.notices[0]
    assert read.state == ("global_step", "moments.dense.weight")
    assert {name: values.shape for name, values in read.weights.items() if name[:4] != "cls2"} == backbone_shapes(
        CONFIG
    )


def test_a_right_weight_of_sentence_order_is_kept() -> None:
    entries = zoo_entries()
    entries["albert.cls2.dense.weight"] = entries["albert.cls2.dense.weight"].T
    read = read_zoo(entries, "old.ckpt")
    assert np.array_equal(read.weights["cls2.dense.weight"], entries["albert.cls2.dense.weight"])
    assert read.notices == ()


@pytest.mark.parametrize(("outputs", "kept"), [(6, False), (4, True)])
def test_an_mlm_head_of_the_hidden_size_is_left_out_with_the_reason(outputs: int, kept: bool) -> None:
    entries = zoo_entries()
    entries["albert.cls2.dense.weight"] = entries["albert.cls2.dense.weight"].T
    entries["albert.cls1.dense.weight"] = np.ones((outputs, 6), np.float32)
    entries["albert.cls1.output_bias"] = np.ones(20, np.float32)
    read = read_zoo(entries, "old.ckpt")
    assert ("cls1.dense.weight" in read.weights) is kept
    assert ("cls1.output_bias" in read.weights) is kept
    assert any("the token table has rows of 4" in notice for notice in read.notices) is not kept


def test_repeated_and_infinite_entries_are_refused() -> None:
    entries = zoo_entries()
    twice = {**entries, "dense.bias": np.zeros(6, np.float32)}
    with pytest.raises(CheckpointError, match=r"albert\.albert\.dense\.bias and dense\.bias are the same"):
        read_zoo(twice, "old.ckpt")
    entries["albert.albert.dense.bias"][0] = np.inf
    with pytest.raises(CheckpointError, match="not finite"):
        read_zoo(entries, "old.ckpt")
