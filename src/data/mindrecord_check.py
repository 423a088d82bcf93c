"""Check the structure of a MindRecord file in pure Python, before MindSpore's C++ code opens it.

A MindRecord of another tool has no manifest, and MindSpore may die of damage in it. This walks over everything that
the C++ reader trusts: the header, the index database, and the length of every field of every row. It cannot see changed
values, for the format has no checksums.

Layout (version 3.0, as MindSpore 2.10 writes it): the header is a little-endian uint64 length and JSON, padded to
``header_size``; pages of ``page_size`` bytes follow, blob pages with the arrays, raw pages with all else. Table INDEXES
of ``<file>.db`` says where each row lies. A row of a blob page is a little-endian uint64 length, then for each blob
field a big-endian uint64 length and its bytes. Integer arrays are compressed: a big-endian uint32 count, 2 bits each
for the width (1, 2, 4, 8 bytes), then the values.
"""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.common.errors import DataError
from src.data.tfrecord import open_input

_FIX = "copy or write the file again"
_LARGEST_HEADER = 128 << 20
# How many bytes the four values take whose 2-bit width codes share a byte.
_WIDTHS_OF_CODES = bytes(sum(1 << (code >> shift & 3) for shift in (0, 2, 4, 6)) for code in range(256))
_ITEM_BYTES = {"int32": 4, "int64": 8, "float32": 4, "float64": 8}
# What a raw page holds of a row without scalar columns: a length, and {"id": 0} as msgpack.
_RAW_ROW = b"\x05\0\0\0\0\0\0\0\x81\xa2id\0"
_INDEX_QUERY = (
    "SELECT ROW_ID, PAGE_ID_RAW, PAGE_OFFSET_RAW, PAGE_OFFSET_RAW_END, PAGE_ID_BLOB, PAGE_OFFSET_BLOB,"
    " PAGE_OFFSET_BLOB_END, ROW_GROUP_ID FROM INDEXES ORDER BY ROW_ID"
)
_Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """Base of the header's parts: what is missing, unknown or of another type is damage."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _RowGroup(_Part):
    id: _Count
    offset: _Count


class _Page(_Part):
    end_row_id: _Count
    page_id: _Count
    page_size: _Count
    page_type: Literal["BLOB_DATA", "RAW_DATA"]
    page_type_id: _Count
    row_group_ids: list[_RowGroup]
    shard_id: _Count
    start_row_id: _Count


class _ColumnType(_Part):
    type: str
    shape: list[int] | None = None


class _Schema(_Part):
    blob_fields: list[str]
    desc: str
    columns: dict[str, _ColumnType] = Field(alias="schema")


class _Header(_Part):
    header_size: _Count
    page_size: int = Field(ge=1)
    compression_size: _Count = 0  # bytes that compression saved: nothing to check
    index_fields: Any
    page: list[_Page]
    schemas: list[_Schema] = Field(alias="schema", min_length=1, max_length=1)
    shard_addresses: list[str]
    shard_id: _Count
    statistics: Any
    version: Literal["3.0"]


@dataclass(frozen=True)
class MindRecordHeader:
    """What one MindRecord file says about itself.

    Attributes:
        columns: Names of its columns.
        shard_names: Names of all shards it was written with, in order.
        rows: Rows of this file.
    """

    columns: tuple[str, ...]
    shard_names: tuple[str, ...]
    rows: int


def is_mindrecord_header(head: bytes) -> bool:
    """Tell whether ``head``, at least a file's first 22 bytes, begins a MindRecord."""
    return head[8:22] == b'{"header_size"' and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER


def check_mindrecord(path: Path) -> MindRecordHeader:
    """Check the structure of one MindRecord file and its index database.

    Raises:
        DataError: The file or its ``.db`` is missing, renamed, cut off or damaged, or of an unknown version, or it
            has scalar, text or bytes columns, which records of this project never have.
    """
    with open_input(path) as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise DataError("the file is empty", str(path), _FIX) from error
    with data:
        header = _read_header(data, path)
        # Older writers stored the path; MindSpore looks at the last part only.
        names = tuple(Path(name).name for name in header.shard_addresses)
        if path.name not in names:
            what = f"the MindRecord was renamed, its name inside is {', '.join(names)}"
            raise DataError(what, str(path), "give it its name back")
        rows = _check_pages(header, len(data), path)
        _check_rows(data, _read_index(path, rows), header, path)
    return MindRecordHeader(tuple(header.schemas[0].columns), names, rows)


def _read_header(data: mmap.mmap, path: Path) -> _Header:
    """Return the checked JSON header."""
    if not is_mindrecord_header(data[:22]):
        raise DataError("this is no MindRecord file, or its header is damaged", str(path), _FIX)
    length = int.from_bytes(data[:8], "little")
    try:
        header = _Header.model_validate_json(data[8 : 8 + length])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "header"
        what = f"the MindRecord header is damaged or of an unknown version ({place}: {first['msg']})"
        raise DataError(what, str(path), _FIX) from error
    schema = header.schemas[0]
    for name, column in schema.columns.items():
        if column.type not in _ITEM_BYTES or column.shape is None:
            raise DataError(f"column '{name}' holds no arrays of numbers", str(path), "convert the data again")
    if sorted(schema.blob_fields) != sorted(schema.columns) or length + 8 > header.header_size:
        raise DataError("the MindRecord header contradicts itself", str(path), _FIX)
    return header


