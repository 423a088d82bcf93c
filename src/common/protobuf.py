"""The wire format of protobuf, read and written without protobuf; its numbers are also LevelDB's and Snappy's.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types: what stands behind the tag of a field."""
_FIXED_SIZES = {FIXED32: 4, FIXED64: 8}
_LIMIT = 1 << 64
_LAST_SHIFT = 63


class MalformedError(ValueError):
    """The bytes do not follow their format; whoever knows the file turns it into an error for the user."""


def read_varint(data: bytes, position: int, end: int | None = None) -> tuple[int, int]:
    """Return the number of at most 64 bits at ``position``, and the position behind it.

    Args:
        data: The bytes.
        position: Where the number begins.
        end: Where the message ends; ``None`` for the end of the bytes.

    Raises:
        MalformedError: The number is cut off or has more than 64 bits.
    """
    if end is None:
        end = len(data)
    value = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= _LIMIT:
                break
            return value, position
        shift += 7
        if shift > _LAST_SHIFT:
            break
    else:
        raise MalformedError("a number is cut off")
    raise MalformedError("a number has more than 64 bits")


def write_varint(value: int) -> bytes:
    """Return a number from 0 to 2**64 - 1 as a varint."""
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def read_fields(data: bytes, position: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, begin, end) of each field of the message between two positions.

    Begin and end are those of the content: of a varint its bytes, of a field with a length what follows the length.

    Raises:
        MalformedError: The bytes are no message.
    """
    if end is None:
        end = len(data)
    while position < end:
        tag, begin = read_varint(data, position, end)
        wire = tag & 7
        if wire == LENGTH:
            size, begin = read_varint(data, begin, end)
            position = begin + size
        elif wire == VARINT:
            position = read_varint(data, begin, end)[1]
        elif wire in _FIXED_SIZES:
            position = begin + _FIXED_SIZES[wire]
        else:
            raise MalformedError(f"wire type {wire} does not exist")
        if position > end or tag < 8:
            raise MalformedError("a field reaches beyond the end of its message")
        yield tag >> 3, wire, begin, position


def length_field(number: int, content: bytes) -> bytes:
    """Return a field with a length: a message, text, bytes or packed numbers."""
    return bytes((number << 3 | LENGTH,)) + write_varint(len(content)) + content
