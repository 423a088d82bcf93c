from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.errors import CheckpointError
from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel
from src.model.heads import AlbertCLSModel, AlbertInference
from src.model.losses import AlbertCLS
from src.model.names import backbone_shapes
from src.model.weights import load_weights, read_checkpoint
from tests.parity.cases import tiny_config

CONFIG = tiny_config()


def _entries(config: NetworkConfig = CONFIG, num_labels: int = 2, prefix: str = "albert.") -> dict[str, np.ndarray]:
    """Return what a fine-tuning run stores: backbone under ``<prefix>albert.``, head under ``<prefix>``."""
    random = np.random.RandomState(1)
    shapes = {f"{prefix}albert.{name}": shape for name, shape in backbone_shapes(config).items()}
    shapes[f"{prefix}dense_1.weight"] = (num_labels, config.hidden_size)
    shapes[f"{prefix}dense_1.bias"] = (num_labels,)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def _save(path: Path, entries: dict[str, np.ndarray]) -> Path:
    stored = [{"name": name, "data": Tensor(values)} for name, values in entries.items()]
    ms.save_checkpoint(stored, str(path), format=path.suffix[1:])
    return path


def _network(num_labels: int = 2, config: NetworkConfig = CONFIG) -> AlbertCLS:
    return AlbertCLS(AlbertCLSModel(config, num_labels), "classification")


def _values(network: nn.Cell) -> dict[str, np.ndarray]:
    return {parameter.name: parameter.asnumpy().copy() for parameter in network.get_parameters()}


def _refused(network: nn.Cell, path: Path, what: str = "backbone") -> str:
    """Return the message; the network must be as it was."""
    before = _values(network)
    with pytest.raises(CheckpointError) as caught:
        load_weights(network, path, what=what)
    for name, values in _values(network).items():
        assert np.array_equal(values, before[name]), name
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("prefix", ["albert.", "", "network.albert."])
def test_all_weights_load_whatever_the_prefix(tmp_path: Path, suffix: str, prefix: str) -> None:
    path = _save(tmp_path / f"w{suffix}", _entries(prefix=prefix))
    network = _network()
    report = load_weights(network, path, what="all")
    assert len(report.loaded) == 27
    assert (report.missing, report.unexpected, report.wrong_shape) == ((), (), ())
    for name, values in _entries().items():
        assert np.array_equal(_values(network)[name], values), name


def test_a_bare_backbone_loads_into_every_network(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "w.ckpt", {n.removeprefix("albert.albert."): v for n, v in _entries().items() if "dense_1" not in n}
    )
    for network in (AlbertModel(CONFIG), AlbertInference(AlbertCLSModel(CONFIG, 2)), _network()):
        assert len(load_weights(network, path).loaded) == 25


def test_the_backbone_loads_and_the_head_stays_new(tmp_path: Path) -> None:
    path = _save(tmp_path / "w.ckpt", _entries(num_labels=2))
    network = _network(num_labels=3)
    head = network.albert.dense_1.weight.asnumpy().copy()
    report = load_weights(network, path)
    assert len(report.loaded) == 25
    assert report.missing == report.wrong_shape == ("dense_1.weight", "dense_1.bias")
    assert np.array_equal(network.albert.dense_1.weight.asnumpy(), head)
    assert "new: dense_1.weight, dense_1.bias" in report.summary()


def test_heads_are_taken_where_they_are_wanted_and_there(tmp_path: Path) -> None:
    entries = _entries()
    network = _network()
    report = load_weights(network, _save(tmp_path / "w.ckpt", entries), what="present")
    assert (len(report.loaded), report.missing) == (27, ())
    np.testing.assert_array_equal(network.albert.dense_1.weight.asnumpy(), entries["albert.dense_1.weight"])
    del entries["albert.dense_1.bias"]
    other = _network(num_labels=3)
    report = load_weights(other, _save(tmp_path / "part.ckpt", entries), what="present")
    assert (len(report.loaded), report.wrong_shape) == (25, ("dense_1.weight",))
    assert report.missing == ("dense_1.weight", "dense_1.bias")
    del entries[next(iter(entries))]
    _refused(other, _save(tmp_path / "bad.ckpt", entries), what="present")


def test_pre_training_heads_and_optimizer_state_are_passed_over(tmp_path: Path) -> None:
    entries = {name: values for name, values in _entries().items() if "dense_1" not in name}
    backbone = list(entries)
    entries["albert.cls1.dense.weight"] = np.ones((4, 8), np.float32)
    for prefix in ("adam_m.", "adam_v.", "lamb_m.", "moments.", "moment1.", "accum."):
        entries |= {prefix + name: np.ones(2, np.float32) for name in backbone[:2]}
    for counter in ("global_step", "step_num", "epoch_num", "learning_rate", "scale_sense", "beta1_power"):
        entries[counter] = np.ones(1, np.float32)
    report = load_weights(_network(), _save(tmp_path / "w.ckpt", entries))
    assert report.unexpected == ("cls1.dense.weight",)
    assert report.optimizer_entries == 6 * 2 + 6


