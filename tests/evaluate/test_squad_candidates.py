from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from src.common.errors import DataError, TrainingError
from src.evaluate.squad_candidates import LOWEST_SCORE, WindowScores, beam_candidates, top_candidates


def columns(starts: Sequence[float] | np.ndarray, ends: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.array([starts, ends], np.float32).T


def test_the_best_starts_and_ends_of_each_window() -> None:
    scores = top_candidates([columns([1, 5, 3, 4], [2, 0, 9, 8]), columns([0, 1], [1, 0])], 3)
    assert scores.start_index[0].tolist() == [1, 3, 2]
    assert scores.start_score[0].tolist() == [5, 4, 3]
    assert scores.end_index[0].tolist() == [[2, 3, 0]]
    assert scores.end_score[0].tolist() == [[9, 8, 2]]
    assert scores.null_score.tolist() == [3, 1]
    # A window with fewer positions than candidates: the rest points to [CLS], which is never an answer.
    assert scores.start_index[1].tolist() == [1, 0, 0]
    assert scores.start_score[1, 2] == np.float32(LOWEST_SCORE)


def test_equal_logits_are_ordered_by_position() -> None:
    scores = top_candidates([columns([2, 7, 2, 7, 2], [0, 0, 0, 0, 0])], 4)
    assert scores.start_index[0].tolist() == [1, 3, 0, 2]
    assert scores.end_index[0, 0].tolist() == [0, 1, 2, 3]
    # Long enough for a sort that is not stable to show.
    values = np.random.default_rng(0).integers(0, 3, 200)
    expected = sorted(range(200), key=lambda place: values[place], reverse=True)
    assert top_candidates([columns(values, values)], 200).start_index[0].tolist() == expected


def test_numbers_of_16_bits_will_do() -> None:
    scores = top_candidates([columns([1, -np.inf, 3], [1, 0, 2]).astype(np.float16)], 2)
    assert scores.start_score.tolist() == [[3, 1]]


def test_positions_that_are_not_allowed_may_be_minus_infinity() -> None:
    scores = top_candidates([columns([1, -np.inf, 3], [1, -np.inf, 2])], 3)
    assert scores.start_index[0].tolist() == [2, 0, 1]
    assert np.isfinite(scores.start_score).all()
    assert np.isfinite(top_candidates([columns([-np.inf], [-np.inf])], 1).null_score).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_diverged_outputs_are_named(bad: float) -> None:
    with pytest.raises(TrainingError, match="window 1: the network's logits are not finite"):
        top_candidates([columns([1, 2], [1, 2]), columns([1, bad], [1, 2])], 2)


@pytest.mark.parametrize(
    "values", [np.zeros((3, 3), np.float32), np.zeros(3, np.float32), np.zeros((0, 2), np.float32)]
)
def test_other_shapes_are_refused(values: np.ndarray) -> None:
    with pytest.raises(DataError, match="window 0"):
        top_candidates([values], 2)


def test_no_candidates_cannot_be_asked_for() -> None:
    with pytest.raises(DataError, match="n_best_size"):
        top_candidates([], 0)


def test_beam_outputs_are_cut_by_start() -> None:
    end_index = np.arange(12).reshape(2, 6)
    scores = beam_candidates(
        np.zeros((2, 2)), np.array([[4, 5], [6, 7]]), -end_index / 10, end_index, np.array([0.5, -1])
    )
    assert scores.end_index.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert scores.end_score[1, 1].tolist() == pytest.approx([-0.9, -1.0, -1.1])
    assert scores.null_score.dtype == scores.end_score.dtype == np.float32
    assert scores.start_index.dtype == scores.end_index.dtype == np.int32


@pytest.mark.parametrize(
    ("starts", "ends", "nulls"),
    [((2, 2), (2, 5), (2,)), ((2, 2), (3, 4), (2,)), ((2, 2), (2, 4), (1,)), ((2, 0), (2, 0), (2,))],
)
def test_beam_outputs_must_fit_each_other(
    starts: tuple[int, ...], ends: tuple[int, ...], nulls: tuple[int, ...]
) -> None:
    with pytest.raises(DataError, match="no outputs of the beam head"):
        beam_candidates(np.zeros(starts), np.zeros(starts, int), np.zeros(ends), np.zeros(ends, int), np.zeros(nulls))


def test_diverged_beam_outputs_are_named() -> None:
    null = np.array([0.0, 1.0, np.nan])
    with pytest.raises(TrainingError, match="window 2: the network's answerability logits"):
        beam_candidates(np.zeros((3, 1)), np.zeros((3, 1), int), np.zeros((3, 1)), np.zeros((3, 1), int), null)


@pytest.mark.parametrize("rows", [0, 3])
def test_packing_and_back(rows: int) -> None:
    generator = np.random.default_rng(0)
    scores = WindowScores(
        generator.integers(0, 1 << 24, (rows, 2)).astype(np.int32),
        generator.normal(size=(rows, 2)).astype(np.float32),
        generator.integers(0, 1 << 24, (rows, 2, 3)).astype(np.int32),
        generator.normal(size=(rows, 2, 3)).astype(np.float32),
        generator.normal(size=rows).astype(np.float32),
    )
    packed = scores.packed()
    assert packed.shape == (rows, 2 * 2 + 2 * 6 + 1)
    assert packed.dtype == np.float32
    again = WindowScores.unpack(packed, 2, 2, 3)
    for name, values in vars(scores).items():
        assert np.array_equal(getattr(again, name), values)
        assert getattr(again, name).dtype == values.dtype


def test_packed_scores_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match="do not hold 3 starts and 3 x 3 ends"):
        WindowScores.unpack(np.zeros((4, 17), np.float32), 3, 3, 3)
