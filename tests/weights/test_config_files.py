from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import CheckpointError
from src.config.presets import preset
from src.config.sections import NetworkConfig
from src.weights.config_files import (
    google_config,
    huggingface_config,
    network_from_google,
    network_from_huggingface,
    read_config_file,
)

GOOGLE_V1: dict[str, Any] = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "embedding_size": 128,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "num_hidden_groups": 1,
    "net_structure_type": 0,
    "layers_to_keep": [],
    "gap_size": 0,
    "num_memory_blocks": 0,
    "inner_group_num": 1,
    "down_scale_factor": 1,
    "type_vocab_size": 2,
    "vocab_size": 30000,
}
HUGGINGFACE_V1 = {
    **{key: GOOGLE_V1[key] for key in GOOGLE_V1 if key not in ("layers_to_keep", "hidden_act")},
    "hidden_act": "gelu",
    "architectures": ["AlbertForMaskedLM"],
    "model_type": "albert",
    "classifier_dropout_prob": 0.2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


def test_googles_file_gives_the_preset() -> None:
    read = network_from_google(GOOGLE_V1, "albert_config.json")
    assert read.network("") == NetworkConfig(**preset("base", "v1"))
    ignored = {"net_structure_type", "layers_to_keep", "gap_size", "num_memory_blocks", "down_scale_factor"}
    assert set(read.ignored) == ignored
    assert read.notices == ()


def test_googles_keys_that_nothing_reads_are_named() -> None:
    read = network_from_google({**GOOGLE_V1, "pooler_type": "first_token_transform", "ln_type": "postln"}, "x")
    assert "pooler_type" in read.notices[0]


@pytest.mark.parametrize(
    ("theirs", "google", "huggingface"),
    [("gelu", "gelu", "gelu_erf"), ("gelu_new", "gelu_new", "gelu_new"), ("relu", "relu", "relu")],
)
def test_what_an_activation_means_to_each_program(theirs: str, google: str, huggingface: str) -> None:
    assert network_from_google({**GOOGLE_V1, "hidden_act": theirs}, "x").keys["hidden_act"] == google
    read = network_from_huggingface({**HUGGINGFACE_V1, "hidden_act": theirs}, "x")
    assert read.keys["hidden_act"] == huggingface
    assert any("set hidden_act to gelu" in notice for notice in read.notices) is (theirs == "gelu")


@pytest.mark.parametrize(
    ("ours", "theirs", "back"),
    [
        ("gelu", "gelu_new", "gelu_new"),
        ("gelu_new", "gelu_new", "gelu_new"),
        ("gelu_erf", "gelu", "gelu_erf"),
        ("relu", "relu", "relu"),
    ],
)
def test_huggingface_config_computes_the_same_activation(ours: str, theirs: str, back: str) -> None:
    content = huggingface_config(NetworkConfig(hidden_act=ours), "AlbertModel")
    assert content["hidden_act"] == theirs
    assert network_from_huggingface(content, "x").keys["hidden_act"] == back


def test_huggingface_keys_come_along() -> None:
    labels = {"id2label": {"0": "no", "1": "yes"}, "num_labels": 2}
    read = network_from_huggingface({**HUGGINGFACE_V1, **labels}, "config.json")
    assert read.architecture == "AlbertForMaskedLM"
    assert read.labels == ("no", "yes")
    network = read.network("")
    assert network.classifier_dropout_prob == 0.2
    assert network.hidden_dropout_prob == 0.1
    assert {"pad_token_id", "gap_size", "model_type"} <= set(read.ignored)
    placeholder = network_from_huggingface({**HUGGINGFACE_V1, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, "x")
    assert placeholder.labels == ()


@pytest.mark.parametrize("size", ["base", "large", "xlarge", "xxlarge"])
def test_both_files_bring_a_network_back(size: str) -> None:
    network = NetworkConfig(**preset(size, "v2"), num_hidden_groups=2, inner_group_num=3, vocab_size=77)
    google = google_config(network)
    assert network_from_google(google, "").network("") == network
    assert google["net_structure_type"] == 0
    content = huggingface_config(network, "AlbertForTokenClassification", labels=("O", "B", "I"), num_labels=3)
    read = network_from_huggingface(json.loads(json.dumps(content)), "")
    assert read.network("") == network.model_copy(update={"hidden_act": "gelu_new"})
    assert (read.labels, read.architecture) == (("O", "B", "I"), "AlbertForTokenClassification")


def test_a_short_table_of_positions_shortens_the_sequences() -> None:
    assert network_from_google({**GOOGLE_V1, "max_position_embeddings": 64}, "x").network("").seq_length == 64


@pytest.mark.parametrize("content", [GOOGLE_V1, HUGGINGFACE_V1], ids=["google", "huggingface"])
def test_a_missing_size_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: value for key, value in content.items() if key != "hidden_size"}))
    with pytest.raises(CheckpointError, match=r"config\.json: the file lacks hidden_size"):
        read_config_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bert"}, "the model is of type 'bert'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"hidden_act": "swish"}, "hidden_act 'swish'"),
        ({"hidden_act": None}, "hidden_act None"),
        ({"id2label": {"1": "a", "2": "b"}}, "does not count from 0"),
    ],
)
def test_networks_of_other_kinds_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        network_from_huggingface({**HUGGINGFACE_V1, **change}, "config.json")


def test_a_network_that_normalises_first_is_refused() -> None:
    with pytest.raises(CheckpointError, match="preln"):
        network_from_google({**GOOGLE_V1, "ln_type": "preln"}, "albert_config.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 770}, "not divisible"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"hidden_size": -4}, "hidden_size"),
    ],
)
def test_impossible_values_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        network_from_google({**GOOGLE_V1, **change}, "x").network("albert_config.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, '{"a": \xff'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "albert_config.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match="albert_config"):
        read_config_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        read_config_file(tmp_path / "albert_config.json")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"hidden_act": "gelu_erf"}, "hidden_act"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps"),
        ({"use_relative_positions": True}, "use_relative_positions"),
    ],
)
def test_what_googles_code_cannot_compute_is_not_written(change: dict[str, Any], where: str) -> None:
    with pytest.raises(CheckpointError, match=where):
        google_config(NetworkConfig(**change))


def test_relative_positions_are_not_written_for_huggingface() -> None:
    with pytest.raises(CheckpointError, match="relative positions"):
        huggingface_config(NetworkConfig(use_relative_positions=True), "AlbertModel")
