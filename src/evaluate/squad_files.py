"""The files of an evaluation: predictions, n-best answers, null odds, metrics, and wrong answers to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common.files import write_json_atomic
from src.data.squad import SquadFile
from src.evaluate.squad_answers import Candidate, QuestionAnswers
from src.evaluate.squad_metrics import score_predictions
from src.evaluate.squad_report import check_same_questions

PREDICTIONS_NAME = "predictions.json"
NBEST_NAME = "nbest_predictions.json"
NULL_ODDS_NAME = "null_odds.json"
METRICS_NAME = "metrics.json"
ERRORS_NAME = "errors.json"


def write_answers(
    directory: Path,
    answers: Sequence[QuestionAnswers],
    *,
    null_threshold: float = 0.0,
    metrics: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write ``predictions.json``, ``nbest_predictions.json``, by v2.0 ``null_odds.json``, and ``metrics.json``.

    Each file is written as a whole, with the questions in the order of the data. Of these files, and ``errors.json``,
    those of an earlier evaluation that are not written anew are removed.

    Args:
        directory: Where to; made when missing.
        answers: What to write.
        null_threshold: Questions with higher null odds get the empty text; not read by v1.1.
        metrics: Content of ``metrics.json``; ``None`` writes no such file (data without gold answers).

    Returns:
        The files.
    """
    contents: dict[str, Any] = {
        PREDICTIONS_NAME: {row.id: row.text(null_threshold) for row in answers},
        NBEST_NAME: {row.id: [_entry(candidate) for candidate in row.best] for row in answers},
    }
    if any(row.null_odds is not None for row in answers):
        contents[NULL_ODDS_NAME] = {row.id: row.null_odds for row in answers}
    if metrics is not None:
        contents[METRICS_NAME] = dict(metrics)
    for name, content in contents.items():
        write_json_atomic(directory / name, content)
    for name in (NULL_ODDS_NAME, METRICS_NAME, ERRORS_NAME):
        # What an earlier evaluation left would belong to other answers.
        if name not in contents:
            (directory / name).unlink(missing_ok=True)
    return [directory / name for name in contents]


def _entry(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate under the names of the reference, and its place in the context (null: not a part of it)."""
    inside = candidate.end > candidate.start
    return {
        "text": candidate.text,
        "probability": candidate.probability,
        "start_log_prob": candidate.start_score,
        "end_log_prob": candidate.end_score,
        "start": candidate.start if inside else None,
        "end": candidate.end if inside else None,
    }


def wrong_answers(
    data: SquadFile,
    answers: Sequence[QuestionAnswers],
    *,
    version_2: bool,
    limit: int,
    null_threshold: float = 0.0,
) -> list[dict[str, Any]]:
    """Return the worst answers: least F1 first, of equal ones the most confident first; exact matches are left out.

    ``probability`` is that of the answer among the n-best, and for "no answer" the logistic function of the null odds.

    Args:
        data: The questions with gold answers.
        answers: The answers to all of them, in their order.
        version_2: Whether the rules of v2.0 hold.
        limit: The most answers to return.
        null_threshold: As for ``write_answers``.

    Raises:
        DataError: Answers are not those of the questions, or a question lacks a gold answer by v1.1.
    """
    check_same_questions(data, answers)
    texts = {row.id: row.text(null_threshold) for row in answers}
    scores = score_predictions(data, texts, version_2=version_2)
    confidence = np.array([_confidence(row, null_threshold) for row in answers])
    order = np.lexsort((-confidence, scores.f1))
    return [
        {
            "id": data.questions[i].id,
            "question": data.questions[i].question,
            "gold": list(dict.fromkeys(answer.text for answer in data.questions[i].answers)),
            "answer": texts[answers[i].id],
            "probability": float(confidence[i]),
            "f1": float(scores.f1[i]),
            **({} if answers[i].null_odds is None else {"null_odds": answers[i].null_odds}),
        }
        for i in order[scores.exact[order] == 0][:limit].tolist()
    ]


def write_wrong_answers(directory: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write the rows of ``wrong_answers`` to ``errors.json`` and return its path."""
    path = directory / ERRORS_NAME
    write_json_atomic(path, [dict(row) for row in rows])
    return path


def _confidence(row: QuestionAnswers, null_threshold: float) -> float:
    if row.null_odds is None or row.null_odds <= null_threshold:
        return row.answer.probability
    # Written with tanh, which does not overflow.
    return float(0.5 * (1.0 + np.tanh(0.5 * row.null_odds)))
