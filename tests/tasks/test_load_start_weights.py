"""The start of a training from checkpoints of other programs."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
from mindspore import nn

from src.common.errors import CheckpointError
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