def test_float16_weights_load_into_float32_parameters(tmp_path: Path) -> None:
    path = _save(tmp_path / "w.ckpt", {name: values.astype(np.float16) for name, values in _entries().items()})
    network = _network()
    load_weights(network, path, what="all")
    assert {parameter.dtype for parameter in network.get_parameters()} == {ms.float32}
    expected = _entries()["albert.albert.dense.bias"].astype(np.float16).astype(np.float32)
    assert np.array_equal(network.albert.albert.dense.bias.asnumpy(), expected)


def test_an_incomplete_backbone_is_refused_with_names(tmp_path: Path) -> None:
    entries = {name: values for name, values in _entries().items() if "attention" not in name}
    message = _refused(_network(), _save(tmp_path / "w.ckpt", entries))
    assert "covers 15 of 25 of the backbone's parameters" in message
    assert "attention.attention.query_layer.weight" in message
    assert "and 6 more" in message


def test_a_head_is_required_when_all_is_asked(tmp_path: Path) -> None:
    entries = {name: values for name, values in _entries().items() if "dense_1" not in name}
    message = _refused(_network(), _save(tmp_path / "w.ckpt", entries), what="all")
    assert "covers 25 of 27" in message
    assert "dense_1.weight, dense_1.bias" in message


def test_another_number_of_classes_is_named(tmp_path: Path) -> None:
    message = _refused(_network(num_labels=2), _save(tmp_path / "w.ckpt", _entries(num_labels=3)), what="all")
    assert "dense_1.weight is (3, 8) there, (2, 8) in the network" in message
    assert "num_class is 3 in the checkpoint and 2 in the network" in message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vocab_size": 13}, "vocab_size is 13 in the checkpoint and 11 in the network"),
        ({"hidden_size": 768}, r"hidden_size is 768 (base) in the checkpoint and 8 in the network"),
        ({"intermediate_size": 20}, "intermediate_size is 20 in the checkpoint and 12"),
        ({"max_position_embeddings": 16}, "max_position_embeddings is 16 in the checkpoint and 8"),
        ({"embedding_size": 6}, "embedding_size is 6 in the checkpoint and 4"),
    ],
)
def test_another_size_is_named(tmp_path: Path, changes: dict[str, int], reason: str) -> None:
    message = _refused(_network(), _save(tmp_path / "w.ckpt", _entries(tiny_config(**changes))))
    assert "of other shape" in message
    assert reason in message


def test_transposed_weights_are_recognised(tmp_path: Path) -> None:
    entries = _entries()
    name = "albert.albert.albert_encoder.group.0.inner_group.0.intermediate.weight"
    entries[name] = np.ascontiguousarray(entries[name].T)
    assert "transposed" in _refused(_network(), _save(tmp_path / "w.ckpt", entries))


def test_more_groups_than_the_network_has_are_not_dropped_silently(tmp_path: Path) -> None:
    path = _save(tmp_path / "w.ckpt", _entries(tiny_config(num_hidden_groups=2)))
    message = _refused(_network(), path)
    assert "num_hidden_groups" in message
    assert "group.1.inner_group.0" in message


def test_fewer_groups_than_the_network_has_are_missing(tmp_path: Path) -> None:
    network = _network(config=tiny_config(num_hidden_groups=2))
    assert "covers 25 of 41" in _refused(network, _save(tmp_path / "w.ckpt", _entries()))


def test_one_parameter_under_two_names_is_refused(tmp_path: Path) -> None:
    entries = _entries() | {"dense.bias": np.zeros(8, np.float32)}
    assert "dense.bias is there twice" in _refused(_network(), _save(tmp_path / "w.ckpt", entries))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    entries = _entries()
    entries["albert.albert.dense.bias"][3] = value
    message = _refused(_network(), _save(tmp_path / "w.ckpt", entries))
    assert "albert.albert.dense.bias holds values that are not finite" in message


def test_huggingface_names_are_recognised(tmp_path: Path) -> None:
    entries = {"albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.bias": np.zeros(3, np.float32)}
    assert "HF transformers" in _refused(_network(), _save(tmp_path / "w.safetensors", entries))


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "w.ckpt", {"conv1.weight": np.zeros((3, 3), np.float32)})
    assert "covers 0 of 25" in _refused(_network(), path)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "half", "last byte", "first bytes", "text", "random"])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    data = _save(tmp_path / f"good{suffix}", _entries()).read_bytes()
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(
        {
            "empty": b"",
            "half": data[: len(data) // 2],
            "last byte": data[:-1],
            "first bytes": data[:20],
            "text": b"not found\n" * 50,
            "random": np.random.RandomState(0).bytes(3000),
        }[damage]
    )
    assert "empty, cut off or not a checkpoint" in _refused(_network(), path)


def test_paths_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "pytorch_model.bin"
    other.write_bytes(b"x")
    for path, message in (
        (tmp_path / "absent.ckpt", "no such checkpoint"),
        (tmp_path, "this is a folder"),
        (other, r"unknown kind of checkpoint '\.bin'"),
    ):
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(path)


def test_a_network_without_backbone_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="AlbertModel"):
        load_weights(nn.Dense(2, 2), _save(tmp_path / "w.ckpt", _entries()))
