from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError, OutputError
from src.weights import tf_bundle_writer
from src.weights.tf_bundle import open_bundle
from src.weights.tf_bundle_paths import find_index
from src.weights.tf_bundle_writer import write_bundle
from tests.weights.bundle_samples import ARRAYS, files_of, first_block, read_all, same
from tests.weights.fixtures.make_tf_checkpoints import PREFIXES, expected


def test_bytes_equal_those_of_tensorflow(tmp_path: Path) -> None:
    # The index blocks differ: TensorFlow shortens the key there. The rest proves that TensorFlow reads our files.
    arrays = {name: values for name, (_, values) in expected()["writable"].items()}
    index, data = write_bundle(tmp_path / "model.ckpt", arrays)
    their_index, their_data = files_of(PREFIXES["writable"])
    assert data.read_bytes() == their_data.read_bytes()
    assert first_block(index.read_bytes()) == first_block(their_index.read_bytes())


def test_round_trip_of_many_tensors(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    arrays = {
        f"bert/layer_{number}/kernel": generator.standard_normal((number % 4, 3)).astype(np.float32)
        for number in range(400)
    }
    arrays |= {"名字/é": np.ones((2, 2), np.float32), "global_step": np.array(-(2**62), np.int64), **ARRAYS}
    arrays["transposed"] = np.arange(6, dtype=np.float32).reshape(2, 3).T
    arrays["big_endian"] = np.array([1, 2], ">i8")
    write_bundle(tmp_path / "model.ckpt", arrays)
    native = {name: np.array(values, values.dtype.newbyteorder("="), order="C") for name, values in arrays.items()}
    assert same(read_all(tmp_path) or {}, native)


def test_files_and_order_of_the_arguments(tmp_path: Path) -> None:
    written = write_bundle(tmp_path / "a" / "model.ckpt", ARRAYS)
    assert [path.name for path in written] == ["model.ckpt.index", "model.ckpt.data-00000-of-00001"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in written)
    again = write_bundle(tmp_path / "b" / "model.ckpt", dict(reversed(ARRAYS.items())))
    for one, two in zip(written, again, strict=True):
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["model.ckpt-best", 'o"d\\d', "é"])
def test_checkpoint_file(tmp_path: Path, name: str) -> None:
    written = write_bundle(tmp_path / name, ARRAYS, checkpoint_file=True)
    assert written[-1] == tmp_path / "checkpoint"
    assert find_index(written[-1]) == written[0]
    text = written[-1].read_text("ascii")
    if name.startswith("model"):
        assert text == f"model_checkpoint_path: {json.dumps(name)}\nall_model_checkpoint_paths: {json.dumps(name)}\n"


def test_replaces_an_older_checkpoint(tmp_path: Path) -> None:
    write_bundle(tmp_path / "model.ckpt", {"old": np.zeros(3, np.float32)})
    write_bundle(tmp_path / "model.ckpt", ARRAYS)
    assert same(read_all(tmp_path) or {}, ARRAYS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no tensors to write"),
        ({"w": np.zeros(2)}, "tensor 'w': dtype float64 is not written -> convert it"),
        ({"w": np.array(["x"])}, "is not written"),
        ({"": np.zeros(2, np.float32)}, "allows no such name"),
        ({"\0w": np.zeros(2, np.float32)}, "allows no such name"),
        ({"\udc80": np.zeros(2, np.float32)}, "not valid Unicode"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        write_bundle(tmp_path / "model.ckpt", arrays)
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bundle(tmp_path / "model.ckpt", ARRAYS)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf_bundle_writer, "write_table", full_disk)
    with pytest.raises(OutputError, match="no space left"):
        write_bundle(tmp_path / "model.ckpt", {"w": np.zeros(9, np.float32)})
    assert same(read_all(tmp_path) or {}, ARRAYS)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_folder_in_the_way(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"model.ckpt{suffix}").mkdir()
    with pytest.raises(OutputError, match="a folder stands where a file is needed"):
        write_bundle(tmp_path / "model.ckpt", ARRAYS)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("prefix", [".", "/", ".."])
def test_prefix_without_a_name(prefix: str) -> None:
    with pytest.raises(OutputError, match=r"this is a folder, .* -> give <folder>/model\.ckpt"):
        write_bundle(Path(prefix), ARRAYS)


def test_scalars_and_empty_tensors(tmp_path: Path) -> None:
    arrays = {"scalar": np.array(0.1, np.float32), "empty": np.zeros((0, 3), np.float32)}
    write_bundle(tmp_path / "model.ckpt", arrays)
    assert open_bundle(tmp_path).shapes() == {"empty": (0, 3), "scalar": ()}
    assert same(read_all(tmp_path) or {}, arrays)
