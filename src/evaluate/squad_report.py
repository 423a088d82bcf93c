"""Figures of question answering for logs, reports and people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.data.squad import SquadFile
from src.evaluate.report import text_table
from src.evaluate.squad_answers import QuestionAnswers
from src.evaluate.squad_metrics import (
    QuestionScores,
    best_figures,
    best_threshold,
    score_predictions,
    v1_figures,
    v2_figures,
    without_answers,
)

_GROUPS = {"": "", "HasAns_": "  with an answer", "NoAns_": "  without an answer"}


@dataclass(frozen=True)
class SquadReport:
    """Result of an evaluation.

    Attributes:
        figures: Numbers for the metrics log; ``exact_match`` and ``f1`` by v1.1 and v2.0 alike.
        report: What goes into ``metrics.json`` and the evaluation's json file.
        lines: What is printed; the last line is ``{"exact_match": ..., "f1": ...}``.
    """

    figures: dict[str, float]
    report: dict[str, Any]
    lines: tuple[str, ...]


def squad_report(
    data: SquadFile, answers: Sequence[QuestionAnswers], *, version_2: bool, null_threshold: float = 0.0
) -> SquadReport:
    """Score answers.

    By v2.0 the main figures are those of ``null_threshold``, a number that is chosen before; those of the threshold
    that is best for F1 on these very questions stand beside them as ``tuned``.

    Args:
        data: The questions with gold answers.
        answers: The answers to all of them, in their order.
        version_2: Whether the rules of v2.0 hold.
        null_threshold: From which null odds on (not included) a question gets no answer; not read by v1.1.

    Raises:
        DataError: Answers are not those of the questions, or lack null odds by v2.0, or a question lacks a gold
            answer by v1.1.
    """
    check_same_questions(data, answers)
    raw = score_predictions(data, {row.id: row.answer.text for row in answers}, version_2=version_2)
    if not version_2:
        return _v1_report(raw)
    return _v2_report(raw, null_odds_of(answers), null_threshold)


def check_same_questions(data: SquadFile, answers: Sequence[QuestionAnswers]) -> None:
    """Refuse answers to other questions than those of ``data``, or in another order.

    Raises:
        DataError: They differ.
    """
    if [row.id for row in answers] != [question.id for question in data.questions]:
        raise DataError("the answers are not those of the file's questions", str(data.source), "answer this file")


def null_odds_of(answers: Sequence[QuestionAnswers]) -> np.ndarray:
    """Return the null odds of all answers, float64 [Q].

    Raises:
        DataError: An answer was chosen by the rule of v1.1 and has none.
    """
    odds = [row.null_odds for row in answers]
    if any(value is None for value in odds):
        raise DataError("answers by the rule of v1.1 have no null odds", fix="use a rule of v2.0")
    return np.array(odds, np.float64)


def last_line(exact: float, f1: float) -> str:
    """Return the line that users of the old repository look for."""
    return json.dumps({"exact_match": exact, "f1": f1})


def figures_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return a table of named results, each over all questions and, by v2.0, with and without an answer."""
    table = [["", "questions", "exact", "f1"]]
    for name, figures in rows.items():
        for prefix, title in _GROUPS.items():
            if f"{prefix}exact" in figures:
                shares = [f"{figures[prefix + key]:.3f}" for key in ("exact", "f1")]
                table.append([title or name, str(int(figures[f"{prefix}total"])), *shares])
    return text_table(table)


def _v1_report(scores: QuestionScores) -> SquadReport:
    figures = v1_figures(scores)
    table = figures_table({"all": {"exact": figures["exact_match"], "f1": figures["f1"], "total": len(scores.exact)}})
    lines = (*table.split("\n"), last_line(figures["exact_match"], figures["f1"]))
    return SquadReport(figures, {**figures, "total": len(scores.exact)}, lines)


def _v2_report(raw: QuestionScores, odds: np.ndarray, null_threshold: float) -> SquadReport:
    chosen = v2_figures(without_answers(raw, odds > null_threshold))
    tuned_threshold = _tuned_threshold(raw, odds)
    tuned = v2_figures(without_answers(raw, odds > tuned_threshold))
    best = best_figures(raw, odds)
    report = {
        **chosen,
        **best,
        "null_threshold": null_threshold,
        "tuned": {**tuned, "null_threshold": tuned_threshold},
    }
    figures = {"exact_match": chosen["exact"], **chosen, **best}
    del figures["exact"]
    figures |= {"tuned_exact": tuned["exact"], "tuned_f1": tuned["f1"], "tuned_null_threshold": tuned_threshold}
    names = f"null threshold {null_threshold:g}", f"null threshold {tuned_threshold:.4f}, tuned on these questions"
    table = figures_table(dict(zip(names, (chosen, tuned), strict=True)))
    lines = (*table.split("\n"), last_line(chosen["exact"], chosen["f1"]))
    return SquadReport(figures, report, lines)


def _tuned_threshold(raw: QuestionScores, odds: np.ndarray) -> float:
    """Return the threshold with the best F1; where no answer at all is best, one below all odds.

    The official search calls that 0.0, which is right for probabilities only: odds may be negative.
    """
    best = best_threshold(raw, raw.f1, odds)
    if best.answers_any or not len(odds):
        return best.threshold
    return math.nextafter(float(odds.min()), -math.inf)
