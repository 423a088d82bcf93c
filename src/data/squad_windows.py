"""Windows over long passages, and in which window a token has the most context.

The rules are those of ``run_squad`` of google-research/albert (and of BERT's before it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# What a window's length adds to the score of its tokens, so that of equal contexts the longer window wins.
_LENGTH_WEIGHT = 0.01


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """The windows of many questions, one question behind the other.

    Attributes:
        question: Number of the question, int32 [windows].
        number: Number of the window in its question, int32 [windows].
        begin: First token of the passage in it, int32 [windows].
        length: Tokens of the passage in it, int32 [windows].
    """

    question: np.ndarray
    number: np.ndarray
    begin: np.ndarray
    length: np.ndarray


def plan_windows(tokens: np.ndarray, room: np.ndarray, stride: int) -> WindowPlan:
    """Lay windows over passages: each begins ``stride`` tokens (at most a window) behind the one before.

    Args:
        tokens: Tokens of each question's passage, [questions]; 0 gives one empty window.
        room: Most tokens of the passage in a window of the question, [questions]; at least 1.
        stride: Tokens between the begins of two windows; at least 1.
    """
    tokens, room = tokens.astype(np.int64), room.astype(np.int64)
    step = np.minimum(room, stride)
    counts = 1 + -(-np.maximum(tokens - room, 0) // step)
    question = np.repeat(np.arange(len(tokens)), counts)
    number = np.arange(len(question)) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = number * step[question]
    length = np.minimum(tokens[question] - begin, room[question])
    return WindowPlan(*(values.astype(np.int32) for values in (question, number, begin, length)))


def max_context_flags(begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Tell for each token of the windows of one question whether this window is the one it is best judged in.

    A token's score in a window is the smaller number of neighbours to its left or right there plus a hundredth of
    the window's length; the first window with the best score wins.

    Args:
        begins: First token of each window, [windows].
        lengths: Tokens of each window, [windows].

    Returns:
        bool [sum(lengths)], one window behind the other.
    """
    spans = [slice(begin, begin + length) for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True)]
    best = np.full(spans[-1].stop, -1.0)
    winner = np.zeros(len(best), np.int32)
    for number, span in enumerate(spans):
        place = np.arange(span.stop - span.start)
        score = np.minimum(place, place[::-1]) + _LENGTH_WEIGHT * len(place)
        better = score > best[span]
        best[span][better] = score[better]
        winner[span][better] = number
    return np.concatenate([winner[span] == number for number, span in enumerate(spans)])
