from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.config.load import load_config
from src.config.presets import parameter_count
from src.config.sections import NetworkConfig

# Published counts of encoder and pooler.
COUNTS = {"base": 11_683_584, "large": 17_683_968, "xlarge": 58_724_864, "xxlarge": 222_595_584}
DROPOUT = {"base": 0.1, "large": 0.1, "xlarge": 0.1, "xxlarge": 0.0}


@pytest.mark.parametrize("task", ["classifier", "squad", "pretrain"])
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("size", COUNTS)
def test_presets_have_the_published_parameter_counts_and_dropout(task: str, version: str, size: str) -> None:
    config = load_config(task, ["--albert_network", size, "--albert_version", version])
    network = config.network()
    assert parameter_count(network) == COUNTS[size]
    expected = 0.0 if version == "v2" else DROPOUT[size]
    assert (network.hidden_dropout_prob, network.attention_probs_dropout_prob) == (expected, expected)
    assert network.classifier_dropout_prob == 0.1
    assert network.num_attention_heads == {"base": 12, "large": 16, "xlarge": 16, "xxlarge": 64}[size]


def test_parameter_count_of_the_chinese_tiny_model() -> None:
    network = NetworkConfig(
        vocab_size=21128, hidden_size=312, intermediate_size=1248, num_hidden_layers=4, num_attention_heads=12
    )
    assert round(parameter_count(network) / 1e6, 2) == 4.08


def test_parameter_count_grows_with_groups_and_inner_layers_and_needs_no_projection_for_equal_sizes() -> None:
    one = NetworkConfig(hidden_size=64, intermediate_size=128, num_attention_heads=4, embedding_size=32)
    block = 4 * (64 * 64 + 64) + 128 + 64 * 128 + 128 + 128 * 64 + 64 + 128
    four = one.model_copy(update={"num_hidden_groups": 2, "inner_group_num": 2})
    assert parameter_count(four) - parameter_count(one) == 3 * block
    same = one.model_copy(update={"embedding_size": 64})
    positions = 30000 + 512 + 2
    assert parameter_count(same) == positions * 64 + 128 + block + 64 * 64 + 64


def test_given_keys_go_over_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("albert_network: large\nalbert_net_cfg:\n  num_hidden_layers: 6\n  hidden_dropout_prob: null\n")
    network = load_config("classifier", ["--config_path", str(path)]).network()
    assert (network.hidden_size, network.num_hidden_layers, network.hidden_dropout_prob) == (1024, 6, 0.1)


def test_another_network_chosen_later_starts_from_its_preset_and_says_so(tmp_path: Path) -> None:
    resolved = tmp_path / "config.yaml"
    resolved.write_text(load_config("classifier", ["--albert_net_cfg.seq_length", "64"]).to_yaml())
    config = load_config("classifier", ["--config_path", str(resolved), "--albert_network=large"])
    assert parameter_count(config.network()) == COUNTS["large"]
    assert config.network().seq_length == 64
    assert any("hidden_size 768" in notice and "--albert_network" in notice for notice in config.notices)

    second = load_config("classifier", ["--config_path", str(resolved), "--albert_version=v2"])
    assert second.network().hidden_dropout_prob == 0.0
    same = load_config("classifier", ["--config_path", str(resolved), "--albert_network=base"])
    assert same.notices == ()


def test_keys_of_the_same_or_a_later_layer_survive_the_choice_of_a_network(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("albert_network: large\nalbert_net_cfg: {num_hidden_layers: 6}\n")
    arguments = ["--config_path", str(path), "--albert_network", "xlarge", "--albert_net_cfg.num_hidden_layers", "2"]
    assert load_config("classifier", arguments).network().num_hidden_layers == 2
    assert load_config("classifier", arguments).network().hidden_size == 2048


def test_custom_takes_its_shape_from_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "albert_net_cfg: {hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 128}\n"
    )
    arguments = ["--config_path", str(path), "--albert_network", "Custom", "--albert_version", "V2"]
    network = load_config("classifier", arguments).network()
    assert (network.hidden_size, network.hidden_dropout_prob) == (64, 0.0)


def test_google_json_keys_are_accepted_and_named_as_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "albert_net_cfg: {net_structure_type: 0, gap_size: 0, num_memory_blocks: 0, down_scale_factor: 1,"
        " layers_to_keep: []}\n"
    )
    config = load_config("classifier", ["--config_path", str(path)])
    assert config.network() == load_config("classifier", []).network()
    assert len(config.notices) == 5
    assert f"{path}:1: albert_net_cfg.gap_size has no effect" in config.notices[1]


def test_pretraining_takes_the_section_of_fine_tuning_for_the_network_that_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    shape = "{hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 128}"
    path.write_text(f"albert_network: custom\nalbert_net_cfg: {shape}\n")
    arguments = ["--overlay", str(path), "--albert_net_cfg.num_hidden_layers", "3"]
    networks = [load_config(task, arguments).network() for task in ("pretrain", "squad")]
    shapes = [(network.hidden_size, network.num_hidden_layers, network.intermediate_size) for network in networks]
    assert shapes == [(64, 3, 128)] * 2
    resolved = load_config("pretrain", arguments).to_yaml()
    assert "custom_net_cfg:" in resolved
    assert "albert_net_cfg" not in resolved
    large = load_config("pretrain", ["--albert_network=LARGE", "--albert_net_cfg.seq_length=64"]).network()
    assert (large.hidden_size, large.seq_length) == (1024, 64)


def test_another_choice_later_drops_the_shape_under_either_name(tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_text("albert_net_cfg: {hidden_size: 64, num_attention_heads: 4}\n")
    config = load_config("pretrain", ["--overlay", str(path), "--albert_network", "large"])
    assert config.network().hidden_size == 1024
    assert any("gives way to the preset" in notice for notice in config.notices)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("albert_net_cfg: {hidden_size: 64}\nbase_net_cfg: {hidden_size: 32}\n", "are the same key"),
        ("albert_net_cfg: {hiden_size: 64}\n", "did you mean"),
        ("albert_net_cfg: 5\n", "holds keys, not a value"),
        ("albert_network: huge\nalbert_net_cfg: {hidden_size: 64}\n", "albert_network: expected"),
    ],
)
def test_wrong_sections_of_pretraining_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config("pretrain", ["--overlay", str(path)])
    assert str(path) in str(caught.value)
