"""Decode the records of one source, MindRecord or TFRecord, some at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from src.common.errors import DataError
from src.data.example_proto import FeatureKind, Wanted, decode_columns, parse_example
from src.data.mindrecord import read_mindrecord
from src.data.record_checks import Chunk
from src.data.record_schema import INPUT_IDS, Column
from src.data.record_source import RecordSource
from src.data.tfrecord import read_tfrecord

_CHUNK_ROWS = 1024

ColumnChoice: TypeAlias = Callable[[frozenset[str]], list[Wanted]]
"""Takes the names of the columns that are there, returns those to decode; a name that is not there is an error."""


def wanted_column(column: Column, max_seq_length: int) -> Wanted:
    """Return what is to be decoded of a column of our own schema."""
    kind: FeatureKind = "float" if column.dtype == "float32" else "int64"
    return Wanted(column.name, (kind,), column.shape(max_seq_length)[0])


def read_chunks(source: RecordSource, choose: ColumnChoice) -> Iterator[Chunk]:
    """Yield the records of all shards as int64 and float32 columns, [B, length].

    Records of a TFRecord are numbered within each shard, those of a MindRecord over all shards.

    Args:
        source: The verified file.
        choose: Decides once, by the columns that are there, which are decoded.

    Raises:
        DataError: A record is damaged, lacks a column, or has one of another kind or length than the others.
    """
    return _tfrecord_chunks(source, choose) if source.file_format == "tfrecord" else _mindrecord_chunks(source, choose)


def _tfrecord_chunks(source: RecordSource, choose: ColumnChoice) -> Iterator[Chunk]:
    wanted: list[Wanted] | None = None
    for file in source.files:
        records = enumerate(read_tfrecord(file))
        while batch := list(itertools.islice(records, _CHUNK_ROWS)):
            numbers = np.array([number for number, _ in batch], dtype=np.int64)
            places = Chunk(file, numbers, {})
            rows = [parse_example(data, places.where(index)) for index, (_, data) in enumerate(batch)]
            wanted = wanted or choose(frozenset(rows[0]))
            columns = {column.name: decode_columns(rows, column, places.where) for column in wanted}
            # A foreign file fixes the lengths by its first record; all others must agree.
            wanted = [Wanted(column.name, column.kinds, columns[column.name].shape[1]) for column in wanted]
            yield Chunk(file, numbers, columns)


def _mindrecord_chunks(source: RecordSource, choose: ColumnChoice) -> Iterator[Chunk]:
    names = [wanted.name for wanted in choose(frozenset(source.columns))]
    for name in names:
        if name not in source.columns:
            there = ", ".join(sorted(source.columns))
            raise DataError(f"column '{name}' is missing; columns there: {there}", str(source.path))
    count = 0
    for batch in read_mindrecord(source.files, names):
        numbers = np.arange(count, count + len(batch[INPUT_IDS]), dtype=np.int64)
        count += len(numbers)
        yield Chunk(source.path, numbers, {name: _widened(batch[name], name, source.path) for name in names})


def _widened(values: np.ndarray, name: str, path: Path) -> np.ndarray:
    """Return a column as int64 or float32, [B, length]."""
    if values.dtype.kind not in "if":
        raise DataError(f"column '{name}' is {values.dtype}, numbers expected", str(path), "convert the data again")
    values = values.astype(np.int64 if values.dtype.kind == "i" else np.float32)
    return values[:, None] if values.ndim == 1 else values
