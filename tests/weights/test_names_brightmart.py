from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes, head_shapes, sizes_of
from src.weights.config_files import read_config_file
from src.weights.tf_names import FOLDED_TABLE, Layout
from src.weights.tf_names_to_weights import read_tensorflow, tensors_for_tensorflow
from tests.weights.names_samples import Arrays, network, random_arrays


@pytest.mark.shared
def test_every_variable_of_brightmarts_real_checkpoint_is_accounted_for(shared_data: Path) -> None:
    directory = shared_data / "tf_checkpoint_index" / "albert_tiny_zh_brightmart"
    entries = json.loads((directory / "variables.json").read_text())
    source = Arrays({entry["name"]: np.full(entry["shape"], 0.5, np.float32) for entry in entries})
    config = read_config_file(directory / "albert_config_tiny.json")
    read = read_tensorflow(source)
    assert read.names.layout is Layout.BRIGHTMART
    assert read.names.unexpected == ()
    assert set(read.names.found) | {FOLDED_TABLE} == set(source.arrays)
    shapes = {name: values.shape for name, values in read.weights.items()}
    full = NetworkConfig(**{**config.keys, **read.network_keys})
    assert sizes_of(shapes).items() <= full.model_dump().items()
    assert (full.embedding_size, full.hidden_size, full.num_hidden_layers) == (312, 312, 4)
    assert {name: shape for name, shape in shapes.items() if name in backbone_shapes(full)} == backbone_shapes(full)
    heads = head_shapes(full)
    assert all(shape == heads[name] for name, shape in shapes.items() if name.startswith(("cls1.", "cls2.")))


def brightmart_arrays() -> dict[str, np.ndarray]:
    shared = "bert/encoder/layer_shared"
    shapes: dict[str, tuple[int, ...]] = {
        "bert/embeddings/word_embeddings": (20, 4),
        FOLDED_TABLE: (4, 6),
        "bert/embeddings/position_embeddings": (8, 6),
        "bert/embeddings/token_type_embeddings": (2, 6),
        "bert/pooler/dense/kernel": (6, 6),
        "bert/pooler/dense/bias": (6,),
        f"{shared}/intermediate/dense/kernel": (6, 10),
        f"{shared}/intermediate/dense/bias": (10,),
        f"{shared}/output/dense/kernel": (10, 6),
        f"{shared}/output/dense/bias": (6,),
    }
    for norm in ("bert/embeddings", f"{shared}/attention/output", f"{shared}/output"):
        shapes |= {f"{norm}/LayerNorm/gamma": (6,), f"{norm}/LayerNorm/beta": (6,)}
    for part in ("self/query", "self/key", "self/value", "output/dense"):
        shapes |= {f"{shared}/attention/{part}/kernel": (6, 6), f"{shared}/attention/{part}/bias": (6,)}
    return random_arrays(shapes)


def test_brightmarts_two_tables_become_one_that_computes_the_same() -> None:
    arrays = brightmart_arrays()
    read = read_tensorflow(Arrays(arrays))
    weights = read.weights
    shapes = {name: values.shape for name, values in weights.items()}
    assert shapes == backbone_shapes(network(embedding_size=6))
    ids = np.array([3, 0, 19])
    theirs = arrays["bert/embeddings/word_embeddings"][ids] @ arrays[FOLDED_TABLE]
    ours = weights["albert_embedding_lookup.embedding_table"][ids]
    assert np.allclose(ours, theirs, atol=1e-6)
    assert np.array_equal(weights["albert_encoder.embedding_hidden_mapping_in.weight"], np.eye(6))
    assert not weights["albert_encoder.embedding_hidden_mapping_in.bias"].any()
    assert "projection" in read.notices[0]
    # Google's layout has no projection at equal sizes, so it holds the same network.
    back = read_tensorflow(Arrays(tensors_for_tensorflow(weights, Layout.GOOGLE_TF1, 2))).weights
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_brightmarts_second_table_must_be_there_and_fit() -> None:
    arrays = brightmart_arrays()
    arrays[FOLDED_TABLE] = arrays[FOLDED_TABLE][:3]
    with pytest.raises(CheckpointError, match="two token tables do not fit"):
        read_tensorflow(Arrays(arrays))
    del arrays[FOLDED_TABLE]
    with pytest.raises(CheckpointError, match="one of the two token tables is missing"):
        read_tensorflow(Arrays(arrays))