def _check_pages(header: _Header, file_bytes: int, path: Path) -> int:
    """Check that all pages lie in the file and follow each other; return the number of rows."""
    rows = 0
    for number, page in enumerate(header.page):
        end = header.header_size + number * header.page_size + page.page_size
        begins = [group.offset for group in page.row_group_ids]
        if page.page_id != number or max(page.page_size, *begins, 0) > header.page_size or end > file_bytes:
            raise DataError(f"page {number} of the MindRecord lies outside the file: it is cut off", str(path), _FIX)
        if page.page_type == "BLOB_DATA":
            if page.start_row_id != rows or page.end_row_id < rows:
                raise DataError(f"page {number} of the MindRecord has wrong row numbers", str(path), _FIX)
            rows = page.end_row_id
    return rows


def _read_index(path: Path, rows: int) -> np.ndarray:
    """Return the index as int64[rows, 8], its columns in the order of ``_INDEX_QUERY``."""
    place = path.with_name(path.name + ".db")
    if not place.is_file():
        raise DataError("the index file of the MindRecord is missing", str(place), "keep both files side by side")
    try:
        connection = sqlite3.connect(f"{place.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            checks = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
            names = [row[0] for row in connection.execute("SELECT NAME FROM SHARD_NAME")]
            index = np.array(connection.execute(_INDEX_QUERY).fetchall(), dtype=np.int64).reshape(-1, 8)
        finally:
            connection.close()
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"the index file of the MindRecord is damaged ({error})", str(place), _FIX) from error
    if checks != ["ok"]:
        raise DataError("the index file of the MindRecord is damaged", str(place), _FIX)
    if [Path(str(name)).name for name in names] != [path.name]:
        raise DataError(f"the index file belongs to {names}", str(place), "give both files their names back")
    if len(index) != rows or bool((index[:, 0] != np.arange(rows)).any()):
        raise DataError(f"the index has {len(index)} rows, the header says {rows}", str(place), _FIX)
    return index


def _check_rows(data: mmap.mmap, index: np.ndarray, header: _Header, path: Path) -> None:
    """Check that every row lies inside its page, and that its lengths add up."""
    sizes = np.array([page.page_size for page in header.page])
    groups = np.array([page.page_type_id for page in header.page])
    for kind, (page, begin, end) in {"RAW_DATA": (1, 2, 3), "BLOB_DATA": (4, 5, 6)}.items():
        of_kind = np.array([page.page_type == kind for page in header.page])
        wrong = (index[:, page] < 0) | (index[:, page] >= len(sizes))
        known = np.where(wrong, 0, index[:, page])
        wrong |= ~of_kind[known] | (index[:, begin] < 0) | (index[:, end] < index[:, begin] + 8)
        wrong |= index[:, end] > sizes[known]
        if kind == "BLOB_DATA":
            # Rows that share a blob page are one row group, counted like the blob pages.
            wrong |= index[:, 7] != groups[known]
        if bool(wrong.any()):
            raise DataError("the row lies outside its page", f"{path}: record {int(np.argmax(wrong))}", _FIX)
    types = [header.schemas[0].columns[name].type for name in header.schemas[0].blob_fields]
    for number, (raw_page, raw_begin, raw_end, page, begin, end) in enumerate(index[:, 1:7].tolist()):
        start = header.header_size + raw_page * header.page_size
        raw = data[start + raw_begin : start + raw_end]
        start = header.header_size + page * header.page_size
        blob = data[start + begin : start + end]
        if raw != _RAW_ROW or not _fields_fit(blob, types):
            raise DataError("the row is damaged: its lengths do not add up", f"{path}: record {number}", _FIX)


def _fields_fit(row: bytes, types: Sequence[str]) -> bool:
    """Tell whether the lengths of one row, of its blob fields, and of compressed integers inside add up."""
    if int.from_bytes(row[:8], "little") != len(row) - 8:
        return False
    if len(types) == 1:
        # A single field is stored without a length of its own.
        return _field_fits(row[8:], types[0])
    position = 8
    for name in types:
        size = int.from_bytes(row[position : position + 8], "big")
        field = row[position + 8 : position + 8 + size]
        position += 8 + size
        if len(field) != size or not _field_fits(field, name):
            return False
    return position == len(row)


def _field_fits(field: bytes, name: str) -> bool:
    """Tell whether a field's length is possible for its type."""
    if name in ("int32", "int64"):
        return _integers_fit(field)
    return len(field) % _ITEM_BYTES[name] == 0


def _integers_fit(field: bytes) -> bool:
    """Tell whether a compressed integer array has the length that its width codes ask for."""
    if len(field) < 4:
        return False
    count = int.from_bytes(field[:4], "big")
    begin = 4 + -(-count // 4)
    if len(field) < begin + count:
        return False
    codes = field[4:begin]
    # The last byte's unused codes are 0, which stands for one byte each.
    return begin + sum(codes.translate(_WIDTHS_OF_CODES)) - (-count % 4) == len(field)
