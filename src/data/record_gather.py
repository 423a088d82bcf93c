"""Gather the rows of a record file in flat arrays, and pad them again chunk by chunk for the writers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.data.record_checks import Chunk
from src.data.record_schema import (
    IGNORED_LABEL,
    INPUT_IDS,
    INPUT_MASK,
    LABEL_IDS,
    SEGMENT_IDS,
    RecordRow,
    gather_padded,
    schema_of,
)

_CHUNK_ROWS = 1000


@dataclass(frozen=True)
class GatheredRows:
    """All rows, ragged: token arrays of all rows one behind the other, int64 offsets, labels as in a table."""

    token_ids: np.ndarray
    segment_ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1


def gather_rows(path: Path, kind: str, rows: Iterable[RecordRow], has_labels: bool) -> GatheredRows:
    """Copy all rows into flat arrays; raise ``DataError`` for rows that have no place there."""
    tokens, segments, ends = array("i"), array("b"), array("q", [0])
    labels = array("f" if kind == "regression" else "i")
    for number, row in enumerate(rows):
        where = f"{path}: row {number}"
        if not len(row.input_ids) == len(row.segment_ids) > 0:
            raise DataError(f"{len(row.input_ids)} token ids and {len(row.segment_ids)} segment numbers", where)
        if (row.label is None) is has_labels:
            raise DataError("the label is missing" if has_labels else "a label in a split without labels", where)
        try:
            tokens.extend(row.input_ids)
            segments.extend(row.segment_ids)
            _add_label(labels, row, kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"the row holds a value of the wrong type or size: {error}", where) from error
        ends.append(len(tokens))
    if len(ends) == 1:
        raise DataError("there are no rows to write", str(path), "check the input")
    return GatheredRows(
        np.frombuffer(tokens, np.int32),
        np.frombuffer(segments, np.int8),
        np.frombuffer(ends, np.int64),
        np.frombuffer(labels, np.float32 if kind == "regression" else np.int32),
    )


def _add_label(labels: array[Any], row: RecordRow, kind: str) -> None:
    """Append a row's label, or its placeholder."""
    if kind == "token_classification":
        values: Any = [IGNORED_LABEL] * len(row.input_ids) if row.label is None else row.label
        if len(values) != len(row.input_ids):
            raise ValueError(f"{len(values)} labels for {len(row.input_ids)} tokens")
        labels.extend(values)
        return
    value: Any = 0 if row.label is None else row.label
    if not math.isfinite(value):
        raise ValueError(f"label {value} is not finite")
    labels.append(value)


def padded_chunks(path: Path, gathered: GatheredRows, kind: str, max_seq_length: int, rows: range) -> Iterator[Chunk]:
    """Yield the stored columns of some rows; raise ``DataError`` for a row that is too long."""
    schema = schema_of(kind)
    for begin in range(rows.start, rows.stop, _CHUNK_ROWS):
        indices = np.arange(begin, min(begin + _CHUNK_ROWS, rows.stop))
        lengths = gathered.offsets[indices + 1] - gathered.offsets[indices]
        if int(lengths.max()) > max_seq_length:
            longest = int(np.argmax(lengths > max_seq_length))
            what = f"{lengths[longest]} tokens are more than max_seq_length {max_seq_length}"
            raise DataError(what, f"{path}: row {indices[longest]}")

        def padded(values: np.ndarray, fill: int, taken: np.ndarray = indices) -> np.ndarray:
            return gather_padded(values, gathered.offsets, taken, max_seq_length, fill).astype(np.int64)

        per_token = schema.label.per_token
        labels = padded(gathered.labels, IGNORED_LABEL) if per_token else gathered.labels[indices][:, None]
        columns = {
            INPUT_IDS: padded(gathered.token_ids, 0),
            INPUT_MASK: (np.arange(max_seq_length) < lengths[:, None]).astype(np.int64),
            SEGMENT_IDS: padded(gathered.segment_ids, 0),
            LABEL_IDS: labels.astype(schema.label.dtype),
        }
        yield Chunk(path, indices, columns)
