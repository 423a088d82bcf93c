from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.common.errors import CheckpointError
from src.weights import tf_bundle_index
from src.weights.tf_bundle_index import read_index
from tests.weights.bundle_samples import (
    HEADER,
    entry,
    files_of,
    handmade,
    message_field,
    number_field,
    small_bundle,
    table,
)
from tests.weights.fixtures.make_tf_checkpoints import PREFIXES

REAL = ["albert_small_zh_google", "albert_tiny_zh_google", "albert_tiny_zh_brightmart"]


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_checkpoints(shared_data: Path, name: str) -> None:
    folder = shared_data / "tf_checkpoint_index" / name
    index = read_index(folder / "albert_model.ckpt.index")
    found = [
        {"name": name, "dtype": entry.dtype, "shape": list(entry.shape), "offset": entry.offset, "size": entry.size}
        for name, entry in index.entries.items()
    ]
    assert found == json.loads((folder / "variables.json").read_text())
    assert index.num_shards == 1


def index_with(folder: Path, value: bytes) -> Path:
    """Return an index file with one tensor ``w``."""
    return files_of(handmade(folder, {b"w": value}))[0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (entry(b"1234", shard=1), "data file 1 of 1, counted from 0"),
        (entry(b"1234", shard=-1), "data file -1 of 1"),
        (entry(b"1234", offset=-4), "is negative"),
        (entry(size=-4), "is negative"),
        (entry(shape=(-1,), size=4), r"shape \[-1\] is impossible"),
        (entry(shape=(2**40, 2**40), size=4), "is impossible"),
        (entry(shape=(0, 2**62)), "is impossible"),
        (entry(b"1234", shape=(1,) * 33), "is impossible"),
        (entry(b"1234", shape=(2,)), r"float32\[2\] does not take 4 bytes"),
        (entry(b"1234", dtype=9), r"int64\[\] does not take 4 bytes"),
        (entry(b"1234", dtype=14), r"bfloat16\[\] does not take 4 bytes"),
        (b"\x08", "cut off"),
        (message_field(2, number_field(3, 1)), "number of dimensions is unknown"),
    ],
)
def test_impossible_entries(tmp_path: Path, value: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=rf"tensor 'w': the entry in the index is damaged: .*{message}"):
        read_index(index_with(tmp_path, value))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (number_field(1, 1) + number_field(2, 1), "big-endian machine, which is not read"),
        (HEADER + message_field(3, number_field(2, 2)), "needs a reader of format version 2, this one knows 1"),
        (number_field(1, -1), "tells of -1 data files"),
        (b"", "tells of 0 data files"),
        (message_field(1, b"x"), "index is damaged"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, header: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_index(files_of(handmade(tmp_path, {b"w": entry()}, header=header))[0])


def test_index_without_header(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.index"
    for items, message in (({}, "it is empty"), ({b"w": entry(b"1234")}, "does not begin with its header")):
        path.write_bytes(table(items))
        with pytest.raises(CheckpointError, match=message):
            read_index(path)


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"name b'\\xff' is not UTF-8"):
        read_index(files_of(handmade(tmp_path, {b"\xff": entry()}))[0])


def test_partitioned_variables_of_tensorflow() -> None:
    with pytest.raises(CheckpointError, match=r"1 variables are partitioned .*: table -> .*without a partitioner"):
        read_index(files_of(PREFIXES["partitioned"])[0])


def test_many_partitioned_variables(tmp_path: Path) -> None:
    entries = {f"w{number}".encode(): entry(shape=(4,)) + message_field(7, b"") for number in range(5)}
    with pytest.raises(CheckpointError, match=r"5 variables .*: w0, w1, w2, \.\.\."):
        read_index(files_of(handmade(tmp_path, entries))[0])


@pytest.mark.parametrize("content", [b"", b"no table", bytes(1000)])
def test_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ckpt.index"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="this is no index of a TensorFlow checkpoint, or it is cut off"):
        read_index(path)


def test_format_v1_with_the_name_of_an_index(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt.index"
    path.write_bytes(PREFIXES["version1"].read_bytes())
    with pytest.raises(CheckpointError, match="index is damaged"):
        read_index(path)


def test_too_large_for_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files_of(small_bundle(tmp_path))[0]
    monkeypatch.setattr(tf_bundle_index, "_LARGEST_INDEX_BYTES", 100)
    with pytest.raises(CheckpointError, match=r"bytes are too many for an index -> give the \.index file"):
        read_index(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read: No such file"):
        read_index(tmp_path / "model.ckpt.index")
    with pytest.raises(CheckpointError, match="cannot read: Is a directory"):
        read_index(tmp_path)
