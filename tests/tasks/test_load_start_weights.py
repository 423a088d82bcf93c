"""The start of a training from checkpoints of other programs."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
import yaml
from mindspore import nn

from src.common.errors import CheckpointError
from src.common.files import write_json_atomic
from src.config.load import load_config
from src.config.run_plan import RunPlan
from src.config.sections import NetworkConfig
from src.model.heads import AlbertCLSModel, AlbertInference
from src.model.names import canonical_name
from src.tasks.weights_choice import load_start_weights
from tests.weights.convert_samples import CONFIG, google, hugging, saved
from tests.weights.names_samples import weights_of


def plan(path: Path, *, heads: bool = False) -> RunPlan:
    values = load_config("classifier", ["--do_train", "--albert_data_dir=x"]).values
    return dataclasses.replace(values.run_plan(), start_weights=str(path), start_heads=heads)


def network(config: NetworkConfig = CONFIG) -> nn.Cell:
    return AlbertInference(AlbertCLSModel(config, 3))


def values_of(cell: nn.Cell) -> dict[str, np.ndarray]:
    return {canonical_name(item.name): item.asnumpy().copy() for item in cell.get_parameters()}


@pytest.mark.parametrize("kind", ["tensorflow", "hugging face", "own"])
def test_every_parameter_of_the_backbone_is_the_checkpoints(tmp_path: Path, kind: str) -> None:
    weights = weights_of(CONFIG, "dense_1")
    paths = {
        "tensorflow": lambda: google(tmp_path / "tf", "dense_1"),
        "hugging face": lambda: hugging(tmp_path / "hf", "dense_1"),
        "own": lambda: saved(tmp_path / "own.ckpt", weights),
    }
    path = paths[kind]()
    cell = network()
    before = values_of(cell)
    load_start_weights(cell, plan(path))
    after = values_of(cell)
    for name, values in after.items():
        expected = before[name] if name.startswith("dense_1") else weights[name]
        assert values.tobytes() == expected.tobytes(), name
    load_start_weights(cell, plan(path, heads=True))
    assert values_of(cell)["dense_1.weight"].tobytes() == weights["dense_1.weight"].tobytes()


def test_what_was_converted_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prefix = google(tmp_path / "tf")
    with caplog.at_level(logging.INFO):
        load_start_weights(network(), plan(prefix))
    assert f"parameters from {prefix}.index; new: dense_1.weight" in caplog.text


def test_a_network_with_other_heads_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    cell = network(CONFIG.model_copy(update={"num_attention_heads": 3}))
    before = values_of(cell)
    with pytest.raises(CheckpointError, match="num_attention_heads is 2 there, 3 here"):
        load_start_weights(cell, plan(google(tmp_path / "tf")))
    assert {name: values.tobytes() for name, values in values_of(cell).items()} == {
        name: values.tobytes() for name, values in before.items()
    }


def test_a_checkpoint_of_a_run_with_more_layers_is_refused(tmp_path: Path) -> None:
    """The layers share their weights, so that all shapes fit."""
    path = saved(tmp_path / "run" / "checkpoints" / "own.ckpt", weights_of(CONFIG))
    cell = network(CONFIG.model_copy(update={"num_hidden_layers": CONFIG.num_hidden_layers + 2}))
    load_start_weights(cell, plan(path))
    before = values_of(cell)
    write_json_atomic(tmp_path / "run" / "environment.json", {"run_format": 1})
    described = {"albert_network": "custom", "custom_net_cfg": CONFIG.model_dump(mode="json")}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    saved(path, {name: values + 1 for name, values in weights_of(CONFIG).items()})
    with pytest.raises(CheckpointError, match=r"network\.num_hidden_layers was \d+, is \d+ -> give the network of"):
        load_start_weights(cell, plan(path))
    after = values_of(cell)
    assert all(values.tobytes() == before[name].tobytes() for name, values in after.items())
    load_start_weights(network(), plan(path))
