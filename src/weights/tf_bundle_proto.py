"""The messages of TensorFlow's index files, read and written without protobuf.

Source: ``tensor_bundle.proto`` in ``tensorflow/core/protobuf``; ``tensor_shape.proto``, ``types.proto`` and
``versions.proto`` in ``tensorflow/core/framework``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from src.common.protobuf import (
    FIXED32,
    LENGTH,
    VARINT,
    MalformedError,
    length_field,
    read_fields,
    read_varint,
    write_varint,
)

_DTYPE_NAMES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
}
_NUMBER_OF_DTYPE = {name: number for number, name in _DTYPE_NAMES.items()}
_NUMBERS_OF_ENTRY = (1, 3, 4, 5, 6)
_VERSION = 1


@dataclass(frozen=True)
class BundleHeader:
    """``BundleHeaderProto``, the value of the empty key.

    Args:
        num_shards: Data files that belong to the index.
        big_endian: Whether the values in them are big-endian.
        min_consumer: The version of the format that a reader must know at least.
    """

    num_shards: int
    big_endian: bool = False
    min_consumer: int = 0


@dataclass(frozen=True)
class BundleEntry:
    """``BundleEntryProto``: where a tensor is.

    Args:
        dtype: TensorFlow's name of it, or ``dtype <number>`` for one that is unknown here.
        shape: Its dimensions.
        shard: The data file, counted from 0.
        offset: Its first byte in that file.
        size: Its length in bytes.
        crc32c: The masked CRC32C of these bytes.
        sliced: Whether the tensor is stored in parts that have entries of their own.
    """

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int
    sliced: bool = False


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field: an int, or the bytes of a field with a length."""
    for number, wire, begin, end in read_fields(data):
        if wire == VARINT:
            yield number, read_varint(data, begin, end)[0]
        elif wire == LENGTH:
            yield number, data[begin:end]
        else:
            yield number, int.from_bytes(data[begin:end], "little")


def _number(value: int | bytes) -> int:
    """Return the value of a field that must be a number; int64 fields hold negative ones as 64 bits."""
    if isinstance(value, bytes):
        raise MalformedError("a field that should be a number has a length")
    return value - (1 << 64) if value >= 1 << 63 else value


def _message(value: int | bytes) -> bytes:
    """Return the value of a field that must be a message."""
    if not isinstance(value, bytes):
        raise MalformedError("a field that should be a message is a number")
    return value


def _numbers(data: bytes) -> dict[int, int]:
    """Return the numbers of a message by field number."""
    return {number: _number(value) for number, value in _fields(data) if not isinstance(value, bytes)}


def parse_header(data: bytes) -> BundleHeader:
    """Return the header of an index.

    Raises:
        MalformedError: The bytes are no header.
    """
    num_shards = endianness = min_consumer = 0
    for number, value in _fields(data):
        if number == 1:
            num_shards = _number(value)
        elif number == 2:
            endianness = _number(value)
        elif number == 3:
            min_consumer = _numbers(_message(value)).get(2, 0)
    return BundleHeader(num_shards, endianness != 0, min_consumer)


def _parse_shape(data: bytes) -> tuple[int, ...]:
    """Return the dimensions of a ``TensorShapeProto``."""
    shape: list[int] = []
    for number, value in _fields(data):
        if number == 2:
            shape.append(_numbers(_message(value)).get(1, 0))
        elif number == 3 and value != 0:
            raise MalformedError("the number of dimensions is unknown")
    return tuple(shape)


def parse_entry(data: bytes) -> BundleEntry:
    """Return one entry of an index; its figures are not yet checked against each other or against the files.

    Raises:
        MalformedError: The bytes are no entry.
    """
    numbers: dict[int, int] = {}
    shape: tuple[int, ...] = ()
    sliced = False
    for number, value in _fields(data):
        if number == 2:
            shape = _parse_shape(_message(value))
        elif number == 7:
            sliced = True
        elif number in _NUMBERS_OF_ENTRY:
            numbers[number] = _number(value)
    dtype = numbers.get(1, 0)
    return BundleEntry(
        dtype=_DTYPE_NAMES.get(dtype, f"dtype {dtype}"),
        shape=shape,
        shard=numbers.get(3, 0),
        offset=numbers.get(4, 0),
        size=numbers.get(5, 0),
        crc32c=numbers.get(6, 0),
        sliced=sliced,
    )


def _varint_field(number: int, value: int) -> bytes:
    """Return a field that is a number; as protobuf does, nothing for 0."""
    return bytes([number << 3 | VARINT]) + write_varint(value) if value else b""


def encode_header(num_shards: int) -> bytes:
    """Return the header of an index whose data are little-endian."""
    return _varint_field(1, num_shards) + length_field(3, _varint_field(1, _VERSION))


def encode_entry(entry: BundleEntry) -> bytes:
    """Return the message of one tensor that is stored whole."""
    dimensions = b"".join(length_field(2, _varint_field(1, size)) for size in entry.shape)
    return (
        _varint_field(1, _NUMBER_OF_DTYPE[entry.dtype])
        + length_field(2, dimensions)
        + _varint_field(3, entry.shard)
        + _varint_field(4, entry.offset)
        + _varint_field(5, entry.size)
        + bytes([6 << 3 | FIXED32])
        + struct.pack("<I", entry.crc32c)
    )
