from __future__ import annotations

import pytest

from src.common.protobuf import MalformedError, write_varint
from src.weights.tf_snappy import unpack_snappy
from tests.weights.bundle_samples import snappy_literals


@pytest.mark.parametrize(
    ("packed", "content"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        # Literals whose length stands in one and in two bytes behind the tag.
        (b"\x3d\xf0\x3c" + b"x" * 61, b"x" * 61),
        (write_varint(300) + b"\xf4\x2b\x01" + b"y" * 300, b"y" * 300),
        # Copies: one byte of distance (5 bytes from 3 before, overlapping), two bytes, four bytes.
        (b"\x08\x08abc\x05\x03", b"abcabcab"),
        (b"\x06\x08abc\x0a\x03\x00", b"abcabc"),
        (b"\x06\x08abc\x0b\x03\x00\x00\x00", b"abcabc"),
        # A distance of more than 255, whose upper bits stand in the tag.
        (write_varint(264) + b"\xf4\x03\x01" + bytes(range(256)) + b"abcd" + b"\x21\x04", None),
    ],
)
def test_elements_of_the_format(packed: bytes, content: bytes | None) -> None:
    expected = bytes(range(256)) + b"abcd" + bytes(range(4)) if content is None else content
    assert unpack_snappy(packed) == expected


def test_long_literals() -> None:
    content = bytes(range(256)) * 9
    assert unpack_snappy(snappy_literals(content)) == content


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "cut off"),
        (b"\x03\x08ab", "cut off"),
        (b"\x0a\xf0", "cut off"),
        (b"\x08\x08abc\x05", "cut off"),
        (b"\x06\x08abc\x0b\x03\x00", "cut off"),
        (b"\x08\x08abc\x05\x04", "before its beginning"),
        (b"\x08\x08abc\x05\x00", "before its beginning"),
        (b"\x04\x08abc", "length that it claims"),
        (b"\x02\x08abc", "length that it claims"),
        (write_varint(1 << 40) + b"\x08abc", "more content than it can hold"),
    ],
)
def test_damage(packed: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        unpack_snappy(packed)
