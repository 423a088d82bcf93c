"""Encode and decode ``tf.train.Example`` messages without TensorFlow and without protobuf.

Wire format: https://protobuf.dev/programming-guides/encoding/; messages: ``example.proto`` and ``feature.proto`` in
``tensorflow/core/example``.
Values of a whole chunk of records are decoded at once, because one numpy call over 1,000 records costs about as much as
one over a single record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from src.common.errors import DataError
from src.common.protobuf import FIXED32, LENGTH, VARINT, MalformedError, length_field, read_fields

FeatureKind = Literal["bytes", "float", "int64"]
_KIND_OF_FIELD: dict[int, FeatureKind] = {1: "bytes", 2: "float", 3: "int64"}
_MAX_VARINT_BYTES = 10


@dataclass(frozen=True)
class RawFeature:
    """One column of one record, not yet decoded.

    Args:
        kind: Which list of ``tf.train.Feature`` it is.
        payload: int64: the varints one behind the other; float: the little-endian float32 values.
        items: The values of a bytes list.
    """

    kind: FeatureKind
    payload: bytes = b""
    items: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """A column to decode.

    Args:
        name: Its name.
        kinds: The kinds that are accepted.
        length: Values in each record; ``None`` takes the first record's count, which the others must then have.
    """

    name: str
    kinds: tuple[FeatureKind, ...]
    length: int | None = None


def _feature(data: bytes, begin: int, end: int) -> RawFeature | None:
    """Return the ``tf.train.Feature`` between two positions; ``None`` when no list is set."""
    feature = None
    for number, wire, list_begin, list_end in read_fields(data, begin, end):
        kind = _KIND_OF_FIELD.get(number)
        if kind is None or wire != LENGTH:
            continue
        pieces: list[bytes] = []
        value_wires = {"bytes": (LENGTH,), "float": (LENGTH, FIXED32), "int64": (LENGTH, VARINT)}[kind]
        for value_number, value_wire, value_begin, value_end in read_fields(data, list_begin, list_end):
            if value_number != 1:
                continue
            if value_wire not in value_wires:
                raise MalformedError(f"a {kind} list holds a value of wire type {value_wire}")
            # Packed and unpacked values alike: without their tags, the bytes of both are the same.
            pieces.append(data[value_begin:value_end])
        feature = RawFeature(kind, items=tuple(pieces)) if kind == "bytes" else RawFeature(kind, b"".join(pieces))
    return feature


def _entry(data: bytes, begin: int, end: int) -> tuple[str, RawFeature | None]:
    """Return name and feature of one entry of the map ``Features.feature``."""
    name, feature = "", None
    for number, wire, value_begin, value_end in read_fields(data, begin, end):
        if wire != LENGTH:
            continue
        if number == 1:
            name = data[value_begin:value_end].decode("utf-8")
        elif number == 2:
            feature = _feature(data, value_begin, value_end)
    return name, feature


def parse_example(data: bytes, where: str) -> dict[str, RawFeature]:
    """Return the columns of one serialized ``tf.train.Example``; columns without a list are left out.

    Raises:
        DataError: The bytes are no ``tf.train.Example``; the message begins with ``where``.
    """
    features: dict[str, RawFeature] = {}
    try:
        for number, wire, begin, end in read_fields(data, 0, len(data)):
            if number != 1 or wire != LENGTH:
                raise MalformedError("the record does not begin with its features")
            for entry_number, entry_wire, entry_begin, entry_end in read_fields(data, begin, end):
                if entry_number != 1 or entry_wire != LENGTH:
                    raise MalformedError("an entry of the features is of the wrong type")
                name, feature = _entry(data, entry_begin, entry_end)
                if feature is not None:
                    features[name] = feature
    except (MalformedError, UnicodeDecodeError) as error:
        raise DataError(f"not a tf.train.Example: {error}", where, "write the file again") from error
    return features


def decode_varints(payloads: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Decode the packed varints of many records.

    Returns:
        All values, int64[total], and the count of each record, int64[len(payloads)].

    Raises:
        ValueError: A payload ends within a number, or a number has more than 10 bytes; ``args[1]`` is its index.
    """
    sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    data = np.frombuffer(b"".join(payloads), np.uint8)
    last = data < 0x80
    bounds = np.cumsum(sizes)
    filled = np.flatnonzero(sizes)
    cut = filled[~last[bounds[filled] - 1]]
    if len(cut):
        raise ValueError("a number is cut off", int(cut[0]))
    counts = np.diff(np.concatenate(([0], np.cumsum(last)))[bounds], prepend=0)
    if len(data) == 0 or bool(last.all()):
        return data.astype(np.int64), counts
    ends = np.flatnonzero(last)
    starts = np.concatenate(([0], ends[:-1] + 1))
    widths = ends - starts + 1
    if int(widths.max()) > _MAX_VARINT_BYTES:
        bad = int(starts[np.argmax(widths > _MAX_VARINT_BYTES)])
        raise ValueError("a number has more than 10 bytes", int(np.searchsorted(bounds, bad, side="right")))
    values = (data[starts] & 0x7F).astype(np.uint64)
    for byte in range(1, int(widths.max())):
        more = np.flatnonzero(widths > byte)
        values[more] |= (data[starts[more] + byte] & 0x7F).astype(np.uint64) << np.uint64(7 * byte)
    return values.view(np.int64), counts


