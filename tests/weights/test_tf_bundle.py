from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.data.tfrecord import masked_crc32c
from src.weights import tf_bundle
from src.weights.tensor_source import TensorSource
from src.weights.tf_bundle import open_bundle
from src.weights.tf_bundle_writer import write_bundle
from src.weights.tf_table import read_table
from tests.weights.bundle_samples import (
    ARRAYS,
    entry,
    files_of,
    first_block,
    handmade,
    read_all,
    same,
    small_bundle,
    snappy_literals,
    table_of_block,
)
from tests.weights.fixtures.make_tf_checkpoints import PREFIXES, expected

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@pytest.mark.parametrize("kind", ["plain", "writable", "sharded", "objects"])
def test_checkpoints_that_tensorflow_wrote(kind: str) -> None:
    wanted = expected()[kind]
    bundle = open_bundle(PREFIXES[kind])
    assert set(bundle.shapes()) - {OBJECT_GRAPH} == set(wanted)
    for name, (dtype, values) in wanted.items():
        assert bundle.dtypes()[name] == dtype
        assert bundle.shapes()[name] == values.shape
        read = bundle.read(name)
        assert read.dtype == values.dtype
        assert read.dtype.isnative
        assert read.flags.writeable
        np.testing.assert_array_equal(read, values)


def test_object_graph_of_tensorflow_2() -> None:
    bundle = open_bundle(PREFIXES["objects"])
    assert bundle.dtypes()[OBJECT_GRAPH] == "string"
    graph = bundle.read_bytes(OBJECT_GRAPH)
    assert b"encoder/kernel/.ATTRIBUTES/VARIABLE_VALUE" in graph
    assert len(graph) < files_of(PREFIXES["objects"])[1].stat().st_size


@pytest.mark.parametrize("given", ["model.ckpt", "model.ckpt.index", ".", "checkpoint"])
def test_every_way_to_name_a_checkpoint(tmp_path: Path, given: str) -> None:
    write_bundle(tmp_path / "model.ckpt", ARRAYS, checkpoint_file=True)
    source: TensorSource = open_bundle(tmp_path / given)
    assert source.path == tmp_path / "model.ckpt.index"
    assert same({name: source.read(name) for name in source.shapes()}, ARRAYS)
    assert list(source.shapes()) == sorted(ARRAYS)


def test_half_precision_keeps_special_values(tmp_path: Path) -> None:
    half = np.array([np.inf, -np.inf, np.nan, -0.0, 6e-8, 65504], np.float16)
    upper = np.array([0x7F80, 0xFF80, 0x7FC0, 0x8000, 0x0001, 0x7F7F, 0x3F80], np.uint16)
    entries = {
        b"brain": entry(upper.tobytes(), (7,), dtype=14, offset=12),
        b"half": entry(half.tobytes(), (6,), dtype=19),
    }
    bundle = open_bundle(handmade(tmp_path, entries, half.tobytes() + upper.tobytes()))
    np.testing.assert_array_equal(bundle.read("half"), half.astype(np.float32))
    brain = bundle.read("brain")
    assert brain.dtype == np.float32
    np.testing.assert_array_equal(brain.view(np.uint32) >> 16, upper)


def test_index_compressed_with_snappy(tmp_path: Path) -> None:
    prefix = small_bundle(tmp_path)
    index, _ = files_of(prefix)
    index.write_bytes(table_of_block(snappy_literals(first_block(index.read_bytes())), compression=1))
    assert same(read_all(prefix) or {}, ARRAYS)


@pytest.mark.parametrize(
    ("dtype", "name"), [(2, "float64"), (7, "string"), (10, "bool"), (21, "variant"), (99, "dtype 99")]
)
def test_dtypes_that_are_listed_but_not_read(tmp_path: Path, dtype: int, name: str) -> None:
    content = np.float32(2).tobytes()
    prefix = handmade(
        tmp_path, {b"other": entry(b"x" * 8, dtype=dtype, offset=4), b"w": entry(content)}, content + b"x" * 8
    )
    bundle = open_bundle(prefix)
    assert bundle.dtypes() == {"other": name, "w": "float32"}
    assert bundle.read("w") == 2
    with pytest.raises(
        CheckpointError, match=rf"tensor 'other': {name} values are not read, only float32, .* -> convert"
    ):
        bundle.read("other")


def test_unknown_name(tmp_path: Path) -> None:
    bundle = open_bundle(small_bundle(tmp_path))
    with pytest.raises(CheckpointError, match=r"no such tensor -> did you mean 'bert/pooler/dense/bias'\?"):
        bundle.read("bert/pooler/dense/bia")
    with pytest.raises(CheckpointError, match="no such tensor -> list the names"):
        bundle.read_bytes("zzz")


@pytest.mark.parametrize("shard", [0, 1])
def test_missing_shard(tmp_path: Path, shard: int) -> None:
    for path in PREFIXES["sharded"].parent.iterdir():
        if f"data-{shard:05d}" not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    message = rf"data-{shard:05d}-of-00002: data file {shard + 1} of 2 of the checkpoint is missing -> put it beside"
    with pytest.raises(CheckpointError, match=message):
        open_bundle(tmp_path)


