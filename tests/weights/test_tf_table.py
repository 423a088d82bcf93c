from __future__ import annotations

import struct

import pytest

from src.common.protobuf import MalformedError
from src.data.tfrecord import masked_crc32c
from src.weights.tf_table import NoTableError, is_table, read_table
from tests.weights.bundle_samples import first_block, snappy_literals, table, table_of_block

ITEMS = {f"layer_{number:04d}/kernel".encode(): bytes([number % 251]) * (number % 40) for number in range(700)}


def test_round_trip_of_many_blocks_and_restart_points() -> None:
    data = table(ITEMS)
    assert dict(read_table(data)) == ITEMS
    assert is_table(data)


def test_round_trip_without_items() -> None:
    assert dict(read_table(table({}))) == {}


def test_bytes_are_as_the_format_says() -> None:
    block = b"\x00\x04\x01" + b"abcd1" + b"\x03\x01\x02" + b"e22" + struct.pack("<II", 0, 1)
    data = table({b"abcd": b"1", b"abce": b"22"})
    assert data.startswith(block + b"\0" + struct.pack("<I", masked_crc32c(block + b"\0")))
    assert data == table_of_block(block, last_key=b"abce")


def test_every_sixteenth_key_is_whole() -> None:
    block = first_block(table(dict(list(ITEMS.items())[:33])))
    assert struct.unpack("<I", block[-4:]) == (3,)
    for restart in struct.unpack("<3I", block[-16:-4]):
        assert block[restart] == 0  # nothing is shared with the key before


def test_compressed_with_snappy() -> None:
    items = dict(list(ITEMS.items())[:30])
    data = table_of_block(snappy_literals(first_block(table(items))), compression=1)
    assert dict(read_table(data)) == items


@pytest.mark.parametrize("data", [b"", b"short", bytes(100), table(ITEMS)[:-1]])
def test_no_table(data: bytes) -> None:
    assert not is_table(data[-8:])
    with pytest.raises(NoTableError, match="mark of an index table"):
        list(read_table(data))


RESTARTS = struct.pack("<II", 0, 1)


@pytest.mark.parametrize(
    ("block", "compression", "message"),
    [
        (b"", 0, "restart points"),
        (struct.pack("<I", 0), 0, "restart points"),
        (struct.pack("<I", 2**32 - 1), 0, "restart points"),
        (b"\x00\x01\x09a1" + RESTARTS, 0, "beyond its block"),
        (b"\x01\x01\x01a1" + RESTARTS, 0, "beyond its block"),
        (b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a1" + RESTARTS, 0, "beyond its block"),
        (b"\x00\x01\x01b1\x00\x01\x01a2" + RESTARTS, 0, "not in order"),
        (b"\x00\x01\x01a1\x00\x01\x01a2" + RESTARTS, 0, "not in order"),
        (b"\x00\x01\x01a1" + RESTARTS, 1, "Snappy"),
        (b"\x00\x01\x01a1" + RESTARTS, 2, r"unknown way \(type 2\)"),
    ],
)
def test_damaged_blocks_with_right_checksums(block: bytes, compression: int, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        list(read_table(table_of_block(block, compression)))


def test_wrong_checksum_names_the_block() -> None:
    data = bytearray(table(ITEMS))
    data[5] ^= 1
    with pytest.raises(MalformedError, match=r"block at byte 0 is damaged \(checksum"):
        list(read_table(bytes(data)))


def test_place_beyond_the_end() -> None:
    data = table(ITEMS)
    with pytest.raises(MalformedError, match="beyond the end"):
        list(read_table(data[1000:]))
