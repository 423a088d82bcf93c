from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.tfrecord import (
    TFRecordIndex,
    TFRecordWriter,
    is_tfrecord_header,
    masked_crc32c,
    read_tfrecord,
)

RECORDS = [b"first", b"", b"\x00\xff" * 40, b"last record"]


def slow_masked_crc32c(data: bytes) -> int:
    # Bit by bit from the polynomial's definition, independent of the library.
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write(path: Path, records: list[bytes] = RECORDS) -> Path:
    with TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def test_bytes_are_as_the_format_says(tmp_path: Path) -> None:
    expected = b""
    for record in RECORDS:
        length = struct.pack("<Q", len(record))
        expected += length + struct.pack("<I", slow_masked_crc32c(length))
        expected += record + struct.pack("<I", slow_masked_crc32c(record))
    assert write(tmp_path / "a").read_bytes() == expected


def test_checksum_equals_the_definition() -> None:
    for data in (b"", b"a", b"123456789", bytes(range(256))):
        assert masked_crc32c(data) == slow_masked_crc32c(data)


def test_round_trip_plain_and_gzip(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.tfrecord")
    packed = tmp_path / "a.tfrecord.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_tfrecord(plain)) == RECORDS
    assert list(read_tfrecord(packed)) == RECORDS


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    good = write(tmp_path / "good").read_bytes()
    path = tmp_path / "bad"
    begins = np.cumsum([0] + [len(record) + 16 for record in RECORDS])
    for position in range(len(good)):
        data = bytearray(good)
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        number = int(np.searchsorted(begins, position, side="right")) - 1
        with pytest.raises(DataError, match=f"bad: record {number} .byte {begins[number]}.*damaged"):
            list(read_tfrecord(path))


def test_every_cut_is_noticed_but_those_between_records(tmp_path: Path) -> None:
    good = write(tmp_path / "good").read_bytes()
    path = tmp_path / "bad"
    ends = np.cumsum([len(record) + 16 for record in RECORDS]).tolist()
    for size in range(len(good)):
        path.write_bytes(good[:size])
        if size in ends:
            assert list(read_tfrecord(path)) == RECORDS[: ends.index(size) + 1]
            continue
        with pytest.raises(DataError, match=r"bad: .*(cut off|empty)"):
            list(read_tfrecord(path))


def test_every_cut_and_flip_of_gzip_is_noticed(tmp_path: Path) -> None:
    good = gzip.compress(write(tmp_path / "good").read_bytes())
    path = tmp_path / "bad"
    for size in range(len(good)):
        path.write_bytes(good[:size])
        with pytest.raises(DataError, match="bad"):
            list(read_tfrecord(path))
    # Bytes 3 to 9 of a gzip header are flags, time and system: they do not matter to the content.
    for position in (0, 1, 2, *range(10, len(good))):
        data = bytearray(good)
        data[position] ^= 0x21
        path.write_bytes(data)
        with pytest.raises(DataError, match="bad"):
            list(read_tfrecord(path))


def test_records_before_the_damage_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:-3])
    reader = read_tfrecord(path)
    assert [next(reader) for _ in range(3)] == RECORDS[:3]
    with pytest.raises(DataError, match=r"record 3 .*cut off"):
        next(reader)


def test_huge_length_is_refused_without_reading_it(tmp_path: Path) -> None:
    length = struct.pack("<Q", 1 << 60)
    (tmp_path / "a").write_bytes(length + struct.pack("<I", masked_crc32c(length)) + b"x")
    with pytest.raises(DataError, match="cut off"):
        list(read_tfrecord(tmp_path / "a"))
    with pytest.raises(DataError, match="cut off"):
        TFRecordIndex(tmp_path / "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"text, not records, of some length", "no TFRecord file"), (b"short", "cut off")],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(content)
    for read in (lambda path: list(read_tfrecord(path)), TFRecordIndex):
        with pytest.raises(DataError, match=message):
            read(tmp_path / "a")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_tfrecord(tmp_path / "none"))
    with pytest.raises(DataError, match="cannot read"):
        list(read_tfrecord(tmp_path))


def test_header_detection(tmp_path: Path) -> None:
    data = write(tmp_path / "a").read_bytes()
    assert is_tfrecord_header(data[:12])
    assert not is_tfrecord_header(data[:11])
    assert not is_tfrecord_header(b"x" * 12)


def test_index_reads_any_record(tmp_path: Path) -> None:
    index = TFRecordIndex(write(tmp_path / "a"))
    assert len(index) == len(RECORDS)
    assert [index.read(number) for number in (3, 0, 2, 1)] == [RECORDS[number] for number in (3, 0, 2, 1)]
    with pytest.raises(IndexError):
        index.read(4)
    with pytest.raises(IndexError):
        index.read(-1)


def test_a_closed_index_opens_its_file_again(tmp_path: Path) -> None:
    index = TFRecordIndex(write(tmp_path / "a"))
    index.read(0)
    index.close()
    index.close()
    assert index.read(2) == RECORDS[2]
    index.close()
    (tmp_path / "a").unlink()
    with pytest.raises(DataError, match="there is no such file"):
        index.read(2)


def test_index_notices_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(DataError, match=r"record 3 .*cut off"):
        TFRecordIndex(path)
    data = bytearray(good)
    data[13] ^= 1
    path.write_bytes(data)
    index = TFRecordIndex(path)
    with pytest.raises(DataError, match=r"record 0 .*damaged"):
        index.read(0)
    assert index.read(3) == RECORDS[3]
    path.write_bytes(gzip.compress(good))
    with pytest.raises(DataError, match="random access"):
        TFRecordIndex(path)