def test_absurd_number_of_shards(tmp_path: Path) -> None:
    prefix = handmade(tmp_path, {b"w": entry(b"1234", shard=2**31 - 2)}, header=b"\x08\xff\xff\xff\xff\x07")
    with pytest.raises(CheckpointError, match="data file 2147483647 of 2147483647 of the checkpoint is missing"):
        open_bundle(prefix)


def test_data_file_that_is_cut_off(tmp_path: Path) -> None:
    prefix = small_bundle(tmp_path)
    _, data = files_of(prefix)
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"cut off: it has 115 bytes, tensor 'global_step' ends at byte 116"):
        open_bundle(prefix)


def test_data_file_that_shrinks_after_opening(tmp_path: Path) -> None:
    prefix = small_bundle(tmp_path)
    bundle = open_bundle(prefix)
    _, data = files_of(prefix)
    os.truncate(data, 20)
    with pytest.raises(CheckpointError, match=r"word_embeddings' \(byte 0\): the data file is cut off"):
        bundle.read("bert/embeddings/word_embeddings")
    data.unlink()
    with pytest.raises(CheckpointError, match="cannot read: No such file"):
        bundle.read("global_step")


def test_wrong_checksum_names_file_tensor_and_byte(tmp_path: Path) -> None:
    prefix = small_bundle(tmp_path)
    _, data = files_of(prefix)
    content = bytearray(data.read_bytes())
    content[100] ^= 4
    data.write_bytes(bytes(content))
    bundle = open_bundle(prefix)
    assert bundle.read("global_step") == 125_000
    message = r"data-00000-of-00001: tensor 'bert/pooler/dense/bias' \(byte 96\): .*checksum differs\) -> copy"
    with pytest.raises(CheckpointError, match=message):
        bundle.read("bert/pooler/dense/bias")


@pytest.mark.parametrize(("size", "offset"), [(2**42, 0), (4, 2**62)])
def test_absurd_sizes_take_no_memory(tmp_path: Path, size: int, offset: int) -> None:
    prefix = handmade(tmp_path, {b"w": entry(shape=(size // 4,), size=size, offset=offset)}, b"1234")
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="cut off: it has 4 bytes, tensor 'w' ends at byte"):
            open_bundle(prefix)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_tensors_are_read_one_at_a_time(tmp_path: Path) -> None:
    arrays = {f"w{number}": np.full(1 << 18, number, np.float32) for number in range(8)}  # 1 MiB each
    write_bundle(tmp_path / "model.ckpt", arrays)
    tracemalloc.start()
    try:
        bundle = open_bundle(tmp_path)
        for name in bundle.shapes():
            bundle.read(name)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def string_tensor(text: bytes) -> bytes:
    """Return the bytes of a string tensor shorter than 128 bytes."""
    length = len(text).to_bytes(4, "little")
    return bytes([len(text)]) + masked_crc32c(length).to_bytes(4, "little") + text


def string_bundle(folder: Path, content: bytes, text: bytes, shape: tuple[int, ...] = ()) -> Path:
    crc = masked_crc32c(len(text).to_bytes(4, "little") + string_tensor(text)[1:])
    return handmade(folder, {b"s": entry(content, shape, dtype=7, crc32c=crc)}, content)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_string(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for number, text in enumerate((b"", b"graph \x00\xff")):
        bundle = open_bundle(string_bundle(tmp_path / str(number), string_tensor(text), text, shape))
        assert bundle.read_bytes("s") == text


def test_every_damaged_byte_of_a_string(tmp_path: Path) -> None:
    good = string_tensor(b"graph")
    for position in range(len(good)):
        content = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        bundle = open_bundle(string_bundle(tmp_path / str(position), content, b"graph"))
        with pytest.raises(CheckpointError, match=r"tensor 's' \(byte 0\): .* -> copy"):
            bundle.read_bytes("s")


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x05", b"\x05abc", b"\xff" * 12])
def test_strings_that_are_cut_off(tmp_path: Path, content: bytes) -> None:
    bundle = open_bundle(string_bundle(tmp_path, content, b"graph"))
    with pytest.raises(CheckpointError, match=r"tensor 's'"):
        bundle.read_bytes("s")


def test_read_bytes_of_what_is_not_one_string(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"string\[2\] is not one string"):
        open_bundle(string_bundle(tmp_path, string_tensor(b"ab"), b"ab", (2,))).read_bytes("s")
    with pytest.raises(CheckpointError, match=r"float32\[4, 3\] is not one string -> read numbers with read"):
        open_bundle(small_bundle(tmp_path / "b")).read_bytes("bert/embeddings/word_embeddings")


def test_index_of_tensorflow_has_no_compression() -> None:
    # A guard for the fixtures: with Snappy they would not prove what they should.
    index = files_of(PREFIXES["plain"])[0].read_bytes()
    assert b"global_step" in index
    assert len(dict(read_table(index))) == 1 + len(expected()["plain"])


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = small_bundle(tmp_path)

    def refuse(_: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tf_bundle, "find_index", refuse)
    with pytest.raises(CheckpointError, match="cannot read: Permission denied -> check the path and its permissions"):
        open_bundle(prefix)
