from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from src.config.load import load_config
from src.model.heads import AlbertCLSModel, AlbertNERModel
from src.model.losses import AlbertCLS
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.model.squad import AlbertSquadModel
from src.model.weights import load_weights, read_checkpoint
from src.weights.input_format import InputFormat
from src.weights.read_input import read_input
from src.weights.tf_bundle import open_bundle
from tests.weights.convert_samples import (
    CONFIG,
    HEADS,
    config_file,
    convert,
    google,
    hugging,
    refused,
    same,
    saved,
    tree,
)
from tests.weights.names_samples import network, weights_of

OUTPUTS = ("out.ckpt", "out.safetensors", "hf", "model.ckpt-7")


def source_of(kind: str, folder: Path) -> Path:
    if kind == "tensorflow":
        return google(folder, *HEADS)
    if kind == "huggingface":
        return hugging(folder / "hf", *HEADS)
    folder.mkdir(parents=True)
    config_file(folder)
    path = saved(folder / "w.ckpt", weights_of(CONFIG, *HEADS))
    if kind == "ckpt":
        return path
    convert(path, folder / "w.safetensors")
    path.unlink()
    return folder / "w.safetensors"


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("kind", ["tensorflow", "huggingface", "ckpt", "safetensors"])
def test_every_road_keeps_every_bit(tmp_path: Path, kind: str, output: str) -> None:
    source = source_of(kind, tmp_path / "in")
    target = tmp_path / "new" / "out" / output
    text = convert(source, target, "--verify", "false")
    back = read_input(target)
    assert same(back.weights, weights_of(CONFIG, *HEADS))
    kept = set(type(CONFIG).model_fields) - {"seq_length", "classifier_dropout_prob", "hidden_act"}
    assert back.network.model_dump(include=kept) == CONFIG.model_dump(include=kept)
    assert "read back: 80 parameters are equal to the bit" in text
    assert "backbone: 73 of 73 parameters" in text
    assert "heads in the file: cls1, cls2; every other head begins anew" in text
    assert not [name for name in tree(tmp_path) if ".tmp" in name]
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    assert {path.stat().st_mode for path in (tmp_path / "new").rglob("*") if path.is_file()} == {usual}


@pytest.mark.parametrize("kind", ["tensorflow", "huggingface"])
def test_out_and_back_gives_the_same_tensors(tmp_path: Path, kind: str) -> None:
    source = source_of(kind, tmp_path / "in")
    convert(source, tmp_path / "w.ckpt")
    if kind == "tensorflow":
        convert(tmp_path / "w.ckpt", tmp_path / "out" / "model.ckpt-best")
        first, second = open_bundle(source), open_bundle(tmp_path / "out")
        names = set(first.shapes()) - {"global_step"}
        assert set(second.shapes()) == names
        assert all(first.read(name).tobytes() == second.read(name).tobytes() for name in names)
        return
    convert(tmp_path / "w.ckpt", tmp_path / "out")
    assert (source / "model.safetensors").read_bytes() == (tmp_path / "out" / "model.safetensors").read_bytes()
    assert (source / "config.json").read_bytes() == (tmp_path / "out" / "config.json").read_bytes()