def decode_columns(rows: Sequence[Mapping[str, RawFeature]], wanted: Wanted, where: Callable[[int], str]) -> np.ndarray:
    """Decode one column of a chunk of records.

    Args:
        rows: The parsed records.
        wanted: Which column, of which kinds and length.
        where: Names the place of the record with the given index in ``rows``, for messages.

    Returns:
        int64[B, length] or float32[B, length].

    Raises:
        DataError: The column is missing in a record, of another kind, damaged, or of another length.
    """
    for index, row in enumerate(rows):
        if wanted.name not in row:
            there = ", ".join(sorted(row)) or "none"
            raise DataError(f"column '{wanted.name}' is missing; columns there: {there}", where(index))
        kind = row[wanted.name].kind
        if kind not in wanted.kinds:
            accepted = " or ".join(wanted.kinds)
            raise DataError(f"column '{wanted.name}' holds {kind} values, {accepted} expected", where(index))
        if kind != rows[0][wanted.name].kind:
            raise DataError(f"column '{wanted.name}' holds {kind} values, other kinds before", where(index))
    values, counts = _decode(rows, wanted.name, where)
    length = int(counts[0]) if wanted.length is None else wanted.length
    if bool((counts != length).any()):
        index = int(np.argmax(counts != length))
        raise DataError(f"column '{wanted.name}' has {counts[index]} values, {length} expected", where(index))
    return values.reshape(len(rows), length)


def _decode(
    rows: Sequence[Mapping[str, RawFeature]], name: str, where: Callable[[int], str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of all records, one behind the other, and the count of each."""
    payloads = [row[name].payload for row in rows]
    if rows[0][name].kind == "int64":
        try:
            return decode_varints(payloads)
        except ValueError as error:
            raise DataError(f"column '{name}': {error.args[0]}", where(error.args[1])) from error
    for index, payload in enumerate(payloads):
        if len(payload) % 4:
            raise DataError(f"column '{name}': a float is cut off", where(index))
    counts = np.fromiter((len(payload) // 4 for payload in payloads), np.int64, len(payloads))
    return np.frombuffer(b"".join(payloads), "<f4").astype(np.float32), counts


def _encode_varints(values: np.ndarray) -> bytes:
    """Return int64 values as packed varints; negative ones take 10 bytes, as the format demands."""
    if len(values) == 0 or (int(values.min()) >= 0 and int(values.max()) < 0x80):
        return values.astype(np.uint8).tobytes()
    left = values.astype(np.int64).view(np.uint64)
    planes = np.zeros((len(values), _MAX_VARINT_BYTES), np.uint8)
    used = np.zeros(planes.shape, bool)
    used[:, 0] = True
    for byte in range(_MAX_VARINT_BYTES):
        planes[:, byte] = (left & np.uint64(0x7F)).astype(np.uint8)
        left = left >> np.uint64(7)
        more = left > 0
        if not bool(more.any()):
            break
        planes[more, byte] |= 0x80
        used[more, byte + 1] = True
    return planes[used].tobytes()


def _encode_feature(value: np.ndarray | Sequence[bytes]) -> bytes:
    """Return a serialized ``tf.train.Feature``: integers, floats (as float32) or bytes."""
    if not isinstance(value, np.ndarray):
        return length_field(1, b"".join(length_field(1, item) for item in value))
    if value.dtype.kind == "f":
        return length_field(2, length_field(1, value.astype("<f4").tobytes()))
    return length_field(3, length_field(1, _encode_varints(value)))


def encode_example(columns: Mapping[str, np.ndarray | Sequence[bytes]]) -> bytes:
    """Return a serialized ``tf.train.Example``; columns are sorted by name, as TensorFlow's deterministic form is."""
    entries = (
        length_field(1, length_field(1, name.encode()) + length_field(2, _encode_feature(columns[name])))
        for name in sorted(columns)
    )
    return length_field(1, b"".join(entries))
