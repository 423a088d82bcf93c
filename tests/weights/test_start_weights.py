"""Weights of other programs as the start of a training, without a converted file between."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.weights.config_files import google_config
from src.weights.input_format import InputFormat
from src.weights.saved_names import saved_name
from src.weights.start_weights import foreign_format, read_start_weights
from tests.weights.convert_samples import CONFIG, google, hugging, saved
from tests.weights.names_samples import network, weights_of


def test_every_way_to_name_a_checkpoint_of_tensorflow(tmp_path: Path) -> None:
    prefix = google(tmp_path / "google")
    expected = {saved_name(name): values for name, values in weights_of(CONFIG).items()}
    for path in (prefix, Path(f"{prefix}.index"), prefix.parent):
        assert foreign_format(path) is InputFormat.TENSORFLOW
        read = read_start_weights(path, InputFormat.TENSORFLOW)
        assert {name: values.tobytes() for name, values in read.entries.items()} == {
            name: values.tobytes() for name, values in expected.items()
        }
        assert read.described_by == prefix.parent / "albert_config.json"
        read.require_network(CONFIG)


def test_folders_and_files_of_hugging_face(tmp_path: Path) -> None:
    folder = hugging(tmp_path / "hf", "dense_1")
    for path in (folder, folder / "model.safetensors"):
        assert foreign_format(path) is InputFormat.HUGGINGFACE
        read = read_start_weights(path, InputFormat.HUGGINGFACE)
        assert saved_name("dense_1.weight") in read.entries
        assert read.described_by == folder / "config.json"
        read.require_network(CONFIG)


def test_own_files_and_what_is_not_there_are_left_to_their_loader(tmp_path: Path) -> None:
    own = saved(tmp_path / "own.ckpt", {"dense.weight": np.zeros((2, 2), np.float32)})
    other = tmp_path / "weights.txt"
    other.write_text("")
    for path in (own, other, tmp_path / "none", tmp_path / "none" / "bert_model.ckpt", Path("")):
        if path != Path(""):
            assert foreign_format(path) is None


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights of a known format are in this folder"):
        foreign_format(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # The same shapes: nothing but the file tells.
        ({"num_hidden_layers": 8}, "num_hidden_layers is 8 there, 4 here"),
        ({"num_attention_heads": 3}, "num_attention_heads is 3 there, 2 here"),
        ({"hidden_act": "relu"}, "hidden_act is relu there, gelu_new here"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    prefix = google(tmp_path)
    config = tmp_path / "albert_config.json"
    config.write_text(json.dumps(google_config(CONFIG) | changes))
    read = read_start_weights(prefix, InputFormat.TENSORFLOW)
    with pytest.raises(CheckpointError) as caught:
        read.require_network(CONFIG)
    assert caught.value.where == str(config)
    assert expected in str(caught.value)


def test_dropout_and_length_are_a_matter_of_the_training(tmp_path: Path) -> None:
    read = read_start_weights(google(tmp_path), InputFormat.TENSORFLOW)
    free = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3, "seq_length": 4, "hidden_act": "gelu"}
    read.require_network(CONFIG.model_copy(update=free))


def test_weights_that_no_file_describes_are_taken_for_what_they_are(tmp_path: Path) -> None:
    prefix = google(tmp_path)
    (tmp_path / "albert_config.json").unlink()
    read = read_start_weights(prefix, InputFormat.TENSORFLOW)
    assert (read.network, read.described_by) == (None, None)
    read.require_network(network(num_hidden_layers=7))


def test_damage_is_found(tmp_path: Path) -> None:
    prefix = google(tmp_path)
    file = Path(f"{prefix}.data-00000-of-00001")
    content = bytearray(file.read_bytes())
    content[40] ^= 8
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum"):
        read_start_weights(prefix, InputFormat.TENSORFLOW)
    file.unlink()
    with pytest.raises(CheckpointError, match="data-00000-of-00001"):
        read_start_weights(prefix, InputFormat.TENSORFLOW)
