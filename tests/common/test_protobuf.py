from __future__ import annotations

import pytest

from src.common.protobuf import MalformedError, length_field, read_fields, read_varint, write_varint


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (2**64 - 1, b"\xff" * 9 + b"\x01")],
)
def test_numbers_of_the_format(value: int, data: bytes) -> None:
    assert write_varint(value) == data
    assert read_varint(b"x" + data + b"y", 1) == (value, 1 + len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9])
def test_a_number_that_is_cut_off(data: bytes) -> None:
    with pytest.raises(MalformedError, match="cut off"):
        read_varint(data, 0)


def test_a_number_ends_where_its_message_ends() -> None:
    with pytest.raises(MalformedError, match="cut off"):
        read_varint(b"\x80\x01", 0, 1)


@pytest.mark.parametrize("data", [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01", b"\xff" * 20])
def test_a_number_of_more_than_64_bits(data: bytes) -> None:
    with pytest.raises(MalformedError, match="64 bits"):
        read_varint(data, 0)


def test_fields_of_every_wire_type() -> None:
    data = b"\x08\x96\x01" + length_field(2, b"text") + b"\x1d" + bytes(4) + b"\x21" + bytes(8)
    found = [(number, wire, data[begin:end]) for number, wire, begin, end in read_fields(data)]
    assert found == [(1, 0, b"\x96\x01"), (2, 2, b"text"), (3, 5, bytes(4)), (4, 1, bytes(8))]
    assert [field[0] for field in read_fields(data, 3, 9)] == [2]
    assert list(read_fields(b"")) == []


def test_a_field_with_a_number_of_several_bytes() -> None:
    assert length_field(2, b"a" * 300)[:3] == b"\x12\xac\x02"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "cut off"),
        (b"\x12\x05ab", "beyond the end"),
        (b"\x1d\0\0", "beyond the end"),
        (b"\x00\x01", "beyond the end"),
        (b"\x0b", "wire type 3 does not exist"),
    ],
)
def test_damaged_messages(data: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        list(read_fields(data))
