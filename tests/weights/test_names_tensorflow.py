from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.model.names import backbone_shapes, head_shapes
from src.weights.config_files import read_config_file
from src.weights.tf_names import Layout, from_canonical, to_canonical
from src.weights.tf_names_to_weights import read_tensorflow, tensors_for_tensorflow
from tests.weights.names_samples import Arrays, network, weights_of

LAYER = "bert/encoder/transformer/group_1/inner_group_2"
OURS = "albert_encoder.group.1.inner_group.2"


@pytest.mark.parametrize(
    ("source", "canonical", "transpose"),
    [
        ("bert/embeddings/word_embeddings", "albert_embedding_lookup.embedding_table", False),
        ("bert/encoder/embedding_hidden_mapping_in/kernel", "albert_encoder.embedding_hidden_mapping_in.weight", True),
        (f"{LAYER}/attention_1/self/query/kernel", f"{OURS}.attention.attention.query_layer.weight", True),
        (f"{LAYER}/attention_1/output/dense/bias", f"{OURS}.attention.output.dense.bias", False),
        (f"{LAYER}/LayerNorm/gamma", f"{OURS}.attention.output.layernorm.gamma", False),
        (f"{LAYER}/LayerNorm_1/beta", f"{OURS}.output.layernorm.beta", False),
        (f"{LAYER}/ffn_1/intermediate/dense/kernel", f"{OURS}.intermediate.weight", True),
        (f"{LAYER}/ffn_1/intermediate/output/dense/kernel", f"{OURS}.output.dense.weight", True),
        ("cls/seq_relationship/output_weights", "cls2.dense.weight", False),
        ("cls/predictions/transform/dense/kernel", "cls1.dense.weight", True),
        ("cls/squad/output_weights", "dense1.weight", False),
        ("output_weights", "dense_1.weight", False),
        ("end_logits/dense_0/kernel", "end_logits.dense_0.weight", True),
        ("answer_class/dense_1/kernel", "answer_class.dense_1.weight", True),
    ],
)
def test_google_names_in_both_directions(source: str, canonical: str, transpose: bool) -> None:
    anchor = "bert/encoder/transformer/group_0/inner_group_0/LayerNorm/gamma"
    found = to_canonical([source, anchor]).found[source]
    assert (found.canonical, found.transpose) == (canonical, transpose)
    assert from_canonical([canonical], Layout.GOOGLE_TF1) == {canonical: (source, transpose)}


@pytest.mark.parametrize("folder", ["albert_small_zh_google", "albert_tiny_zh_google"])
@pytest.mark.shared
def test_every_variable_of_googles_real_checkpoints_is_accounted_for(shared_data: Path, folder: str) -> None:
    directory = shared_data / "tf_checkpoint_index" / folder
    variables = {
        entry["name"]: tuple(entry["shape"]) for entry in json.loads((directory / "variables.json").read_text())
    }
    (config_path,) = directory.glob("*config*.json")
    config = read_config_file(config_path).network(str(config_path))
    names = to_canonical(variables)
    assert names.layout is Layout.GOOGLE_TF1
    assert names.unexpected == ()
    assert len(names.found) + len(names.state) == len(variables)
    assert names.state.count("global_step") == 1
    shapes = {
        rule.canonical: variables[name][::-1] if rule.transpose else variables[name]
        for name, rule in names.found.items()
    }
    backbone, heads = backbone_shapes(config), head_shapes(config)
    assert {name: shape for name, shape in shapes.items() if name in backbone} == backbone
    rest = {name: shape for name, shape in shapes.items() if name not in backbone}
    assert rest == {name: shape for name, shape in heads.items() if name.startswith(("cls1.", "cls2."))}


def test_a_hub_module_and_optimizer_slots_are_understood() -> None:
    names = ["module/bert/pooler/dense/kernel", "module/bert/encoder/transformer/group_0/inner_group_0/LayerNorm/beta"]
    slots = [f"{names[0]}/adam_m", f"{names[0]}/adam_v", f"{names[0]}/Adam_1", "global_step", "beta1_power"]
    found = to_canonical([*names, *slots, "module/strange"])
    assert found.found[names[0]].canonical == "dense.weight"
    assert found.state == tuple(slots)
    assert found.unexpected == ("module/strange",)


HEADS = ("cls1", "cls2", "dense_1", "dense1", "start_logits", "end_logits", "answer_class")


