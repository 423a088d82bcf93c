from __future__ import annotations

import numpy as np
import pytest

from src.weights.tf_names import Layout, to_canonical
from src.weights.tf_names_to_weights import read_tensorflow, tensors_for_tensorflow
from tests.weights.names_samples import Arrays, network, weights_of

END = "/.ATTRIBUTES/VARIABLE_VALUE"
# As the model garden's own AlbertEncoder and BertClassifier (TensorFlow 2.21, tf_keras) wrote them.
OUTER = {
    "layer_with_weights-0/embeddings": "word_embeddings/embeddings",
    "layer_with_weights-1/embeddings": "position_embedding/embeddings",
    "layer_with_weights-2/embeddings": "type_embeddings/embeddings",
    "layer_with_weights-3/beta": "embeddings/layer_norm/beta",
    "layer_with_weights-3/gamma": "embeddings/layer_norm/gamma",
}
PROJECTION = {
    "layer_with_weights-4/bias": "embedding_projection/bias",
    "layer_with_weights-4/kernel": "embedding_projection/kernel",
}
SHARED = {
    "_attention_layer/_key_dense": ("transformer/self_attention/key", "dense"),
    "_attention_layer/_output_dense": ("transformer/self_attention/attention_output", "dense"),
    "_attention_layer/_query_dense": ("transformer/self_attention/query", "dense"),
    "_attention_layer/_value_dense": ("transformer/self_attention/value", "dense"),
    "_attention_layer_norm": ("transformer/self_attention_layer_norm", "norm"),
    "_intermediate_dense": ("transformer/intermediate", "dense"),
    "_output_dense": ("transformer/output", "dense"),
    "_output_layer_norm": ("transformer/output_layer_norm", "norm"),
}


def as_objects(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the variables under the names that they have in a tree of objects."""
    has_projection = "embedding_projection/kernel" in tensors
    place = 5 if has_projection else 4
    names = OUTER | (PROJECTION if has_projection else {})
    for path, (variable, sort) in SHARED.items():
        for kind in ("kernel", "bias") if sort == "dense" else ("gamma", "beta"):
            names[f"layer_with_weights-{place}/{path}/{kind}"] = f"{variable}/{kind}"
    names |= {f"layer_with_weights-{place + 1}/{kind}": f"pooler_transform/{kind}" for kind in ("kernel", "bias")}
    assert sorted(names.values()) == sorted(tensors)
    return {f"{prefix}{name}{END}": tensors[variable] for name, variable in names.items()}


@pytest.mark.parametrize("objects", [None, "model/", "encoder/"])
@pytest.mark.parametrize("embedding_size", [4, 6])
def test_both_forms_of_the_encoder_give_the_weights_back(embedding_size: int, objects: str | None) -> None:
    weights = weights_of(network(embedding_size=embedding_size))
    if embedding_size == 6:
        weights["albert_encoder.embedding_hidden_mapping_in.weight"] = np.eye(6, dtype=np.float32)
        weights["albert_encoder.embedding_hidden_mapping_in.bias"] = np.zeros(6, np.float32)
    tensors = tensors_for_tensorflow(weights, Layout.TF2_MODEL_GARDEN, 2)
    assert tensors["transformer/self_attention/query/kernel"].shape == (6, 2, 3)
    assert tensors["transformer/self_attention/query/bias"].shape == (2, 3)
    assert tensors["transformer/self_attention/attention_output/kernel"].shape == (2, 3, 6)
    if objects is not None:
        tensors = as_objects(tensors, objects) | {f"save_counter{END}": np.zeros(())}
    read = read_tensorflow(Arrays(tensors))
    assert read.names.layout is (Layout.TF2_MODEL_GARDEN if objects is None else Layout.TF2_MODEL_GARDEN_OBJECTS)
    assert read.names.state == (() if objects is None else (f"save_counter{END}",))
    assert set(read.weights) == set(weights)
    assert all(np.array_equal(read.weights[name], weights[name]) for name in weights)
    assert read.network_keys == {}


def test_names_of_older_versions_and_an_unknown_head() -> None:
    prefix = "encoder/layer_with_weights-"
    names = {
        f"{prefix}5/_attention_layer/_key_dense/_kernel{END}": "attention.attention.key_layer.weight",
        f"{prefix}5/_attention_output_dense/_bias{END}": "attention.output.dense.bias",
        f"{prefix}5/_output_layer_norm/gamma{END}": "output.layernorm.gamma",
    }
    head = f"{prefix}7/kernel{END}"
    found = to_canonical([*names, f"{prefix}6/kernel{END}", head])
    assert {name: found.found[name].canonical for name in names} == {
        name: f"albert_encoder.group.0.inner_group.0.{part}" for name, part in names.items()
    }
    assert found.found[f"{prefix}6/kernel{END}"].canonical == "dense.weight"
    assert found.unexpected == (head,)


@pytest.mark.parametrize("part", ["", "out_proj/"])
def test_an_encoder_inside_a_classifier(part: str) -> None:
    weights = weights_of(network(), "dense_1")
    encoder = {name: values for name, values in weights.items() if not name.startswith("dense_1.")}
    arrays = as_objects(tensors_for_tensorflow(encoder, Layout.TF2_MODEL_GARDEN, 2), "model/layer_with_weights-0/")
    head = f"model/layer_with_weights-1/{part}"
    arrays |= {f"{head}kernel{END}": weights["dense_1.weight"].T, f"{head}bias{END}": weights["dense_1.bias"]}
    span = f"model/layer_with_weights-1/layer_with_weights-0/kernel{END}"
    read = read_tensorflow(Arrays({**arrays, span: np.zeros((6, 2), np.float32)}))
    assert set(read.weights) == set(weights)
    assert all(np.array_equal(read.weights[name], weights[name]) for name in weights)
    assert read.names.unexpected == (span,)
