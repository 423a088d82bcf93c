"""Read and write sorted tables of keys and values in the form of LevelDB, which TensorFlow's index files have.

A table is: data blocks, an empty meta-index block, an index block (last key of each data block -> offset and size of
that block), a footer of 48 bytes. Behind every block stand one byte of compression and the masked CRC32C of both.
Within a block a key is stored as the length that it shares with the key before, and the rest; every 16th key is whole
(a restart point), and the block ends with the offsets of these and their count.
Source: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from src.common.protobuf import MalformedError, read_varint, write_varint
from src.data.tfrecord import masked_crc32c
from src.weights.tf_snappy import unpack_snappy

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_RESTART_INTERVAL = 16
_BLOCK_BYTES = 4096
_NO_COMPRESSION, _SNAPPY = 0, 1
_FIXED32 = struct.Struct("<I")
_FIXED64 = struct.Struct("<Q")

Item = tuple[bytes, bytes]


class NoTableError(MalformedError):
    """The file does not end as a table does."""


def is_table(tail: bytes) -> bool:
    """Tell whether ``tail``, the end of a file, is the end of a table."""
    return len(tail) >= _FIXED64.size and _FIXED64.unpack_from(tail, len(tail) - _FIXED64.size)[0] == _MAGIC


def read_table(data: bytes) -> Iterator[Item]:
    """Yield the keys and values of a table, every checksum verified.

    Raises:
        NoTableError: The bytes do not end as a table does.
        MalformedError: The table is damaged, its keys are not in order, or its compression is unknown.
    """
    if len(data) < _FOOTER_BYTES or not is_table(data):
        raise NoTableError("it does not end with the mark of an index table")
    blocks, footer = data[:-_FOOTER_BYTES], data[-_FOOTER_BYTES:]
    _, _, position = _handle(footer, 0)
    begin, size, _ = _handle(footer, position)
    previous: bytes | None = None
    for _, handle in _items(_block(blocks, begin, size)):
        block_begin, block_size, end = _handle(handle, 0)
        if end != len(handle):
            raise MalformedError("the place of a block is damaged")
        for key, value in _items(_block(blocks, block_begin, block_size)):
            if previous is not None and key <= previous:
                raise MalformedError("the names are not in order")
            previous = key
            yield key, value


def _handle(data: bytes, position: int) -> tuple[int, int, int]:
    """Return offset and size of the block that ``position`` tells of, and the position behind."""
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return offset, size, position


def _block(data: bytes, begin: int, size: int) -> bytes:
    """Return the unpacked content of a block."""
    end = begin + size
    if end + _TRAILER_BYTES > len(data):
        raise MalformedError(f"the block at byte {begin} reaches beyond the end of the table")
    if _FIXED32.unpack_from(data, end + 1)[0] != masked_crc32c(data[begin : end + 1]):
        raise MalformedError(f"the block at byte {begin} is damaged (checksum differs)")
    if data[end] == _NO_COMPRESSION:
        return data[begin:end]
    if data[end] == _SNAPPY:
        return unpack_snappy(data[begin:end])
    raise MalformedError(f"the block at byte {begin} is compressed in an unknown way (type {data[end]})")


def _items(block: bytes) -> Iterator[Item]:
    """Yield the keys and values of one block."""
    restarts = _FIXED32.unpack_from(block, len(block) - _FIXED32.size)[0] if len(block) >= _FIXED32.size else 0
    end = len(block) - _FIXED32.size * (1 + restarts)
    if restarts == 0 or end < 0:
        raise MalformedError("a block does not end with its restart points")
    position, key = 0, b""
    while position < end:
        shared, position = read_varint(block, position)
        added, position = read_varint(block, position)
        length, position = read_varint(block, position)
        if shared > len(key) or position + added + length > end:
            raise MalformedError("an entry reaches beyond its block")
        key = key[:shared] + block[position : position + added]
        position += added
        yield key, block[position : position + length]
        position += length


class _BlockBuilder:
    """Collects sorted keys and values in the form of a block."""

    def __init__(self) -> None:
        self.last_key = b""
        self.count = 0
        self._content = bytearray()
        self._restarts: list[int] = [0]

    def add(self, key: bytes, value: bytes) -> None:
        """Append a key, which must be larger than the one before."""
        shared = 0
        if self.count and self.count % _RESTART_INTERVAL == 0:
            self._restarts.append(len(self._content))
        elif self.count:
            shared = _shared_length(self.last_key, key)
        self._content += write_varint(shared) + write_varint(len(key) - shared) + write_varint(len(value))
        self._content += key[shared:] + value
        self.last_key = key
        self.count += 1

    def is_full(self) -> bool:
        """Tell whether the next key should go into another block."""
        return len(self._content) >= _BLOCK_BYTES

    def finish(self) -> bytes:
        """Return the block."""
        restarts = struct.pack(f"<{len(self._restarts)}I", *self._restarts)
        return bytes(self._content) + restarts + _FIXED32.pack(len(self._restarts))


def _shared_length(first: bytes, second: bytes) -> int:
    """Return how many bytes two keys have in common at their beginning."""
    length = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        length += 1
    return length


def _write_block(stream: BinaryIO, content: bytes) -> bytes:
    """Write a block without compression; return the bytes that tell where it is."""
    handle = write_varint(stream.tell()) + write_varint(len(content))
    content += bytes([_NO_COMPRESSION])
    stream.write(content + _FIXED32.pack(masked_crc32c(content)))
    return handle


def write_table(stream: BinaryIO, items: Iterable[Item]) -> None:
    """Write a table to an empty stream.

    Args:
        stream: Where to write.
        items: Keys and values, sorted by key, no key twice.
    """
    index, block = _BlockBuilder(), _BlockBuilder()
    for key, value in items:
        if block.is_full():
            index.add(block.last_key, _write_block(stream, block.finish()))
            block = _BlockBuilder()
        block.add(key, value)
    if block.count:
        index.add(block.last_key, _write_block(stream, block.finish()))
    meta_handle = _write_block(stream, _BlockBuilder().finish())
    footer = meta_handle + _write_block(stream, index.finish())
    stream.write(footer.ljust(_FOOTER_BYTES - _FIXED64.size, b"\0") + _FIXED64.pack(_MAGIC))
