"""Exact match and F1 of SQuAD v1.1 and v2.0, as the official evaluation scripts define them.

Sources: Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822) and the scripts published with them.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from src.common.errors import DataError
from src.data.squad import SquadFile

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_GOLD_FIX = "give a file with answers; questions without one have a score by the rules of v2.0 only"
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class AnswerScore(NamedTuple):
    """Score of one answer, each from 0 to 1."""

    exact: float
    f1: float


@dataclass(frozen=True, eq=False)
class QuestionScores:
    """Scores of Q questions.

    Attributes:
        exact: float64 [Q], 0 or 1.
        f1: float64 [Q], from 0 to 1.
        has_answer: bool [Q], whether the question has a gold answer.
        predicted: bool [Q], whether there is a prediction. Without one the scores are 0.
        answered: bool [Q], whether the prediction is a text and not "no answer".
    """

    exact: np.ndarray
    f1: np.ndarray
    has_answer: np.ndarray
    predicted: np.ndarray
    answered: np.ndarray


class BestThreshold(NamedTuple):
    """Result of a search.

    Attributes:
        percent: The best mean score, 0 to 100.
        threshold: The number up to which "no answer" odds count as an answer.
        answers_any: Whether the best is better than answering no question.
    """

    percent: float
    threshold: float
    answers_any: bool


def normalize_answer(text: str) -> str:
    """Return the text in lower case, without ASCII punctuation and the words a, an, the, with single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def score_answer(prediction: str, golds: Sequence[str]) -> AnswerScore:
    """Return the best score of a prediction over the gold answers by the rules of v1.1; texts are normalized here."""
    ours = normalize_answer(prediction)
    true = [normalize_answer(gold) for gold in golds]
    return _best_score(ours, true, empty_equals_empty=0.0)


def score_answer_or_none(prediction: str, golds: Sequence[str]) -> AnswerScore:
    """Return the best score of a prediction by the rules of v2.0; no gold answer means that "" is right.

    Gold answers that are empty when normalized do not count. Two empty texts have F1 1, which v1.1 scores 0.
    """
    ours = normalize_answer(prediction)
    true = [normalized for gold in golds if (normalized := normalize_answer(gold))]
    return _best_score(ours, true or [""], empty_equals_empty=1.0)


def _best_score(prediction: str, golds: Sequence[str], empty_equals_empty: float) -> AnswerScore:
    words = prediction.split()
    exact = max(float(prediction == gold) for gold in golds)
    if not words:
        return AnswerScore(exact, empty_equals_empty * exact)
    if exact:
        return AnswerScore(1.0, 1.0)
    counts = Counter(words)
    return AnswerScore(0.0, max(_f1(counts, gold.split()) for gold in golds))


def _f1(prediction: Counter[str], gold: Sequence[str]) -> float:
    """Return the F1 of two bags of words."""
    common = (prediction & Counter(gold)).total()
    if not common:
        return 0.0
    precision, recall = common / prediction.total(), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def score_predictions(data: SquadFile, predictions: Mapping[str, str], *, version_2: bool) -> QuestionScores:
    """Return the scores of all questions of ``data``; a question without a prediction is wrong.

    Args:
        data: Questions with gold answers.
        predictions: Text by question id; ids that are not in ``data`` are not looked at.
        version_2: Whether the rules of v2.0 hold.

    Raises:
        DataError: By the rules of v1.1 a question has no gold answer; by those of v2.0 the whole file has none.
    """
    if version_2 and not any(question.answers or question.is_impossible for question in data.questions):
        raise DataError("no question has a gold answer", str(data.source), _NO_GOLD_FIX)
    rows: list[tuple[AnswerScore, bool, bool, bool]] = []
    for question in data.questions:
        golds = [answer.text for answer in question.answers]
        if not (golds or version_2):
            raise DataError("the question has no gold answer by v1.1", f"{data.source}: id {question.id}", _NO_GOLD_FIX)
        text = predictions.get(question.id)
        score = AnswerScore(0.0, 0.0)
        if text is not None:
            score = (score_answer_or_none if version_2 else score_answer)(text, golds)
        rows.append((score, bool(golds), text is not None, bool(text)))
    pairs = np.array([row[0] for row in rows], np.float64).reshape(-1, 2)
    flags = np.array([row[1:] for row in rows], bool).reshape(-1, 3)
    return QuestionScores(pairs[:, 0], pairs[:, 1], flags[:, 0], flags[:, 1], flags[:, 2])


def without_answers(scores: QuestionScores, unanswered: np.ndarray) -> QuestionScores:
    """Return the scores where the questions ``unanswered`` bool [Q] get "no answer" instead of their prediction.

    Questions without a prediction stay wrong.
    """
    changed = unanswered & scores.predicted
    right = (~scores.has_answer).astype(np.float64)
    return QuestionScores(
        np.where(changed, right, scores.exact),
        np.where(changed, right, scores.f1),
        scores.has_answer,
        scores.predicted,
        scores.answered & ~changed,
    )


def v1_figures(scores: QuestionScores) -> dict[str, float]:
    """Return ``exact_match`` and ``f1``, 0 to 100, over all questions."""
    return {"exact_match": _percent(scores.exact), "f1": _percent(scores.f1)}


def v2_figures(scores: QuestionScores) -> dict[str, float]:
    """Return ``exact``, ``f1`` (0 to 100) and ``total``, then the same as ``HasAns_*`` and ``NoAns_*``.

    As in the official script a group without questions is left out.
    """
    figures: dict[str, float] = {}
    groups = {"": np.ones(len(scores.exact), bool), "HasAns_": scores.has_answer, "NoAns_": ~scores.has_answer}
    for name, members in groups.items():
        if members.any() or not name:
            figures[f"{name}exact"] = _percent(scores.exact[members])
            figures[f"{name}f1"] = _percent(scores.f1[members])
            figures[f"{name}total"] = int(members.sum())
    return figures


def _percent(values: np.ndarray) -> float:
    return 100.0 * float(values.sum()) / len(values) if len(values) else 0.0


def best_threshold(scores: QuestionScores, values: np.ndarray, null_odds: np.ndarray) -> BestThreshold:
    """Return the threshold of the null odds with the best mean score, by sorting once.

    The search begins with no question answered, which the official script calls the threshold 0.0, and answers one
    question after the other, that with the least odds first, equal odds in the order of the file.

    Args:
        scores: Scores of the predictions as they are.
        values: Which of its scores to look at: float64 [Q], ``scores.exact`` or ``scores.f1``.
        null_odds: float64 [Q]; higher means "no answer".
    """
    if not len(values):
        return BestThreshold(0.0, 0.0, False)
    nothing = float((scores.predicted & ~scores.has_answer).sum())
    order = np.argsort(null_odds, kind="stable")
    gains = np.where(scores.has_answer, values, -(scores.answered.astype(np.float64)))[order]
    totals = np.cumsum(np.concatenate([[nothing], gains]))
    best = int(np.argmax(totals))
    threshold = float(null_odds[order[best - 1]]) if best else 0.0
    return BestThreshold(100.0 * float(totals[best]) / len(values), threshold, best > 0)


def best_figures(scores: QuestionScores, null_odds: np.ndarray) -> dict[str, float]:
    """Return ``best_exact``, ``best_exact_thresh``, ``best_f1`` and ``best_f1_thresh`` of the official script."""
    exact = best_threshold(scores, scores.exact, null_odds)
    f1 = best_threshold(scores, scores.f1, null_odds)
    return {
        "best_exact": exact.percent,
        "best_exact_thresh": exact.threshold,
        "best_f1": f1.percent,
        "best_f1_thresh": f1.threshold,
    }
