from __future__ import annotations

import pytest

from src.weights.tf_wire import MalformedError, read_varint, write_varint


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (2**64 - 1, b"\xff" * 9 + b"\x01")],
)
def test_numbers_of_the_format(value: int, data: bytes) -> None:
    assert write_varint(value) == data
    assert read_varint(b"x" + data + b"y", 1) == (value, 1 + len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9])
def test_cut_off(data: bytes) -> None:
    with pytest.raises(MalformedError, match="cut off"):
        read_varint(data, 0)


@pytest.mark.parametrize("data", [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01", b"\xff" * 20])
def test_more_than_64_bits(data: bytes) -> None:
    with pytest.raises(MalformedError, match="64 bits"):
        read_varint(data, 0)
