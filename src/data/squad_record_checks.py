"""Check decoded SQuAD records, ours and those of other programs, and take their padding off.

Legend of shapes: B rows of a chunk, S padded length, N tokens of all rows of the chunk without padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.common.errors import DataError
from src.data.record_checks import REBUILD, Chunk, RaggedRows, RecordRules, check_shape, refuse, strip_padding
from src.data.record_schema import (
    END_POSITIONS,
    INPUT_MASK,
    IS_IMPOSSIBLE,
    P_MASK,
    SEGMENT_IDS,
    SQUAD,
    START_POSITIONS,
)

PARAGRAPH_MASK = "paragraph_mask"
"""Name of the TF official models for the opposite of ``p_mask``: 1 where an answer may be."""


@dataclass(frozen=True)
class SquadRows:
    """Rows without padding.

    Attributes:
        tokens: Lengths, token ids and segments.
        starts: Place of the answer's first token, int32[B]; 0 without an answer.
        ends: Place of its last token, int32[B].
        is_impossible: bool[B].
    """

    tokens: RaggedRows
    starts: np.ndarray
    ends: np.ndarray
    is_impossible: np.ndarray


def squad_rules(max_seq_length: int | None, max_length: int | None, vocab_size: int | None) -> RecordRules:
    """Return the rules for the tokens of SQuAD records; see ``RecordRules``."""
    return RecordRules(SQUAD, False, max_seq_length, max_length, vocab_size)


def check_squad_rows(chunk: Chunk, rules: RecordRules, *, ours: bool) -> SquadRows:
    """Check a chunk of records and take the padding off.

    Args:
        chunk: Its columns are those of the schema. Those of other programs may have ``paragraph_mask`` in place of
            ``p_mask``, or neither, and may lack ``is_impossible``.
        rules: What ``squad_rules`` returned.
        ours: Whether this project wrote them. Other programs leave ``is_impossible`` 0 in a window that does not hold
            the answer, with both positions 0: such a row counts as impossible.

    Raises:
        DataError: A record breaks a rule; file, record number and what is wrong are named.
    """
    rows = strip_padding(chunk, rules)
    allowed = _allowed(chunk, rows.lengths)
    for name, expected in ((P_MASK, ~allowed), (PARAGRAPH_MASK, allowed)):
        if name in chunk.columns:
            check_shape(chunk, name, allowed.shape[1])
            why = f"but {INPUT_MASK} and {SEGMENT_IDS} say the opposite of where an answer may be"
            refuse(chunk, chunk.columns[name] != expected, name, why)
    starts, ends = _positions(chunk, START_POSITIONS), _positions(chunk, END_POSITIONS)
    nowhere = (starts == 0) & (ends == 0)
    impossible = _impossible(chunk, nowhere, ours)
    for name, values in ((START_POSITIONS, starts), (END_POSITIONS, ends)):
        wrong = (values < 0) | (values >= rows.lengths)
        _refuse_value(chunk, wrong, name, "outside the row's tokens")
        place = np.where(wrong, 0, values)
        off = ~nowhere & ((place == 0) | ~allowed[np.arange(len(place)), place])
        _refuse_value(chunk, off, name, "which is no token of the passage")
    _refuse_value(chunk, ends < starts, END_POSITIONS, "before start_positions")
    return SquadRows(rows, starts.astype(np.int32), ends.astype(np.int32), impossible)


def _allowed(chunk: Chunk, lengths: np.ndarray) -> np.ndarray:
    """Return where an answer may be, bool[B, S]: [CLS], and the tokens of segment 1 but the last, its [SEP]."""
    segments = chunk.columns[SEGMENT_IDS]
    places = np.arange(segments.shape[1])
    inside = places < lengths[:, None]
    begun = np.maximum.accumulate(segments, axis=1)
    broken = inside & ((segments != begun) | ((places == 0) & (segments != 0)))
    refuse(chunk, broken, SEGMENT_IDS, "the question's tokens are 0 and come first, the passage's are 1")
    return np.asarray((places == 0) | ((segments == 1) & (places < lengths[:, None] - 1)))


def _positions(chunk: Chunk, name: str) -> np.ndarray:
    """Return a column of one integer a row, int64[B]."""
    check_shape(chunk, name, 1)
    return np.asarray(chunk.columns[name][:, 0])


def _impossible(chunk: Chunk, nowhere: np.ndarray, ours: bool) -> np.ndarray:
    """Return which rows hold no answer, bool[B]."""
    if IS_IMPOSSIBLE not in chunk.columns:
        return nowhere
    values = chunk.columns[IS_IMPOSSIBLE]
    if values.shape[1:] != (1,):
        raise DataError(f"column '{IS_IMPOSSIBLE}' has {values.shape[1]} values a row, 1 expected", chunk.where(0))
    values = values[:, 0]
    _refuse_value(chunk, (values != 0) & (values != 1), IS_IMPOSSIBLE, "0 or 1 expected")
    _refuse_value(chunk, (values == 1) & ~nowhere, IS_IMPOSSIBLE, "but the positions of the answer are not 0")
    if ours:
        _refuse_value(chunk, (values == 0) & nowhere, IS_IMPOSSIBLE, "but the positions of the answer are 0")
    return nowhere


def _refuse_value(chunk: Chunk, wrong: np.ndarray, name: str, why: str) -> None:
    """Raise for the first row of ``wrong`` [B]."""
    if bool(wrong.any()):
        row = int(np.argmax(wrong))
        value = chunk.columns[name][row, 0]
        text = f"column '{name}' holds {value:g}" if value.dtype.kind == "f" else f"column '{name}' holds {value}"
        raise DataError(f"{text}, {why}", chunk.where(row), REBUILD)
