"""Small question files and their windows, made by hand: the tokens of a context are its words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.data.squad import Answer, SquadFile, SquadQuestion
from src.data.squad_features import SquadFeatures, SquadSettings

# [CLS], two tokens of the question, [SEP].
DOC_BEGIN = 4


def make_file(contexts: Sequence[str], questions: Sequence[tuple[int, Sequence[str]]], version: str = "") -> SquadFile:
    """Return a file of questions, each given as (number of its context, gold answers); ids are q0, q1, ..."""
    rows = tuple(
        SquadQuestion(f"q{i}", f"question {i}?", context, tuple(Answer(text, 0) for text in golds), not golds)
        for i, (context, golds) in enumerate(questions)
    )
    return SquadFile(Path("sample.json"), "0" * 64, version, tuple(contexts), rows)


def _window_begins(tokens: int, room: int, stride: int) -> list[int]:
    begins = [0]
    while begins[-1] + room < tokens:
        begins.append(begins[-1] + stride)
    return begins


def _owner(token: int, spans: Sequence[tuple[int, int]]) -> int:
    """Return the window in which the token has the most context; spans are (begin, length)."""
    scores = [
        min(token - begin, begin + length - 1 - token) + 0.01 * length if begin <= token < begin + length else -1.0
        for begin, length in spans
    ]
    return scores.index(max(scores))


def make_features(data: SquadFile, room: int = 100, stride: int = 50) -> SquadFeatures:
    """Return the windows of all questions, each with at most ``room`` words of its context."""
    words = [context.split() for context in data.contexts]
    starts = [[sum(len(word) + 1 for word in row[:i]) for i in range(len(row))] for row in words]
    ends = [
        [s + len(word) - 1 for s, word in zip(row_s, row, strict=True)]
        for row_s, row in zip(starts, words, strict=True)
    ]
    rows: list[tuple[int, int, int, int, int]] = []
    flags: list[bool] = []
    for number, question in enumerate(data.questions):
        tokens = len(words[question.context])
        spans = [(begin, min(room, tokens - begin)) for begin in _window_begins(tokens, room, stride)]
        for window, (begin, length) in enumerate(spans):
            rows.append((number, window, question.context, begin, length))
            flags += [_owner(token, spans) == window for token in range(begin, begin + length)]
    columns = np.array(rows, np.int32).reshape(-1, 5).T
    lengths = columns[4] + DOC_BEGIN + 1
    zeros = np.zeros(len(rows), np.int32)
    return SquadFeatures(
        settings=SquadSettings(DOC_BEGIN + room + 1, 2, stride),
        token_ids=np.zeros(lengths.sum(), np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        question=columns[0],
        window=columns[1],
        context=columns[2],
        doc_begin=zeros + DOC_BEGIN,
        doc_length=columns[4],
        first_token=columns[3],
        max_context=np.array(flags, bool),
        doc_offsets=np.concatenate([[0], np.cumsum(columns[4])]).astype(np.int64),
        start_position=zeros,
        end_position=zeros,
        is_impossible=zeros.astype(bool),
        token_starts=np.array([place for row in starts for place in row], np.int32),
        token_ends=np.array([place for row in ends for place in row], np.int32),
        context_offsets=np.concatenate([[0], np.cumsum([len(row) for row in words])]).astype(np.int64),
    )


def logits_of(
    features: SquadFeatures, tops: dict[int, Sequence[tuple[int, int, float, float]]], null: float = -5.0
) -> list[np.ndarray]:
    """Return logits, -9 but for [CLS] (``null``) and the spans (first word, last word, start, end) by window."""
    logits = []
    for row, length in enumerate(features.lengths.tolist()):
        values = np.full((length, 2), -9.0, np.float32)
        values[0] = null / 2
        for first, last, start, end in tops.get(row, ()):
            values[DOC_BEGIN + first, 0] = start
            values[DOC_BEGIN + last, 1] = end
        logits.append(values)
    return logits
