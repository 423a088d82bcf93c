"""What of a network its weights are bound to, where no shape of a parameter shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from src.common.errors import CheckpointError, ConfigError
from src.common.files import write_json_atomic
from src.config.sections import NetworkConfig
from src.tasks.network_identity import (
    check_same_network,
    check_scored_network,
    check_start_network,
    identity_in_config,
    network_identity,
)

NETWORK = NetworkConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=2)
FREE: dict[str, Any] = {
    "seq_length": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout_prob": 0.0,
    "initializer_range": 0.1,
    "compute_type": "float16",
    "float32_operators": ("softmax",),
    "recompute": True,
}


def stored(section: str = "albert_net_cfg", **keys: Any) -> dict[str, Any]:
    content = {"albert_network": "custom", section: {**NETWORK.model_dump(mode="json"), **keys}}
    return dict(yaml.safe_load(yaml.safe_dump(content)))


def check(known: dict[str, Any], **keys: Any) -> None:
    check_same_network(known, NETWORK.model_copy(update=keys), "a.ckpt", "choose another")


@pytest.mark.parametrize("section", ["albert_net_cfg", "custom_net_cfg"])
def test_the_configuration_of_a_run_tells_its_network(section: str) -> None:
    assert identity_in_config(stored(section)) == network_identity(NETWORK)
    assert identity_in_config(stored(section, gap_size=1, layer_norm_eps="1e-12")) == network_identity(NETWORK)


@pytest.mark.parametrize("key", sorted(NetworkConfig.model_fields))
def test_every_key_is_bound_or_free(key: str) -> None:
    check(network_identity(NETWORK), **{key: FREE.get(key, getattr(NETWORK, key))})
    assert (key in FREE) == (f"network.{key}" not in network_identity(NETWORK))


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_hidden_layers", 4), ("num_attention_heads", 4), ("hidden_act", "relu"), ("dtype", "float16")],
)
def test_another_network_is_refused(key: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=rf"another network: network\.{key} was .*, is {value}"):
        check(network_identity(NETWORK), **{key: value})


def test_two_names_of_one_activation_are_one() -> None:
    known = network_identity(NETWORK.model_copy(update={"hidden_act": "gelu_new"}))
    check(known, hidden_act="gelu")
    with pytest.raises(CheckpointError, match="hidden_act was gelu_new, is gelu_erf"):
        check(known, hidden_act="gelu_erf")


def test_all_that_differs_stands_in_one_error() -> None:
    with pytest.raises(CheckpointError, match=r"network\.num_hidden_layers was 2, is 3; network\.hidden_act was gelu"):
        check(network_identity(NETWORK), hidden_act="relu", num_hidden_layers=3)


def test_what_an_older_run_does_not_tell_is_not_compared() -> None:
    check({}, hidden_act="relu")
    check(identity_in_config({}), hidden_act="relu")
    without = stored()
    del without["albert_net_cfg"]["hidden_act"]
    check(identity_in_config(without), hidden_act="relu")


def test_a_configuration_that_was_spoilt() -> None:
    with pytest.raises(ConfigError, match="holds no valid network"):
        identity_in_config(stored(hidden_size=9))


def write_run(run: Path, text: str) -> None:
    write_json_atomic(run / "environment.json", {"run_format": 1})
    (run / "config.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value"), [("num_hidden_layers", 5), ("num_attention_heads", 4), ("hidden_act", "relu")]
)
def test_training_begins_with_the_weights_of_the_same_network(tmp_path: Path, key: str, value: Any) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "a.ckpt"
    other = NETWORK.model_copy(update={key: value})
    check_start_network(checkpoint, other)
    write_run(tmp_path / "run", yaml.safe_dump(stored("custom_net_cfg")))
    # Of a new training all that the weights are not bound to may be another.
    check_start_network(checkpoint, NETWORK.model_copy(update={**FREE, "dtype": "float16"}))
    check_start_network(tmp_path / "copy" / "checkpoints" / "a.ckpt", other)
    with pytest.raises(CheckpointError, match=rf"network\.{key} was .*, is {value} -> give the network of") as caught:
        check_start_network(checkpoint, other)
    assert caught.value.where == str(checkpoint)
    assert str(tmp_path / "run" / "config.yaml") in caught.value.fix


def test_a_run_whose_configuration_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "seed: [")
    with pytest.raises(ConfigError, match="cannot be read"):
        check_start_network(tmp_path / "run" / "checkpoints" / "a.ckpt", NETWORK)


def test_a_checkpoint_of_a_run_is_scored_with_its_network(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run" / "checkpoints" / "a.ckpt"
    other = NETWORK.model_copy(update={"num_hidden_layers": 5})
    check_scored_network(checkpoint, other)
    write_run(tmp_path / "run", yaml.safe_dump(stored()))
    check_scored_network(checkpoint, NETWORK)
    for where, run in ((checkpoint, None), (tmp_path / "kept" / "a.ckpt", tmp_path / "run")):
        with pytest.raises(CheckpointError, match=r"num_hidden_layers was 2, is 5") as caught:
            check_scored_network(where, other, run)
        assert caught.value.where == str(where)
