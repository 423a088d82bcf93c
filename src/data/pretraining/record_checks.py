"""Check the values of pre-training records before a network sees them.

A wrong id or position gives no error on most devices, only nonsense, so every batch is checked; a few comparisons of
whole arrays cost about 2 microseconds a record. Legend: B records, S tokens, P predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from src.common.errors import DataError
from src.data.pretraining.records import (
    INPUT_IDS,
    INPUT_MASK,
    MASKED_LM_IDS,
    MASKED_LM_POSITIONS,
    MASKED_LM_WEIGHTS,
    NEXT_SENTENCE_LABELS,
    SEGMENT_IDS,
)

Place = Callable[[int], str]
"""Names the file and number of the record with the given index in the arrays."""

_REBUILD = "create the records again"
_VOCABULARY = "set vocab_size of the network to that of the records' vocabulary, or create them with the network's"


def check_lengths(mask: np.ndarray, place: Place) -> np.ndarray:
    """Return the tokens of each row, int64[B], after checking that the mask is ones, then zeros.

    Args:
        mask: ``input_mask``, int64[B, S].
        place: Names a record.

    Raises:
        DataError: A mask is otherwise; the message names the record.
    """
    lengths = (mask != 0).sum(axis=1)
    wrong = mask != (np.arange(mask.shape[1]) < lengths[:, None])
    _refuse(wrong, mask, INPUT_MASK, "the mask must be ones, then zeros", place, _REBUILD)
    if bool((lengths == 0).any()):
        row = int(np.argmin(lengths))
        raise DataError("the record has no tokens: its input_mask is zero", place(row), _REBUILD)
    return np.asarray(lengths)


def check_records(columns: Mapping[str, np.ndarray], vocab_size: int, place: Place) -> np.ndarray:
    """Check all values of some records.

    Args:
        columns: The seven columns: int64[B, S], [B, P] or [B, 1]; weights float32[B, P].
        vocab_size: Ids must be below.
        place: Names a record.

    Returns:
        Tokens of each row, int64[B].

    Raises:
        DataError: A value is not possible; the message names file, record and column.
    """
    lengths = check_lengths(columns[INPUT_MASK], place)
    ids = columns[INPUT_IDS]
    _refuse(_outside(ids, vocab_size), ids, INPUT_IDS, _ids_must_be(vocab_size), place, _VOCABULARY)
    for name in (SEGMENT_IDS, NEXT_SENTENCE_LABELS):
        values = columns[name]
        _refuse(_outside(values, 2), values, name, "0 or 1 expected", place, _REBUILD)
    weights = columns[MASKED_LM_WEIGHTS]
    predicted = weights == 1
    _refuse(~predicted & (weights != 0), weights, MASKED_LM_WEIGHTS, "0 or 1 expected", place, _REBUILD)
    # A record without predictions is possible: in a short one no n-gram of whole words may fit the few to be masked.
    positions = columns[MASKED_LM_POSITIONS]
    wrong = predicted & ((positions < 0) | (positions >= lengths[:, None]))
    _refuse(wrong, positions, MASKED_LM_POSITIONS, "which is not the place of a token of its record", place, _REBUILD)
    labels = columns[MASKED_LM_IDS]
    wrong = predicted & _outside(labels, vocab_size)
    _refuse(wrong, labels, MASKED_LM_IDS, _ids_must_be(vocab_size), place, _VOCABULARY)
    return lengths


def _ids_must_be(vocab_size: int) -> str:
    return f"ids of the network's vocabulary are 0 to {vocab_size - 1}"


def _outside(values: np.ndarray, limit: int) -> np.ndarray:
    return np.asarray((values < 0) | (values >= limit))


def _refuse(wrong: np.ndarray, values: np.ndarray, name: str, why: str, place: Place, fix: str) -> None:
    """Raise for the first true element of ``wrong`` [B, width]."""
    if not bool(wrong.any()):
        return
    row, position = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    value = values[row, position].item()
    raise DataError(f"column '{name}' holds {value} at position {position}, {why}", place(int(row)), fix)
