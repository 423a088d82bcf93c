"""From the candidates of all windows to the n-best answers of each question, by the rules of the reference.

Source: ``write_predictions_v1`` and ``write_predictions_v2`` of google-research/albert, and for the null rule
``write_predictions`` of BERT's ``run_squad.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from src.common.errors import DataError
from src.data.squad import SquadFile
from src.data.squad_features import SquadFeatures
from src.evaluate.squad_candidates import WindowScores

# The text of a question of v1.1 that has no candidate, and the score of such a question of v2.0, as in the reference.
EMPTY_TEXT = "empty"
NONCE_SCORE = -1e6

# So many questions are ranked at once: it bounds the memory, and their number has no other effect.
_BLOCK_QUESTIONS = 1024


class AnswerRule(Enum):
    """How candidates become answers.

    ``V1``: every question has an answer. ``V2_BEAM``: ``null_score`` is the answerability logit and decides alone.
    ``V2_NULL``: "no answer" is a candidate with the score of [CLS], and the difference to the best answer decides.
    """

    V1 = "v1"
    V2_BEAM = "v2_beam"
    V2_NULL = "v2_null"


@dataclass(frozen=True)
class Candidate:
    """A possible answer.

    Attributes:
        text: ``context[start:end]``; empty for "no answer".
        probability: Softmax of start_score + end_score over the n-best answers of the question.
        start_score: Logit or log-probability of the start. "No answer" has its whole score here.
        end_score: The same of the end.
        start: First character in the context.
        end: Character behind the last one; equal to ``start`` where the text is not a part of the context.
    """

    text: str
    probability: float
    start_score: float
    end_score: float
    start: int
    end: int


@dataclass(frozen=True)
class QuestionAnswers:
    """The answers to a question.

    Attributes:
        id: The question's id.
        best: N-best candidates, the best first, at least one.
        null_score: Least ``null_score`` of the question's windows; 0 where it has none.
        answer: The answer that is given when the question is held to be answerable.
        null_odds: What is compared with the threshold: higher means "no answer"; ``None`` by the rule ``V1``.
    """

    id: str
    best: tuple[Candidate, ...]
    null_score: float
    answer: Candidate
    null_odds: float | None

    def text(self, null_threshold: float) -> str:
        """Return the predicted text: empty where ``null_odds`` is above the threshold."""
        return "" if self.null_odds is not None and self.null_odds > null_threshold else self.answer.text


@dataclass(frozen=True, eq=False)
class _Spans:
    """Allowed candidates of several questions, one array entry each: by question, then the best first."""

    question: np.ndarray
    start_score: np.ndarray
    end_score: np.ndarray
    start: np.ndarray
    end: np.ndarray


def answer_questions(
    data: SquadFile,
    features: SquadFeatures,
    scores: WindowScores,
    *,
    rule: AnswerRule,
    n_best_size: int = 20,
    max_answer_length: int = 30,
) -> list[QuestionAnswers]:
    """Return the answers to all questions of ``data``, in their order.

    A candidate counts when start and end lie in the window's part of the context, the end is not before the start, the
    span has at most ``max_answer_length`` tokens, and the start has its largest context in this window. Candidates are
    ordered by the sum of their scores, equal ones by window, start rank and end rank. Of several with the same text
    the first is kept.

    Args:
        data: The questions and contexts.
        features: Windows of all questions.
        scores: Candidates of the same windows, in the same order.
        rule: How candidates become answers.
        n_best_size: Answers that are kept of a question.
        max_answer_length: Tokens of the longest answer.

    Raises:
        DataError: Scores do not fit the windows, or a size is below 1.
    """
    _check(features, scores, n_best_size=n_best_size, max_answer_length=max_answer_length)
    order = np.argsort(features.question, kind="stable")
    bounds = np.searchsorted(features.question[order], np.arange(len(data.questions) + 1))
    answers: list[QuestionAnswers] = []
    for first in range(0, len(data.questions), _BLOCK_QUESTIONS):
        numbers = range(first, min(first + _BLOCK_QUESTIONS, len(data.questions)))
        block = order[bounds[numbers.start] : bounds[numbers.stop]]
        spans = _ranked_spans(features, scores, block, max_answer_length)
        nulls = [scores.null_score[order[bounds[i] : bounds[i + 1]]] for i in numbers]
        answers += _answers_of_block(data, numbers, spans, nulls, rule, n_best_size)
    return answers


def _check(features: SquadFeatures, scores: WindowScores, **sizes: int) -> None:
    if len(scores.null_score) != features.rows:
        windows = f"{len(scores.null_score)} windows have scores, but the questions have {features.rows} windows"
        raise DataError(windows, fix="score all windows of the features, in their order")
    for name, value in sizes.items():
        if value < 1:
            raise DataError(f"{value} is too small", name, "use 1 or more")


def _ranked_spans(features: SquadFeatures, scores: WindowScores, rows: np.ndarray, max_answer_length: int) -> _Spans:
    """Return the allowed candidates of the windows ``rows`` int [R], which are ordered by question."""
    begin = features.doc_begin[rows].astype(np.int64)[:, None, None]
    length = features.doc_length[rows].astype(np.int64)[:, None, None]
    start = scores.start_index[rows].astype(np.int64)[:, :, None] - begin
    # Ends that all starts share are looked at for each of them.
    end = scores.end_index[rows].astype(np.int64) - begin
    allowed = (start >= 0) & (end >= start) & (end < length) & (end - start < max_answer_length)
    # Row-major order: by window, then start rank, then end rank, as the loops of the reference.
    window, start_rank, end_rank = np.nonzero(allowed)
    own = start_rank if end.shape[1] > 1 else np.zeros_like(start_rank)
    start, end = start[window, start_rank, 0], end[window, own, end_rank]
    widest = features.max_context[features.doc_offsets[rows[window]] + start]
    window, start_rank, end_rank, own, start, end = (x[widest] for x in (window, start_rank, end_rank, own, start, end))
    row = rows[window]
    # The sum is taken in double precision, as in the reference: in single precision more sums would be equal.
    start_score = scores.start_score[row, start_rank].astype(np.float64)
    end_score = scores.end_score[row, own, end_rank].astype(np.float64)
    order = np.lexsort((-(start_score + end_score), features.question[row]))
    row, start, end = row[order], start[order], end[order]
    token = features.context_offsets[features.context[row]] + features.first_token[row]
    return _Spans(
        features.question[row],
        start_score[order],
        end_score[order],
        features.token_starts[token + start],
        features.token_ends[token + end] + 1,
    )


def _answers_of_block(
    data: SquadFile,
    numbers: range,
    spans: _Spans,
    nulls: Sequence[np.ndarray],
    rule: AnswerRule,
    n_best_size: int,
) -> Iterator[QuestionAnswers]:
    """Yield the answers to the questions ``numbers``, whose windows have the null scores ``nulls``."""
    bounds = np.searchsorted(spans.question, np.arange(numbers.start, numbers.stop + 1)).tolist()
    for place, number in enumerate(numbers):
        question = data.questions[number]
        # Windows that no score was made for have an infinite one.
        least = float(nulls[place].min(initial=np.inf))
        null_score = least if least < np.inf else 0.0
        window = slice(bounds[place], bounds[place + 1])
        found = _distinct(data.contexts[question.context], spans, window, n_best_size, rule is not AnswerRule.V2_NULL)
        if rule is AnswerRule.V2_NULL:
            yield _answers_with_null(question.id, found, null_score, n_best_size)
        else:
            nonce = (EMPTY_TEXT, 0.0) if rule is AnswerRule.V1 else ("", NONCE_SCORE)
            best = _with_probabilities(found or [Candidate(nonce[0], 0.0, nonce[1], nonce[1], 0, 0)])
            yield QuestionAnswers(question.id, best, null_score, best[0], None if rule is AnswerRule.V1 else null_score)


def _distinct(context: str, spans: _Spans, window: slice, limit: int, keep_blank: bool) -> list[Candidate]:
    """Return the first ``limit`` candidates of ``spans[window]`` with different texts, without probabilities.

    Args:
        context: The text that they point into.
        spans: The candidates.
        window: Which of them belong to the question.
        limit: The most candidates to return.
        keep_blank: Whether a span of white space counts; its text is empty.
    """
    found: list[Candidate] = []
    seen: set[str] = set() if keep_blank else {""}
    for i in range(window.start, window.stop):
        if len(found) == limit:
            break
        piece = context[spans.start[i] : spans.end[i]]
        text = piece.strip()
        if text not in seen:
            seen.add(text)
            start = int(spans.start[i]) + len(piece) - len(piece.lstrip()) if text else int(spans.start[i])
            scores = float(spans.start_score[i]), float(spans.end_score[i])
            found.append(Candidate(text, 0.0, *scores, start, start + len(text)))
    return found


def _answers_with_null(id_: str, found: list[Candidate], null_score: float, n_best_size: int) -> QuestionAnswers:
    """Put "no answer" at its place among the candidates, or behind them all where it is not among the n-best."""
    null = Candidate("", 0.0, null_score, 0.0, 0, 0)
    better = sum(candidate.start_score + candidate.end_score >= null_score for candidate in found)
    # One span stays even where a single candidate is asked for: its score is needed, as the reference keeps the null's.
    kept = found[: max(n_best_size - 1, 1)] if better < n_best_size else found
    best = _with_probabilities([*kept[:better], null, *kept[better:]])
    answer = next((candidate for candidate in best if candidate.text), best[better])
    # A question without a candidate has no answer whatever the threshold; the number must be finite to be written.
    score = answer.start_score + answer.end_score if found else 2 * NONCE_SCORE
    return QuestionAnswers(id_, best, null_score, answer, null_score - score)


def _with_probabilities(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with the softmax of their scores, in double precision."""
    totals = np.array([candidate.start_score + candidate.end_score for candidate in candidates])
    shares = np.exp(totals - totals.max())
    shares /= shares.sum()
    return tuple(
        Candidate(c.text, share, c.start_score, c.end_score, c.start, c.end)
        for c, share in zip(candidates, shares.tolist(), strict=True)
    )
