"""One schema for each kind of fine-tuning record, shared by the writer, the readers, the checks and the tests.

Legend of shapes: B rows of a chunk, S the file's ``max_seq_length`` (every row is padded to it), T tokens of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from src.common.errors import DataError

LabelKind = Literal["classification", "regression", "token_classification"]
Kind = Literal[LabelKind, "squad"]
FileFormat = Literal["mindrecord", "tfrecord"]
KINDS: tuple[str, ...] = get_args(LabelKind)
SQUAD: Literal["squad"] = "squad"
FILE_FORMATS: tuple[str, ...] = get_args(FileFormat)

INPUT_IDS = "input_ids"
INPUT_MASK = "input_mask"
SEGMENT_IDS = "segment_ids"
LABEL_IDS = "label_ids"
IS_REAL_EXAMPLE = "is_real_example"
ROW_WEIGHT = "row_weight"
TOKEN_COLUMNS = (INPUT_IDS, INPUT_MASK, SEGMENT_IDS)
UNIQUE_IDS = "unique_ids"
P_MASK = "p_mask"
START_POSITIONS = "start_positions"
END_POSITIONS = "end_positions"
IS_IMPOSSIBLE = "is_impossible"

IGNORED_LABEL = -100
"""Token label of positions that do not count: [CLS], [SEP], padding, all pieces of a word but its first."""

SEGMENT_COUNT = 2


@dataclass(frozen=True)
class Column:
    """One column of a record.

    Args:
        name: Its name in the file.
        dtype: ``int64`` or ``float32``, as stored.
        per_token: Whether the shape is [S]; otherwise it is [1].
    """

    name: str
    dtype: Literal["int64", "float32"]
    per_token: bool

    def shape(self, max_seq_length: int) -> list[int]:
        """Return the shape of one row's value in a file padded to ``max_seq_length``."""
        return [max_seq_length if self.per_token else 1]


@dataclass(frozen=True)
class RecordSchema:
    """The columns of one kind of record; where it has one label, that is the last of them."""

    kind: Kind
    columns: tuple[Column, ...]

    @property
    def label(self) -> Column:
        """The label's column."""
        return self.columns[-1]

    def describe(self, max_seq_length: int) -> dict[str, dict[str, object]]:
        """Return the manifest's ``columns`` entry: name to dtype and shape."""
        return {column.name: {"dtype": column.dtype, "shape": column.shape(max_seq_length)} for column in self.columns}


@dataclass(frozen=True, eq=False)
class RecordRow:
    """One example before padding.

    Args:
        input_ids: T token ids, ``[CLS]`` and ``[SEP]`` included.
        segment_ids: T segment numbers, 0 or 1.
        label: Class number (classification), score (regression), T class numbers with ``IGNORED_LABEL`` where
            none counts (token classification), or ``None`` in a split without labels.
    """

    input_ids: Sequence[int] | np.ndarray
    segment_ids: Sequence[int] | np.ndarray
    label: int | float | Sequence[int] | np.ndarray | None = None


_TOKENS = tuple(Column(name, "int64", per_token=True) for name in TOKEN_COLUMNS)
_SCHEMAS: dict[str, RecordSchema] = {
    "classification": RecordSchema("classification", (*_TOKENS, Column(LABEL_IDS, "int64", per_token=False))),
    "regression": RecordSchema("regression", (*_TOKENS, Column(LABEL_IDS, "float32", per_token=False))),
    "token_classification": RecordSchema(
        "token_classification", (*_TOKENS, Column(LABEL_IDS, "int64", per_token=True))
    ),
    SQUAD: RecordSchema(
        SQUAD,
        (
            Column(UNIQUE_IDS, "int64", per_token=False),
            *_TOKENS,
            Column(P_MASK, "int64", per_token=True),
            Column(START_POSITIONS, "int64", per_token=False),
            Column(END_POSITIONS, "int64", per_token=False),
            Column(IS_IMPOSSIBLE, "int64", per_token=False),
        ),
    ),
}


def schema_of(kind: str) -> RecordSchema:
    """Return the schema of ``kind``; raise ``DataError`` for an unknown kind."""
    if kind not in _SCHEMAS:
        raise DataError(f"unknown kind of record '{kind}'", fix=f"choose one of {', '.join(_SCHEMAS)}")
    return _SCHEMAS[kind]


def gather_padded(values: np.ndarray, offsets: np.ndarray, indices: np.ndarray, length: int, fill: int) -> np.ndarray:
    """Copy rows of a ragged array into a padded one.

    Args:
        values: All rows one behind the other, [total].
        offsets: Where each row begins, int64[rows + 1].
        indices: The rows to take, int64[B].
        length: Width of the result; no taken row may be longer.
        fill: The value behind a row's end.

    Returns:
        [B, length], of the dtype of ``values``.
    """
    starts = offsets[indices]
    lengths = offsets[indices + 1] - starts
    result = np.full((len(indices), length), fill, dtype=values.dtype)
    inside = np.arange(length) < lengths[:, None]
    # Row-major order of the mask is the order of the concatenated rows.
    total = int(lengths.sum())
    shifts = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    result[inside] = values[np.arange(total) + shifts]
    return result


def token_batch(
    token_ids: np.ndarray,
    segment_ids: np.ndarray,
    offsets: np.ndarray,
    indices: np.ndarray | Sequence[int],
    batch_size: int,
    length: int,
) -> dict[str, np.ndarray]:
    """Return the columns of tokens of some rows, padded to ``length``, and ``row_weight``.

    Args:
        token_ids: Tokens of all rows one behind the other, [total].
        segment_ids: Their segments, [total].
        offsets: Where each row begins, int64[rows + 1].
        indices: At most ``batch_size`` row numbers.
        batch_size: Rows B of the batch; places behind the rows are filled with rows of weight 0.
        length: Tokens of each padded row; none of the rows may be longer.

    Returns:
        ``input_ids``, ``input_mask`` and ``segment_ids`` int32[B, length]; ``row_weight`` float32[B], 1 for a row and
        0 for a filler.

    Raises:
        ValueError: There are more indices than places, or a row is longer than ``length``.
    """
    taken = np.asarray(indices, dtype=np.int64)
    count, lengths = len(taken), offsets[taken + 1] - offsets[taken]
    if count > batch_size or bool((lengths > length).any()):
        raise ValueError(f"{count} rows of up to {lengths.max(initial=0)} tokens do not fit {batch_size}x{length}")
    result = {name: np.zeros((batch_size, length), np.int32) for name in TOKEN_COLUMNS}
    result[INPUT_IDS][:count] = gather_padded(token_ids, offsets, taken, length, 0)
    result[SEGMENT_IDS][:count] = gather_padded(segment_ids, offsets, taken, length, 0)
    result[INPUT_MASK][:count] = np.arange(length) < lengths[:, None]
    # A filler sees one token, so that its softmax over visible positions stays finite.
    result[INPUT_IDS][count:, 0] = token_ids[0]
    result[INPUT_MASK][count:, 0] = 1
    result[ROW_WEIGHT] = (np.arange(batch_size) < count).astype(np.float32)
    return result
