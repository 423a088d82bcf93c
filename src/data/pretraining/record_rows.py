"""Rows of pre-training records in any order: read from TFRecord files.

Legend: B rows asked for, S tokens, P predictions.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from src.common.errors import DataError
from src.data.example_proto import FeatureKind, RawFeature, Wanted, decode_columns
from src.data.example_scan import scan_example
from src.data.pretraining.record_checks import Place, check_lengths, check_records
from src.data.pretraining.record_files import RecordFile
from src.data.pretraining.records import (
    INPUT_IDS,
    INPUT_MASK,
    MASKED_LM_IDS,
    PretrainColumn,
    columns_of,
)
from src.data.tfrecord import TFRecordIndex

_MOST_OPEN_FILES = 128
_REBUILD = "give a folder that holds pre-training records of one shape only, or create them again"


class Rows(Protocol):
    """Rows numbered from 0 over all files in their order; safe to use from several threads."""

    columns: tuple[PretrainColumn, ...]

    @property
    def counts(self) -> list[int]:
        """Rows of each file."""

    def read(self, numbers: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the seven columns of some rows, int64 (weights float32) [B, width], and their lengths, int64[B].

        Raises:
            DataError: A record is damaged or not possible.
        """

    def read_lengths(self, numbers: np.ndarray) -> np.ndarray:
        """Return the tokens of some rows, int64[B]; raise ``DataError`` as ``read``."""

    def place_of(self, number: int) -> str:
        """Name a row for messages."""

    def close(self) -> None:
        """Close the files."""


class Numbering:
    """Turns row numbers over all files into file and record.

    Args:
        paths: The files.
        counts: Rows of each.
    """

    def __init__(self, paths: Sequence[Path], counts: Sequence[int]) -> None:
        self._paths = paths
        self._starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))

    def split(self, number: int) -> tuple[int, int]:
        """Return the number of the file, and that of the record in it."""
        file = int(np.searchsorted(self._starts, number, side="right")) - 1
        return file, int(number - self._starts[file])

    def place_of(self, number: int) -> str:
        """Name a row for messages."""
        file, record = self.split(number)
        return f"{self._paths[file]}: record {record}"


def found_columns(row: Mapping[str, RawFeature], place: Place) -> dict[str, tuple[str, int]]:
    """Return dtype and width of every column of numbers of one parsed record."""
    found = {}
    for name, feature in row.items():
        if feature.kind != "bytes":
            values = decode_columns([row], Wanted(name, (feature.kind,)), place)
            found[name] = ("float32" if feature.kind == "float" else "int64", values.shape[1])
    return found


class TFRecordRows:
    """Rows of TFRecord files; only their offsets are in memory.

    Args:
        files: The files, in order. Those of which a manifest tells the rows must have as many.
        vocab_size: Ids must be below.

    Attributes:
        columns: The seven columns as the first record has them; every other record must be alike.
        found: Dtype and width of all columns of the first record.

    Raises:
        DataError: A file is damaged, packed, or holds no pre-training records.
    """

    def __init__(self, files: Sequence[RecordFile], vocab_size: int) -> None:
        self._indexes = [TFRecordIndex(file.path) for file in files]
        self._vocab_size = vocab_size
        self._numbering = Numbering([file.path for file in files], self.counts)
        self._lock = threading.Lock()
        self._open: OrderedDict[int, None] = OrderedDict()
        for file, index in zip(files, self._indexes, strict=True):
            if file.rows is not None and file.rows != len(index):
                what = f"the file holds {len(index)} records, its manifest says {file.rows}"
                raise DataError(what, str(file.path), "create the data again, or restore the files")
        first, place = self._parsed(np.array([0]))
        self.found = found_columns(first[0], place)
        widths = [_decoded(first, PretrainColumn(name, "int64", 0), place, None) for name in (INPUT_IDS, MASKED_LM_IDS)]
        self.columns = columns_of(widths[0].shape[1], widths[1].shape[1])

    @property
    def counts(self) -> list[int]:
        """Rows of each file."""
        return [len(index) for index in self._indexes]

    def read(self, numbers: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return columns and lengths of some rows, every checksum and value checked (see ``Rows``)."""
        rows, place = self._parsed(numbers)
        columns = {column.name: _decoded(rows, column, place, column.width) for column in self.columns}
        return columns, check_records(columns, self._vocab_size, place)

    def read_lengths(self, numbers: np.ndarray) -> np.ndarray:
        """Return the tokens of some rows, int64[B]."""
        rows, place = self._parsed(numbers)
        (mask,) = (column for column in self.columns if column.name == INPUT_MASK)
        return check_lengths(_decoded(rows, mask, place, mask.width), place)

    def place_of(self, number: int) -> str:
        """Name a row for messages."""
        return self._numbering.place_of(number)

    def close(self) -> None:
        """Close the files; reading opens them again."""
        with self._lock:
            for file in self._open:
                self._indexes[file].close()
            self._open.clear()

    def _parsed(self, numbers: np.ndarray) -> tuple[list[dict[str, RawFeature]], Place]:
        """Return some records, and what names them."""
        wanted = numbers.tolist()

        def place(index: int) -> str:
            return self.place_of(wanted[index])

        # Parsing is pure Python, so a lock around the reading costs other threads nothing.
        with self._lock:
            data = [self._record(*self._numbering.split(number)) for number in wanted]
        return [scan_example(record, partial(place, index)) for index, record in enumerate(data)], place

    def _record(self, file: int, record: int) -> bytes:
        """Read a record, with a bounded number of open files: a large corpus has more than a process may open."""
        self._open[file] = None
        self._open.move_to_end(file)
        if len(self._open) > _MOST_OPEN_FILES:
            self._indexes[self._open.popitem(last=False)[0]].close()
        return self._indexes[file].read(record)


def _decoded(
    rows: Sequence[Mapping[str, RawFeature]], column: PretrainColumn, place: Place, width: int | None
) -> np.ndarray:
    """Return one column of some parsed records."""
    kind: FeatureKind = "float" if column.dtype == "float32" else "int64"
    try:
        return decode_columns(rows, Wanted(column.name, (kind,), width), place)
    except DataError as error:
        raise DataError(error.what, error.where, _REBUILD) from error
