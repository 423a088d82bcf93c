"""Check decoded records and take their padding off.

Legend of shapes: B rows of a chunk, S padded length, N tokens of all rows of the chunk without padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import DataError
from src.data.record_schema import (
    IGNORED_LABEL,
    INPUT_IDS,
    INPUT_MASK,
    LABEL_IDS,
    SEGMENT_COUNT,
    SEGMENT_IDS,
    TOKEN_COLUMNS,
)

REBUILD = "convert the data again"
_LARGEST_ID = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Chunk:
    """Some records of a file, in their order.

    Attributes:
        path: The file, for messages.
        numbers: Number of each record in the file, from 0: int64[B].
        columns: Name to [B, length] int64 or float32.
    """

    path: Path
    numbers: np.ndarray
    columns: Mapping[str, np.ndarray]

    def where(self, index: int) -> str:
        """Name the record with the given index in this chunk."""
        return f"{self.path}: record {self.numbers[index]}"


@dataclass(frozen=True)
class RecordRules:
    """What records must obey.

    Attributes:
        kind: Their kind.
        has_labels: False where ``label_ids`` holds placeholders or is missing.
        max_seq_length: Padded length S of every row; ``None`` accepts any.
        max_length: The most tokens that a row may have without its padding; ``None`` is no bound.
        vocab_size: Token ids must be below it.
        num_labels: Class numbers must be below it.
    """

    kind: str
    has_labels: bool
    max_seq_length: int | None = None
    max_length: int | None = None
    vocab_size: int | None = None
    num_labels: int | None = None


@dataclass(frozen=True)
class RaggedRows:
    """Rows without padding.

    Attributes:
        lengths: int32[B].
        token_ids: int32[N].
        segment_ids: int8[N].
        label_ids: int32[B], float32[B], int32[N] (token classification), or ``None`` without labels.
    """

    lengths: np.ndarray
    token_ids: np.ndarray
    segment_ids: np.ndarray
    label_ids: np.ndarray | None


def strip_padding(chunk: Chunk, rules: RecordRules) -> RaggedRows:
    """Check a chunk of records against the rules and take the padding off.

    Raises:
        DataError: A record breaks a rule; file, record number and what is wrong are named.
    """
    for name in TOKEN_COLUMNS:
        check_shape(chunk, name, rules.max_seq_length or chunk.columns[INPUT_IDS].shape[1])
    lengths = _lengths(chunk, rules.max_length)
    ids, segments = chunk.columns[INPUT_IDS], chunk.columns[SEGMENT_IDS]
    inside = np.arange(ids.shape[1]) < lengths[:, None]
    limit = _LARGEST_ID if rules.vocab_size is None else rules.vocab_size
    outside = inside & ((ids < 0) | (ids >= limit))
    fix = REBUILD if rules.vocab_size is None else f"{REBUILD} with the network's vocabulary, or correct vocab_size"
    refuse(chunk, outside, INPUT_IDS, f"outside 0..{limit - 1} (the vocabulary)", fix)
    bad_segments = inside & ((segments < 0) | (segments >= SEGMENT_COUNT))
    refuse(chunk, bad_segments, SEGMENT_IDS, f"outside 0..{SEGMENT_COUNT - 1}")
    labels = _labels(chunk, rules, inside) if rules.has_labels else None
    return RaggedRows(lengths.astype(np.int32), ids[inside].astype(np.int32), segments[inside].astype(np.int8), labels)


def check_shape(chunk: Chunk, name: str, length: int) -> None:
    """Require an integer column [B, length]."""
    values = chunk.columns[name]
    if values.dtype.kind != "i":
        raise DataError(f"column '{name}' is {values.dtype}, integers expected", chunk.where(0), REBUILD)
    if values.ndim != 2 or values.shape[1] != length:
        have = "x".join(map(str, values.shape[1:])) or "1"
        raise DataError(f"column '{name}' has {have} values a row, {length} expected", chunk.where(0), REBUILD)


def refuse(chunk: Chunk, wrong: np.ndarray, name: str, why: str, fix: str = REBUILD) -> None:
    """Raise for the first true element of ``wrong`` [B, length]."""
    if not bool(wrong.any()):
        return
    row, position = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    value = chunk.columns[name][row, position]
    raise DataError(f"column '{name}' holds {value} at position {position}, {why}", chunk.where(int(row)), fix)


def _lengths(chunk: Chunk, max_length: int | None) -> np.ndarray:
    """Return the tokens of each row, int64[B], after checking that the mask is ones, then zeros."""
    mask = chunk.columns[INPUT_MASK]
    lengths = (mask != 0).sum(axis=1)
    refuse(
        chunk, mask != (np.arange(mask.shape[1]) < lengths[:, None]), INPUT_MASK, "the mask must be ones, then zeros"
    )
    if bool((lengths == 0).any()):
        raise DataError("the row has no tokens: its mask is zero", chunk.where(int(np.argmin(lengths))), REBUILD)
    if max_length is not None and bool((lengths > max_length).any()):
        row = int(np.argmax(lengths > max_length))
        raise DataError(
            f"the row has {lengths[row]} tokens, at most {max_length} are possible",
            chunk.where(row),
            "convert the data with a smaller max_seq_length, or raise seq_length of the network",
        )
    return np.asarray(lengths)


def _labels(chunk: Chunk, rules: RecordRules, inside: np.ndarray) -> np.ndarray:
    """Return the checked labels: int32[B], float32[B] or int32[N]."""
    per_token = rules.kind == "token_classification"
    labels = chunk.columns[LABEL_IDS]
    if labels.ndim == 1:
        labels = labels[:, None]
    width = inside.shape[1] if per_token else 1
    if labels.shape[1] != width:
        raise DataError(
            f"column '{LABEL_IDS}' has {labels.shape[1]} values a row, {width} expected for {rules.kind}",
            chunk.where(0),
        )
    named = Chunk(chunk.path, chunk.numbers, {**chunk.columns, LABEL_IDS: labels})
    refuse(named, ~np.isfinite(labels), LABEL_IDS, "a finite number expected")
    if rules.kind == "regression":
        return labels[:, 0].astype(np.float32)
    refuse(named, labels != np.floor(labels), LABEL_IDS, "class numbers expected; is this a regression?")
    wrong = labels < 0
    if per_token:
        wrong = inside & wrong & (labels != IGNORED_LABEL)
    refuse(named, wrong, LABEL_IDS, "class numbers begin at 0")
    limit = _LARGEST_ID if rules.num_labels is None else rules.num_labels
    refuse(named, (labels >= limit) & (inside if per_token else True), LABEL_IDS, f"there are only {limit} classes")
    return (labels[inside] if per_token else labels[:, 0]).astype(np.int32)