def test_what_may_be_given_of_a_tensorflow_checkpoint(tmp_path: Path) -> None:
    prefix = google(tmp_path / "in")
    (tmp_path / "in" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-best"\n')
    for number, given in enumerate((prefix, f"{prefix}.index", prefix.parent, prefix.parent / "checkpoint")):
        convert(Path(given), tmp_path / f"{number}.ckpt")
        assert same(read_input(tmp_path / f"{number}.ckpt").weights, weights_of(CONFIG))


def test_a_hub_module_with_its_assets(tmp_path: Path) -> None:
    google(tmp_path / "hub" / "variables")
    (tmp_path / "hub" / "assets").mkdir()
    (tmp_path / "hub" / "variables" / "albert_config.json").rename(tmp_path / "hub" / "assets" / "albert_config.json")
    (tmp_path / "hub" / "assets" / "30k-clean.model").write_bytes(b"model")
    convert(tmp_path / "hub", tmp_path / "out" / "w.ckpt")
    assert tree(tmp_path / "out") == {"w.ckpt", "w.yaml", "w.task.json", "30k-clean.model"}


@pytest.mark.parametrize("output", ["w.ckpt", "w.safetensors"])
def test_our_networks_load_what_is_written(tmp_path: Path, output: str) -> None:
    heads = ("cls1", "cls2", "dense_1", "dense1")
    path = tmp_path / output
    config_file(tmp_path)
    convert(saved(tmp_path / "in.ckpt", weights_of(CONFIG, *heads)), path)
    networks = [
        AlbertPreTraining(AlbertPreTrainingModel(CONFIG)),
        AlbertCLS(AlbertCLSModel(CONFIG, 3), "classification"),
        AlbertCLS(AlbertNERModel(CONFIG, 3), "token_classification"),
        AlbertSquadModel(CONFIG),
    ]
    names = set(read_checkpoint(path))
    assert "albert.albert.dense.weight" in names
    assert "albert.cls2.dense.weight" in names
    for network_of_task in networks:
        report = load_weights(network_of_task, path, what="all")
        assert report.missing == ()
    # A training saves the same names.
    assert {parameter.name for parameter in networks[0].get_parameters()} <= names


def test_the_overlay_makes_the_checkpoint_usable(tmp_path: Path) -> None:
    text = convert(google(tmp_path / "in"), tmp_path / "w.ckpt")
    assert f"--overlay {tmp_path / 'w.yaml'} --load_pretrain_checkpoint_path {tmp_path / 'w.ckpt'}" in text
    assert "run_pretrain.py with the same --overlay, and --load_checkpoint_path" in text
    tuning = ["--load_pretrain_checkpoint_path", "w.ckpt", "--do_train", "true", "--train_data_file_path", "x"]
    expected = read_input(tmp_path / "w.ckpt").network.model_dump(exclude={"compute_type"})
    for task, words in (
        ("classifier", tuning),
        ("squad", [*tuning, "--spm_model_file", "x"]),
        ("pretrain", ["--load_checkpoint_path", "w.ckpt", "--data_dir", "x"]),
    ):
        loaded = load_config(task, ["--overlay", str(tmp_path / "w.yaml"), *words]).network()
        assert loaded.model_dump(exclude={"compute_type"}) == expected, task


def test_a_long_table_of_positions_leaves_the_length_to_the_task(tmp_path: Path) -> None:
    config = network(max_position_embeddings=512)
    convert(google(tmp_path / "in", config=config), tmp_path / "w.ckpt")
    assert "seq_length" not in yaml.safe_load((tmp_path / "w.yaml").read_text())["albert_net_cfg"]


def test_a_checkpoint_of_the_model_zoo_is_mended(tmp_path: Path) -> None:
    arrays = weights_of(CONFIG, "cls2")
    turned = {**arrays, "cls2.dense.weight": np.ascontiguousarray(arrays["cls2.dense.weight"].T)}
    config_file(tmp_path)
    text = convert(saved(tmp_path / "old.ckpt", turned), tmp_path / "new.ckpt")
    assert "transposed" in text
    assert same(read_input(tmp_path / "new.ckpt").weights, arrays)


def test_sixteen_bit_and_training_state_of_a_checkpoint(tmp_path: Path) -> None:
    arrays = weights_of(CONFIG)
    config_file(tmp_path)
    halves = {name: values.astype(np.float16) for name, values in arrays.items()}
    saved(tmp_path / "old.ckpt", {**halves, "adam_m.dense.weight": np.zeros(3, np.float32)})
    convert(tmp_path / "old.ckpt", tmp_path / "new.ckpt")
    assert same(read_input(tmp_path / "new.ckpt").weights, {name: v.astype(np.float32) for name, v in halves.items()})


def test_the_config_of_a_run_is_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    saved(run / "checkpoints" / "classifier-best.ckpt", weights_of(CONFIG, "dense_1"))
    section = {**CONFIG.model_dump(), "compute_type": "float16"}
    (run / "config.yaml").write_text(yaml.safe_dump({"albert_network": "custom", "albert_net_cfg": section}))
    convert(run / "checkpoints" / "classifier-best.ckpt", tmp_path / "hf", "--verify", "false")
    content = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert (content["num_hidden_layers"], content["num_hidden_groups"]) == (4, 2)
    assert content["architectures"] == ["AlbertForSequenceClassification"]
    name = "AlbertForTokenClassification"
    convert(tmp_path / "hf", tmp_path / "ner", "--architecture", name, "--verify", "false")
    assert json.loads((tmp_path / "ner" / "config.json").read_text())["architectures"] == [name]


def test_a_pretraining_config_names_its_section_after_the_size(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.ckpt", weights_of(CONFIG))
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump({"albert_network": "custom", "custom_net_cfg": CONFIG.model_dump(), "base_net_cfg": None})
    )
    convert(path, tmp_path / "new.ckpt", "--config", tmp_path / "c.yaml")
    assert read_input(tmp_path / "new.ckpt").network.hidden_size == 6


def test_without_a_configuration_published_sizes_are_recognised_and_others_are_not(tmp_path: Path) -> None:
    message = refused(saved(tmp_path / "w.ckpt", weights_of(CONFIG)), tmp_path / "hf")
    assert "num_hidden_layers and num_attention_heads" in message
    assert "--config" in message
    base = network(
        vocab_size=40, embedding_size=8, hidden_size=768, num_attention_heads=12, num_hidden_layers=12,
        intermediate_size=3072, max_position_embeddings=16,
    )  # fmt: skip
    text = convert(saved(tmp_path / "base.ckpt", weights_of(base)), tmp_path / "new.ckpt")
    assert "published base v1" in text
    read = read_input(tmp_path / "new.ckpt", InputFormat.MINDSPORE).network
    assert (read.num_hidden_layers, read.num_attention_heads, read.vocab_size) == (12, 12, 40)


def test_a_head_in_pieces_is_left_out_and_named(tmp_path: Path) -> None:
    arrays = weights_of(CONFIG, "cls1", "cls2")
    del arrays["cls1.output_bias"]
    config_file(tmp_path)
    text = convert(saved(tmp_path / "w.ckpt", arrays), tmp_path / "new.ckpt")
    assert "the head cls1 is incomplete" in text
    assert not [name for name in read_input(tmp_path / "new.ckpt").weights if name.startswith("cls1")]


@pytest.mark.parametrize("layout", ["google", "model_garden"])
def test_both_layouts_of_tensorflow(tmp_path: Path, layout: str) -> None:
    source = hugging(tmp_path / "hf")
    config = {} if layout == "google" else {"num_hidden_groups": 1, "inner_group_num": 1}
    if config:
        source = hugging(tmp_path / "hf1", config=network(**config))
    convert(source, tmp_path / "tf" / "m.ckpt-1", "--tf_layout", layout, "--verify", "false")
    assert same(read_input(tmp_path / "tf").weights, read_input(source).weights)
    assert ("bert/pooler/dense/kernel" in open_bundle(tmp_path / "tf").shapes()) == (layout == "google")
