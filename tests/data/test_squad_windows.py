from __future__ import annotations

import random

import numpy as np
import pytest

from src.data.squad_windows import max_context_flags, plan_windows


def windows_by_hand(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return begin and length of each window as the reference's loop makes them; an empty one without tokens."""
    windows = []
    begin = 0
    while True:
        length = min(tokens - begin, room)
        windows.append((begin, length))
        if begin + length >= tokens:
            return windows
        begin += min(length, stride)


def best_by_hand(windows: list[tuple[int, int]], token: int) -> int:
    """Return the window in which a token is judged, by comparing all of them."""
    best, best_score = -1, -1.0
    for number, (begin, length) in enumerate(windows):
        if begin <= token < begin + length:
            score = min(token - begin, begin + length - 1 - token) + 0.01 * length
            if score > best_score:
                best, best_score = number, score
    return best


@pytest.mark.parametrize(
    ("tokens", "room", "stride", "expected"),
    [
        (5, 10, 3, [(0, 5)]),
        (10, 10, 3, [(0, 10)]),
        (11, 10, 3, [(0, 10), (3, 8)]),
        (30, 10, 10, [(0, 10), (10, 10), (20, 10)]),
        (25, 10, 99, [(0, 10), (10, 10), (20, 5)]),
        (3, 1, 1, [(0, 1), (1, 1), (2, 1)]),
        (0, 4, 2, [(0, 0)]),
    ],
)
def test_windows_of_one_question(tokens: int, room: int, stride: int, expected: list[tuple[int, int]]) -> None:
    plan = plan_windows(np.array([tokens]), np.array([room]), stride)
    assert (
        list(zip(plan.begin.tolist(), plan.length.tolist(), strict=True))
        == expected
        == windows_by_hand(tokens, room, stride)
    )
    assert plan.number.tolist() == list(range(len(expected)))


def test_windows_of_many_questions() -> None:
    chance = random.Random(5)
    for stride in (1, 2, 7, 40):
        tokens = [chance.randrange(60) for _ in range(80)]
        room = [chance.randrange(1, 30) for _ in range(80)]
        plan = plan_windows(np.array(tokens), np.array(room), stride)
        expected = [
            (number, index, *window)
            for number in range(80)
            for index, window in enumerate(windows_by_hand(tokens[number], room[number], stride))
        ]
        columns = (plan.question, plan.number, plan.begin, plan.length)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
        assert {column.dtype for column in columns} == {np.dtype(np.int32)}


def test_every_token_is_judged_in_its_best_window() -> None:
    chance = random.Random(6)
    for _ in range(300):
        windows = windows_by_hand(chance.randrange(1, 80), chance.randrange(1, 30), chance.randrange(1, 30))
        flags = max_context_flags(*(np.array(column, np.int32) for column in zip(*windows, strict=True))).tolist()
        expected = [
            best_by_hand(windows, token) == number
            for number, (begin, length) in enumerate(windows)
            for token in range(begin, begin + length)
        ]
        assert flags == expected


def test_of_equal_scores_the_first_window_wins() -> None:
    # Token 5 has 2 neighbours to its right in the first window and 2 to its left in the second.
    flags = max_context_flags(np.array([0, 3]), np.array([8, 8]))
    assert flags[5]
    assert not flags[8 + 2]
    assert flags.sum() == 11
