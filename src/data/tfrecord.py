"""Write and read TFRecord files without TensorFlow, every checksum verified.

A record is: length (uint64, little-endian), masked CRC32C of those 8 bytes (uint32), the data, masked CRC32C of the
data (uint32); see ``tensorflow/core/lib/io/record_writer.h``. MindSpore's own reader accepts records whose checksum is
wrong, so files of this project are always read here.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import google_crc32c
import numpy as np

from src.common.errors import DataError

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CRC.size
_GZIP_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20
_COPY_AGAIN = "copy or write the file again"


def masked_crc32c(data: bytes) -> int:
    """Return the CRC32C of ``data``, rotated and shifted as the format demands (a CRC of CRCs is weak)."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def is_tfrecord_header(head: bytes) -> bool:
    """Tell whether ``head``, a file's first 12 bytes, begins an uncompressed TFRecord file."""
    return len(head) >= _HEADER_BYTES and _CRC.unpack_from(head, _LENGTH.size)[0] == masked_crc32c(head[: _LENGTH.size])


def is_gzip_header(head: bytes) -> bool:
    """Tell whether ``head`` begins a gzip file."""
    return head.startswith(_GZIP_MAGIC)


class TFRecordWriter:
    """Append records to a new file; a context manager.

    It writes straight to ``path``: give it the temporary name of ``src.common.files.atomic_path``.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb", buffering=_BUFFER_BYTES)

    def write(self, data: bytes) -> None:
        """Append one record."""
        length = _LENGTH.pack(len(data))
        self._stream.write(length + _CRC.pack(masked_crc32c(length)) + data + _CRC.pack(masked_crc32c(data)))

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()


def _place(path: Path, number: int, offset: int) -> str:
    """Name a record, counted from 0, for messages."""
    return f"{path}: record {number} (byte {offset})"


def _length_of(header: bytes, where: str) -> int:
    """Return the record's length after checking its checksum."""
    if len(header) < _HEADER_BYTES:
        raise DataError("the file is cut off within a record's length", where, _COPY_AGAIN)
    length, crc = _LENGTH.unpack_from(header)[0], _CRC.unpack_from(header, _LENGTH.size)[0]
    if crc != masked_crc32c(header[: _LENGTH.size]):
        raise DataError(
            "the record's length is damaged (checksum differs), or this is no TFRecord file", where, _COPY_AGAIN
        )
    return cast(int, length)


def _checked_data(body: bytes, length: int, where: str) -> bytes:
    """Return the record's data after checking that it is whole and its checksum."""
    if len(body) < length + _CRC.size:
        raise DataError("the file is cut off within a record", where, _COPY_AGAIN)
    data = body[:length]
    if _CRC.unpack_from(body, length)[0] != masked_crc32c(data):
        raise DataError("the record's data are damaged (checksum differs)", where, _COPY_AGAIN)
    return data


def _records(stream: IO[bytes], path: Path, limit: int | None) -> Iterator[bytes]:
    """Yield the records of an open stream; ``limit`` is the stream's size in bytes where that is known."""
    number = offset = 0
    while header := stream.read(_HEADER_BYTES):
        where = _place(path, number, offset)
        length = _length_of(header, where)
        if limit is not None and offset + _HEADER_BYTES + length + _CRC.size > limit:
            # Checked before reading: a huge length must not be allocated.
            raise DataError("the file is cut off within a record", where, _COPY_AGAIN)
        yield _checked_data(stream.read(length + _CRC.size), length, where)
        number += 1
        offset += _HEADER_BYTES + length + _CRC.size
    if number == 0:
        raise DataError("the file is empty: it holds no records", str(path), _COPY_AGAIN)


def open_input(path: Path) -> IO[bytes]:
    """Open a file for reading; raise ``DataError`` when it is missing, a folder or unreadable."""
    try:
        return path.open("rb", buffering=_BUFFER_BYTES)
    except FileNotFoundError as error:
        raise DataError("there is no such file", str(path), "check the path") from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", str(path), "check the path and its permissions") from error


def read_tfrecord(path: Path) -> Iterator[bytes]:
    """Yield the data of each record of a TFRecord file, plain or gzip (told apart by its first bytes).

    Raises:
        DataError: The file is missing, empty, cut off or damaged; file, record number (from 0) and byte are named.
    """
    with open_input(path) as stream:
        head = stream.read(len(_GZIP_MAGIC))
        stream.seek(0)
        if not is_gzip_header(head):
            yield from _records(stream, path, os.fstat(stream.fileno()).st_size)
            return
        try:
            with gzip.open(stream) as unpacked:
                yield from _records(cast(IO[bytes], unpacked), path, None)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"the gzip data are damaged or cut off: {error}", str(path), _COPY_AGAIN) from error


class TFRecordIndex:
    """Random access to the records of one uncompressed TFRecord file.

    Building the index reads and checks only the records' lengths; data are checked when they are read. The file is
    opened by the first ``read`` and may be closed at any time between reads, so that many files can be used with few
    of them open. Reading is safe from several threads.

    Raises:
        DataError: As ``read_tfrecord``; also for a gzip file, which has no random access.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_input(path) as stream:
            if is_gzip_header(stream.read(len(_GZIP_MAGIC))):
                raise DataError("a gzip file has no random access", str(path), "unpack it with gunzip")
            self._offsets = np.array(self._scan(stream.fileno()), dtype=np.int64)
        self._stream: IO[bytes] | None = None

    def _scan(self, descriptor: int) -> list[int]:
        """Return the byte at which each record begins, and the file's end."""
        size = os.fstat(descriptor).st_size
        offsets = [0]
        while offsets[-1] < size:
            where = _place(self.path, len(offsets) - 1, offsets[-1])
            length = _length_of(os.pread(descriptor, _HEADER_BYTES, offsets[-1]), where)
            offsets.append(offsets[-1] + _HEADER_BYTES + length + _CRC.size)
            if offsets[-1] > size:
                raise DataError("the file is cut off within a record", where, _COPY_AGAIN)
        if size == 0:
            raise DataError("the file is empty: it holds no records", str(self.path), _COPY_AGAIN)
        return offsets

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._offsets) - 1

    def read(self, number: int) -> bytes:
        """Return the data of record ``number``, counted from 0."""
        if not 0 <= number < len(self):
            raise IndexError(f"record {number} of {len(self)}")
        begin, end = int(self._offsets[number]), int(self._offsets[number + 1])
        stream = self._stream
        if stream is None:
            stream = self._stream = open_input(self.path)
        try:
            body = os.pread(stream.fileno(), end - begin - _HEADER_BYTES, begin + _HEADER_BYTES)
        except OSError as error:
            where = _place(self.path, number, begin)
            raise DataError(f"cannot read: {error.strerror}", where, "check the disk") from error
        return _checked_data(body, end - begin - _HEADER_BYTES - _CRC.size, _place(self.path, number, begin))

    def close(self) -> None:
        """Close the file until the next ``read``."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
