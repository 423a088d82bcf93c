"""Unpack Snappy blocks, in which TensorFlow 1.1 and Google's own trainings packed the index of a checkpoint.

Only unpacking; an index is a few KB, so plain Python is quick enough.
Source: https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

from src.common.protobuf import MalformedError, read_varint

# A copy of 64 bytes takes 3: nothing can grow more than that.
_LARGEST_GROWTH = 22
_LITERAL, _COPY_1, _COPY_2 = 0, 1, 2


def unpack_snappy(data: bytes) -> bytes:
    """Return the content of a Snappy block.

    Raises:
        MalformedError: The block is damaged.
    """
    length, position = read_varint(data, 0)
    if length > _LARGEST_GROWTH * len(data):
        raise MalformedError("a Snappy block claims more content than it can hold")
    result = bytearray()
    while position < len(data):
        if data[position] & 3 == _LITERAL:
            size, position = _literal_size(data, position)
            if position + size > len(data):
                raise MalformedError("a Snappy block is cut off")
            result += data[position : position + size]
            position += size
        else:
            size, distance, position = _copy_of(data, position)
            _copy_back(result, distance, size)
        if len(result) > length:
            break
    if len(result) != length:
        raise MalformedError("a Snappy block does not have the length that it claims")
    return bytes(result)


def _little_endian(data: bytes, position: int, size: int) -> int:
    """Return the number of ``size`` bytes at ``position``."""
    if position + size > len(data):
        raise MalformedError("a Snappy block is cut off")
    return int.from_bytes(data[position : position + size], "little")


def _literal_size(data: bytes, position: int) -> tuple[int, int]:
    """Return how many bytes follow as they are, and where they begin."""
    size = data[position] >> 2
    position += 1
    if size < 60:
        return size + 1, position
    width = size - 59
    return _little_endian(data, position, width) + 1, position + width


def _copy_of(data: bytes, position: int) -> tuple[int, int, int]:
    """Return size and distance of a copy of earlier content, and the position behind it."""
    tag = data[position]
    if tag & 3 == _COPY_1:
        distance = (tag >> 5) << 8 | _little_endian(data, position + 1, 1)
        return (tag >> 2 & 7) + 4, distance, position + 2
    width = 2 if tag & 3 == _COPY_2 else 4
    return (tag >> 2) + 1, _little_endian(data, position + 1, width), position + 1 + width


def _copy_back(result: bytearray, distance: int, size: int) -> None:
    """Append ``size`` bytes that begin ``distance`` before the end; they may overlap what they append."""
    if not 0 < distance <= len(result):
        raise MalformedError("a Snappy block refers to content before its beginning")
    source = result[-distance:]
    if distance < size:
        source *= size // distance + 1
    result += source[:size]