def test_google_layout_round_trip_is_bit_equal_with_several_groups() -> None:
    config = network(num_hidden_groups=2, inner_group_num=3)
    weights = weights_of(config, *HEADS)
    tensors = tensors_for_tensorflow(weights, Layout.GOOGLE_TF1, 2)
    kernel = "albert_encoder.group.1.inner_group.2.intermediate.weight"
    assert np.array_equal(tensors[f"{LAYER}/ffn_1/intermediate/dense/kernel"], weights[kernel].T)
    back = read_tensorflow(Arrays(tensors)).weights
    assert set(back) == set(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_own_layer_norms_make_every_layer_a_group() -> None:
    config = network(num_hidden_layers=3, num_hidden_groups=3)
    weights = weights_of(config, "cls1", "cls2")
    tensors = tensors_for_tensorflow(weights, Layout.GOOGLE_TF1, 2)
    arrays = {}
    for name, values in tensors.items():
        parts = name.split("/")
        if "group_" not in name:
            arrays[
                name.replace("/LayerNorm/", "/layer_normalization_7/" if "cls" in name else "/layer_normalization/")
            ] = values
            continue
        layer = int(parts[3].removeprefix("group_"))
        if parts[5].startswith("LayerNorm"):
            number = 1 + 2 * layer + (parts[5] == "LayerNorm_1")
            place = f"group_0_{layer}" if layer else "group_0"
            arrays[
                f"bert/encoder/transformer/{place}/layer_{layer}/inner_group_0/layer_normalization_{number}/{parts[6]}"
            ] = values
        elif layer == 0:
            arrays[name] = values
    read = read_tensorflow(Arrays(arrays))
    assert read.names.layout is Layout.GOOGLE_OWN_LAYER_NORMS
    assert read.names.unexpected == ()
    assert len(read.notices) == 1
    assert read.network_keys == {"num_hidden_groups": 3}
    assert set(read.weights) == set(weights)
    for name, values in read.weights.items():
        original = weights[name]
        if "layernorm" not in name and ".group." in name:
            original = weights[name.replace(".group.1.", ".group.0.").replace(".group.2.", ".group.0.")]
        assert np.array_equal(values, original), name
    with pytest.raises(CheckpointError, match="nothing is written in Google's code under TensorFlow 2"):
        from_canonical(weights, Layout.GOOGLE_OWN_LAYER_NORMS)


def test_a_used_projection_between_equal_sizes_is_not_written() -> None:
    with pytest.raises(CheckpointError, match="no projection where embedding_size equals hidden_size"):
        tensors_for_tensorflow(weights_of(network(embedding_size=6)), Layout.GOOGLE_TF1, 2)


@pytest.mark.parametrize("layout", [Layout.GOOGLE_TF1, Layout.TF2_MODEL_GARDEN])
def test_what_a_layout_has_no_name_for_is_refused(layout: Layout) -> None:
    weights = weights_of(network(use_relative_positions=True))
    with pytest.raises(CheckpointError, match=r"has no name for .*relative_positions"):
        from_canonical(weights, layout)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["conv/kernel", "fc/bias"], "not the variables of an ALBERT: conv/kernel, fc/bias"),
        (["bert/encoder/layer_0/output/dense/kernel"], "BERT"),
        (["global_step"], "an optimizer's"),
        ([], "not the variables"),
        ([f"{LAYER}/LayerNorm/beta", f"module/{LAYER}/LayerNorm/beta"], "are the same parameter"),
    ],
)
def test_foreign_and_repeated_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        to_canonical(names, "model.ckpt")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    tensors = tensors_for_tensorflow(weights_of(network()), Layout.GOOGLE_TF1, 2)
    tensors["bert/pooler/dense/bias"][1] = bad
    with pytest.raises(CheckpointError, match="bert/pooler/dense/bias holds values that are not finite"):
        read_tensorflow(Arrays(tensors))


def test_a_kernel_that_is_no_matrix_is_refused() -> None:
    tensors = tensors_for_tensorflow(weights_of(network()), Layout.GOOGLE_TF1, 2)
    tensors["bert/pooler/dense/kernel"] = tensors["bert/pooler/dense/kernel"].reshape(-1)
    with pytest.raises(CheckpointError, match=r"a matrix was expected for dense\.weight"):
        read_tensorflow(Arrays(tensors))
