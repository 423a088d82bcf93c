"""Candidate answers of each window: the best starts and, for each start, the best ends, from either head's outputs.

Legend: F windows, T tokens of a window, S starts, E ends for each start, G lists of ends: 1 where all starts share one
(the two-logit head), else S.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from src.common.errors import DataError, TrainingError

# Forbidden positions hold huge negative numbers, and -infinity where 16-bit numbers were used. The bound keeps sums of
# two scores finite in float32.
LOWEST_SCORE = -1e30

# The first position is [CLS], which is no answer: a place without a candidate points to it and is left out later.
_NO_POSITION = 0


@dataclass(frozen=True, eq=False)
class WindowScores:
    """The candidates of F windows, the best first; positions count from the beginning of the sequence.

    Attributes:
        start_index: int32 [F, S].
        start_score: float32 [F, S], logits or log-probabilities.
        end_index: int32 [F, G, E].
        end_score: float32 [F, G, E].
        null_score: float32 [F], how much speaks for "no answer": the sum of both logits of [CLS] of the two-logit
            head, the answerability logit of the beam head.
    """

    start_index: np.ndarray
    start_score: np.ndarray
    end_index: np.ndarray
    end_score: np.ndarray
    null_score: np.ndarray

    def packed(self) -> np.ndarray:
        """Return everything as float32 [F, 2S + 2GE + 1]: one array that processes can exchange.

        Positions are exact: float32 holds every integer up to 2^24.
        """
        rows, lists, ends = self.end_index.shape
        flat = (rows, lists * ends)
        parts = [
            self.start_index,
            self.end_index.reshape(flat),
            self.start_score,
            self.end_score.reshape(flat),
            self.null_score[:, None],
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    @classmethod
    def unpack(cls, packed: np.ndarray, starts: int, lists: int, ends: int) -> WindowScores:
        """Return the inverse of ``packed``.

        Args:
            packed: float32 [F, 2S + 2GE + 1].
            starts: S.
            lists: G.
            ends: E.

        Raises:
            DataError: The array has another width.
        """
        size = starts + lists * ends
        if packed.ndim != 2 or packed.shape[1] != 2 * size + 1:
            raise DataError(f"scores of shape {packed.shape} do not hold {starts} starts and {lists} x {ends} ends")
        index, score = packed[:, :size].astype(np.int32), packed[:, size:-1].astype(np.float32)
        shape = (len(packed), lists, ends)
        return cls(
            index[:, :starts],
            score[:, :starts],
            index[:, starts:].reshape(shape),
            score[:, starts:].reshape(shape),
            packed[:, -1].astype(np.float32),
        )


def _window(row: int) -> str:
    return f"window {row}"


def _usable(name: str, values: np.ndarray, place_of: Callable[[int], str], first_row: int = 0) -> np.ndarray:
    """Return scores as float32 [rows, ...], not below ``LOWEST_SCORE``; refuse NaN and +infinity.

    Raises:
        TrainingError: Names the first such window.
    """
    bad = np.isnan(values) | np.isposinf(values)
    if bad.any():
        row = first_row + int(np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))[0])
        fix = "the weights have diverged: take an earlier checkpoint, lower the learning rate"
        raise TrainingError(f"the network's {name} are not finite", place_of(row), fix)
    return np.maximum(values, LOWEST_SCORE, dtype=np.float32)


def top_candidates(
    logits: Sequence[np.ndarray], n_best_size: int, place_of: Callable[[int], str] = _window
) -> WindowScores:
    """Return the candidates of the two-logit head: the top starts and, the same for every start, the top ends.

    Args:
        logits: Per window float [T, 2], start and end logits; T may differ between windows.
        n_best_size: S and E. Equal logits are ordered by position; windows with fewer positions get places that are no
            candidates.
        place_of: Names a window, by its number in ``logits``, in messages.

    Raises:
        DataError: Logits have another shape, or the size is below 1.
        TrainingError: Logits are not finite (-infinity passes: it marks positions that are not allowed).
    """
    if n_best_size < 1:
        raise DataError(f"{n_best_size} candidates are asked for", "n_best_size", "use 1 or more")
    index = np.full((len(logits), n_best_size, 2), _NO_POSITION, np.int32)
    score = np.full((len(logits), n_best_size, 2), LOWEST_SCORE, np.float32)
    null_score = np.zeros(len(logits), np.float32)
    for row, values in enumerate(logits):
        if values.ndim != 2 or values.shape[1] != 2 or not len(values):
            raise DataError(f"logits of shape {values.shape} are no start and end logits", place_of(row))
        usable = _usable("logits", values[None], place_of, row)[0]
        best = np.argsort(-usable, axis=0, kind="stable")[:n_best_size]
        index[row, : len(best)] = best
        score[row, : len(best)] = np.take_along_axis(usable, best, axis=0)
        null_score[row] = usable[0, 0] + usable[0, 1]
    return WindowScores(index[:, :, 0], score[:, :, 0], index[:, None, :, 1], score[:, None, :, 1], null_score)


def beam_candidates(
    start_score: np.ndarray,
    start_index: np.ndarray,
    end_score: np.ndarray,
    end_index: np.ndarray,
    null_score: np.ndarray,
    place_of: Callable[[int], str] = _window,
) -> WindowScores:
    """Return the candidates that the beam head has chosen itself.

    Args:
        start_score: Log-probabilities float [F, S] of the top starts.
        start_index: Their positions int [F, S].
        end_score: Log-probabilities float [F, S * E]: the top ends of the first start, then those of the second, ...
        end_index: Their positions int [F, S * E].
        null_score: Answerability logits float [F]; above 0 means "no answer".
        place_of: Names a window, by its row, in messages.

    Raises:
        DataError: Shapes do not fit each other.
        TrainingError: Scores are not finite.
    """
    rows, starts = start_score.shape
    same = start_index.shape == start_score.shape and end_index.shape == end_score.shape
    if not same or not starts or len(end_score) != rows or end_score.shape[1] % starts or null_score.shape != (rows,):
        shapes = [start_score.shape, start_index.shape, end_score.shape, end_index.shape, null_score.shape]
        raise DataError(f"outputs of shapes {', '.join(map(str, shapes))} are no outputs of the beam head")
    shape = (rows, starts, end_score.shape[1] // starts)
    return WindowScores(
        start_index.astype(np.int32),
        _usable("start scores", start_score, place_of),
        end_index.astype(np.int32).reshape(shape),
        _usable("end scores", end_score, place_of).reshape(shape),
        _usable("answerability logits", null_score, place_of),
    )
