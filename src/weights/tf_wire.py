"""Variable-length numbers, which LevelDB tables, protobuf messages and Snappy blocks write in the same way.

Source: https://protobuf.dev/programming-guides/encoding/#varints
"""

from __future__ import annotations

_LIMIT = 1 << 64


class MalformedError(ValueError):
    """The bytes do not follow their format; whoever knows the file turns it into an error for the user."""


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number of at most 64 bits at ``position``, and the position behind it.

    Raises:
        MalformedError: The number is cut off or has more than 64 bits.
    """
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if value >= _LIMIT:
            break
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
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
