"""Small TensorFlow checkpoints, right and wrong, put together byte by byte where a test needs it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError
from src.common.protobuf import read_varint, write_varint
from src.data.tfrecord import masked_crc32c
from src.weights.tf_bundle import open_bundle
from src.weights.tf_bundle_writer import write_bundle
from src.weights.tf_table import write_table

HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one data file, version 1
FOOTER_BYTES = 48
ARRAYS = {
    "bert/embeddings/word_embeddings": np.arange(12, dtype=np.float32).reshape(4, 3) / 3,
    "bert/embeddings/word_embeddings/adam_m": np.full((4, 3), -1.5, np.float32),
    "bert/pooler/dense/bias": np.array([0.1, -0.0, 1e-40], np.float32),
    "global_step": np.array(125_000, np.int64),
}


def small_bundle(folder: Path) -> Path:
    """Write ``ARRAYS``; return the prefix."""
    write_bundle(folder / "model.ckpt", ARRAYS)
    return folder / "model.ckpt"


def files_of(prefix: Path) -> tuple[Path, Path]:
    """Return index and data file of a checkpoint with one data file."""
    return Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")


def number_field(number: int, value: int) -> bytes:
    """Return a protobuf field that is a number; negative ones as 64 bits."""
    return write_varint(number << 3) + write_varint(value % (1 << 64))


def message_field(number: int, content: bytes) -> bytes:
    """Return a protobuf field with a length."""
    return write_varint(number << 3 | 2) + write_varint(len(content)) + content


def entry(
    content: bytes = b"", shape: tuple[int, ...] = (), dtype: int = 1, shard: int = 0, offset: int = 0, **other: int
) -> bytes:
    """Return the message of one tensor; ``size`` and ``crc32c`` may be given against ``content``."""
    dimensions = b"".join(message_field(2, number_field(1, size)) for size in shape)
    return (
        number_field(1, dtype)
        + message_field(2, dimensions)
        + number_field(3, shard)
        + number_field(4, offset)
        + number_field(5, other.get("size", len(content)))
        + b"\x35"
        + struct.pack("<I", other.get("crc32c", masked_crc32c(content)))
    )


def handmade(
    folder: Path, entries: dict[bytes, bytes], content: bytes = b"", header: bytes = HEADER, shards: int = 1
) -> Path:
    """Write an index with right checksums and any content; return the prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = folder / "model.ckpt"
    Path(f"{prefix}.index").write_bytes(table({b"": header, **entries}))
    for shard in range(shards):
        Path(f"{prefix}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    return prefix


def table(items: dict[bytes, bytes]) -> bytes:
    """Return a table, its items in the order given."""
    stream = io.BytesIO()
    write_table(stream, items.items())
    return stream.getvalue()


def first_block(data: bytes) -> bytes:
    """Return the only data block of a table of one block; behind it stand its trailer and the meta-index block."""
    meta_index, _ = read_varint(data, len(data) - FOOTER_BYTES)
    return data[: meta_index - 5]


def table_of_block(block: bytes, compression: int = 0, last_key: bytes = b"\xff") -> bytes:
    """Return a table of one data block with a right checksum, whatever the block is."""
    result = bytearray()
    handles = []
    index_entry = b""
    for content, kind in ((block, compression), (struct.pack("<II", 0, 1), 0), (b"", 0)):
        if len(handles) == 2:
            index_entry = bytes([0, len(last_key), len(handles[0])]) + last_key + handles[0]
            content = index_entry + struct.pack("<II", 0, 1)
        handles.append(write_varint(len(result)) + write_varint(len(content)))
        packed = content + bytes([kind])
        result += packed + struct.pack("<I", masked_crc32c(packed))
    return bytes(result) + (handles[1] + handles[2]).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def snappy_literals(data: bytes) -> bytes:
    """Return a Snappy block of pieces that are stored as they are."""
    pieces = (data[begin : begin + 60] for begin in range(0, len(data), 60))
    return write_varint(len(data)) + b"".join(bytes([(len(piece) - 1) << 2]) + piece for piece in pieces)


def damaged_bytes(data: bytes, every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield copies of ``data`` with one byte changed in three ways, and cut off; each with a description."""
    for position in range(0, len(data), every):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[position] ^= mask
            yield f"byte {position} ^ {mask:#x}", bytes(changed)
        yield f"cut at {position}", data[:position]


def read_all(path: Path) -> dict[str, np.ndarray] | None:
    """Return every tensor of a checkpoint, or ``None`` when reading ends in the error for a damaged one."""
    try:
        bundle = open_bundle(path)
        return {name: bundle.read(name) for name in bundle.shapes()}
    except CheckpointError as error:
        if not (error.what and error.where and error.fix):
            raise AssertionError(f"the error does not say what, where and what to do: {error}") from error
        return None


def same(tensors: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    """Tell whether names, dtypes, shapes and every bit are equal."""
    return tensors.keys() == expected.keys() and all(
        (tensors[name].dtype, tensors[name].shape, tensors[name].tobytes())
        == (expected[name].dtype, expected[name].shape, expected[name].tobytes())
        for name in expected
    )
