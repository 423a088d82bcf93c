"""Read ``schema.json`` as MindSpore's ``TFRecordDataset`` takes it, and compare it with the records.

MindSpore casts without a word where a type is wrong, or dies (measured: ``float32`` for a column of integers ends the
process), so the comparison is made before anything is read by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.common.json_files import read_json
from src.data.pretraining.manifest import SCHEMA_NAME
from src.data.pretraining.records import columns_of

_FIX = "mend the schema, or leave its key empty: the columns are then taken from the records"
# MindSpore casts between the two widths of integers.
_STORED_TYPES = {"int32": "int64", "int64": "int64", "float32": "float32"}


@dataclass(frozen=True)
class RecordSchemaFile:
    """Content of a ``schema.json``.

    Attributes:
        path: Where it lies.
        columns: Name to type as stored, and values of a record (``None`` where the schema leaves them open).
        num_rows: Most rows to read; 0 for all.
    """

    path: Path
    columns: dict[str, tuple[str, int | None]]
    num_rows: int


def read_schema(path: Path) -> RecordSchemaFile:
    """Read a schema.

    Args:
        path: The file, or a folder with a ``schema.json``.

    Raises:
        DataError: It is missing, no JSON, or not as MindSpore's documentation describes it.
    """
    place = path
    try:
        place = path / SCHEMA_NAME if path.is_dir() else path
        content = read_json(place)
    except FileNotFoundError as error:
        raise DataError(
            "there is no such schema", str(place), "give the path of a schema.json, or leave it empty"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read the schema: {error.strerror}", str(place), "check its permissions") from error
    except ValueError as error:
        raise DataError(f"the schema is no JSON: {error}", str(place), _FIX) from error
    if not isinstance(content, dict):
        raise DataError("the schema is no JSON object", str(place), _FIX)
    if content.get("datasetType", "TF") != "TF":
        raise DataError(f"datasetType is {content['datasetType']!r}, 'TF' expected", str(place), _FIX)
    rows = content.get("numRows", 0)
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise DataError(f"numRows is {rows!r}, a number of rows expected", str(place), _FIX)
    columns = {name: _column(name, described, place) for name, described in _columns_of(content, place).items()}
    return RecordSchemaFile(place, columns, rows)


def _columns_of(content: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Return the columns of a schema: MindSpore writes an object, or a list whose members have a ``name``."""
    columns = content.get("columns")
    if isinstance(columns, list) and all(isinstance(column, dict) and "name" in column for column in columns):
        columns = {str(column["name"]): column for column in columns}
    if not isinstance(columns, dict) or not columns:
        raise DataError("the schema has no columns", str(place), _FIX)
    return columns


def _column(name: str, described: Any, place: Path) -> tuple[str, int | None]:
    """Return type and width of one column."""
    if not isinstance(described, dict) or not isinstance(described.get("type"), str):
        raise DataError(f"column '{name}' has no type", str(place), _FIX)
    kind: str = described["type"]
    stored = _STORED_TYPES.get(kind, kind)
    shape = described.get("shape")
    if shape is None:
        return stored, None
    if not isinstance(shape, list) or not all(isinstance(size, int) and (size > 0 or size == -1) for size in shape):
        raise DataError(f"the shape of column '{name}' is {shape!r}, a list of numbers expected", str(place), _FIX)
    rank = described.get("rank", len(shape))
    if rank != len(shape):
        raise DataError(f"column '{name}' has rank {rank!r}, but a shape of {len(shape)} numbers", str(place), _FIX)
    return stored, None if -1 in shape else math.prod(shape)


def rows_of_schema(schema: Path | None, found: Mapping[str, tuple[str, int]], source: Path) -> int:
    """Compare records with a schema and return the most rows that it allows, 0 for all.

    Args:
        schema: The schema that is to be used; ``None`` only compares one that lies beside the records.
        found: Type and width of the columns that are there.
        source: Folder of the records, or a file.

    Raises:
        DataError: As ``read_schema`` and ``check_schema``.
    """
    if schema is not None:
        described = read_schema(schema)
        check_schema(described, found, source, complete=True)
        return described.num_rows
    beside = (source if source.is_dir() else source.parent) / SCHEMA_NAME
    if beside.is_file():
        try:
            described = read_schema(beside)
        except DataError as error:
            raise DataError(error.what, error.where, "mend or remove it: the columns are then those found") from error
        check_schema(described, found, source, complete=False)
    return 0


def check_schema(
    schema: RecordSchemaFile, found: Mapping[str, tuple[str, int]], source: Path, *, complete: bool
) -> None:
    """Compare a schema with the columns of the records.

    Args:
        schema: The schema.
        found: Type and width of the columns that are there.
        source: Where the records lie, for messages.
        complete: Whether the schema must describe all columns that pre-training needs.

    Raises:
        DataError: They do not fit one another; the message names the column.
    """
    if complete:
        for column in columns_of(1, 1):
            if column.name not in schema.columns:
                raise DataError(f"column '{column.name}' is missing in the schema", str(schema.path), _FIX)
    for name, (dtype, width) in schema.columns.items():
        if name not in found:
            raise DataError(f"column '{name}' is not in the records of {source}", str(schema.path), _FIX)
        real_dtype, real_width = found[name]
        if dtype != real_dtype:
            what = f"column '{name}' is {dtype}, in the records of {source} it is {real_dtype}"
            raise DataError(what, str(schema.path), _FIX)
        if width is not None and width != real_width:
            what = f"column '{name}' has {width} values, in the records of {source} it has {real_width}"
            raise DataError(what, str(schema.path), _FIX)
