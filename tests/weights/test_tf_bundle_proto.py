from __future__ import annotations

import pytest

from src.common.protobuf import MalformedError
from src.weights.tf_bundle_proto import (
    BundleEntry,
    BundleHeader,
    encode_entry,
    encode_header,
    parse_entry,
    parse_header,
)
from tests.weights.bundle_samples import HEADER, entry, message_field, number_field

# float32[513, 128] at byte 644096 with 262656 bytes, as a checkpoint of TensorFlow has it.
BYTES = bytes.fromhex("0801 120a 1203 088104 1203 088001 2080a827 28808410 354c792d56")
ENTRY = BundleEntry("float32", (513, 128), 0, 644096, 262656, 0x562D794C)


def test_entry_as_in_a_file_of_tensorflow() -> None:
    assert parse_entry(BYTES) == ENTRY
    assert encode_entry(ENTRY) == BYTES


def test_header() -> None:
    assert encode_header(1) == HEADER
    assert parse_header(HEADER) == BundleHeader(1)
    versions = message_field(3, number_field(1, 7) + number_field(2, 2))
    assert parse_header(number_field(1, 3) + number_field(2, 1) + versions) == BundleHeader(3, True, 2)
    assert parse_header(b"").num_shards == 0


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "float32"), (3, "int32"), (7, "string"), (9, "int64"), (14, "bfloat16"), (19, "float16"), (99, "dtype 99")],
)
def test_dtypes(number: int, name: str) -> None:
    assert parse_entry(entry(dtype=number)).dtype == name


def test_negative_numbers_empty_dimensions_and_unknown_fields() -> None:
    more = message_field(15, b"new") + b"\x81\x01" + bytes(8) + b"\x8d\x01" + bytes(4)
    parsed = parse_entry(entry(shape=(-1, 0), offset=-5) + message_field(2, message_field(2, b"")) + more)
    assert parsed.offset == -5
    assert parsed.shape == (0,)  # the last one counts; protobuf leaves a dimension of 0 out
    assert parse_entry(entry(shape=(-1,))).shape == (-1,)


def test_slices() -> None:
    assert parse_entry(entry(shape=(4,)) + message_field(7, b"")).sliced
    assert not parse_entry(entry(shape=(4,))).sliced


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "cut off"),
        (b"\x12\x05ab", "beyond the end of its message"),
        (b"\x35\x01\x02", "beyond the end of its message"),
        (b"\x0b", "wire type 3"),
        (number_field(2, 1), "should be a message"),
        (message_field(4, b"12"), "should be a number"),
        (message_field(2, number_field(3, 1)), "number of dimensions is unknown"),
    ],
)
def test_malformed_entries(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        parse_entry(data)


@pytest.mark.parametrize("data", [message_field(1, b"meta"), number_field(3, 1), b"\x08"])
def test_malformed_headers(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_header(data)
