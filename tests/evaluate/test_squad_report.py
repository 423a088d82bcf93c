from __future__ import annotations

import json

import pytest

from src.common.errors import DataError
from src.evaluate.squad_answers import Candidate, QuestionAnswers
from src.evaluate.squad_report import squad_report
from tests.evaluate.squad_samples import make_file


def answered(id_: str, text: str, odds: float | None = None, probability: float = 0.5) -> QuestionAnswers:
    best = Candidate(text, probability, 1.0, 1.0, 0, len(text))
    return QuestionAnswers(id_, (best,), 0.0, best, odds)


DATA_2 = make_file(["c"], [(0, ["one"]), (0, ["two three"]), (0, []), (0, [])], "v2.0")
ANSWERS_2 = [
    answered("q0", "one", 0.4),
    answered("q1", "two", -1.0),
    answered("q2", "x", 0.7),
    answered("q3", "y", -2.0),
]


def test_v1() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, ["two three"])])
    result = squad_report(data, [answered("q0", "one"), answered("q1", "two")], version_2=False)
    assert result.figures == pytest.approx({"exact_match": 50.0, "f1": 250 / 3})
    assert result.report == {**result.figures, "total": 2}
    assert result.lines[-1] == json.dumps({"exact_match": 50.0, "f1": result.figures["f1"]})
    assert result.lines[1].split() == ["all", "2", "50.000", "83.333"]


def test_v2_with_the_chosen_and_the_tuned_threshold() -> None:
    result = squad_report(DATA_2, ANSWERS_2, version_2=True)
    # At 0: q0 and q2 get no answer. Best for F1: q0, q1 and q3 answered, at the odds of q0.
    report = result.report
    assert (report["exact"], report["total"], report["null_threshold"]) == (25.0, 4, 0.0)
    assert report["f1"] == pytest.approx(100 * (2 / 3 + 1) / 4)
    assert (report["best_f1"], report["best_f1_thresh"]) == (pytest.approx(200 / 3), 0.4)
    assert report["tuned"]["null_threshold"] == 0.4
    assert report["tuned"]["f1"] == pytest.approx(200 / 3)
    assert (report["tuned"]["HasAns_exact"], report["tuned"]["NoAns_exact"]) == (50.0, 50.0)
    assert result.figures["exact_match"] == report["exact"]
    assert result.figures["tuned_f1"] == report["tuned"]["f1"]
    assert all(isinstance(value, (int, float)) for value in result.figures.values())
    assert json.loads(result.lines[-1]) == {"exact_match": 25.0, "f1": report["f1"]}
    assert sum("questions" in line or "answer" in line for line in result.lines) == 6


def test_v2_with_a_threshold_chosen_before() -> None:
    report = squad_report(DATA_2, ANSWERS_2, version_2=True, null_threshold=0.4).report
    assert report["f1"] == pytest.approx(report["best_f1"])
    assert squad_report(DATA_2, ANSWERS_2, version_2=True, null_threshold=-5.0).report["exact"] == 50.0


def test_where_no_answer_is_best_the_tuned_threshold_is_below_all_odds() -> None:
    answers = [answered(f"q{i}", "wrong", -3.0 + i) for i in range(4)]
    report = squad_report(DATA_2, answers, version_2=True).report
    assert (report["best_f1"], report["best_f1_thresh"]) == (50.0, 0.0)
    assert report["tuned"]["f1"] == 50.0
    assert report["tuned"]["null_threshold"] < -3.0


def test_answers_of_other_questions_are_refused() -> None:
    with pytest.raises(DataError, match="not those of the file's questions"):
        squad_report(DATA_2, ANSWERS_2[::-1], version_2=True)


def test_v2_needs_null_odds() -> None:
    answers = [answered(f"q{i}", "x") for i in range(4)]
    with pytest.raises(DataError, match="no null odds"):
        squad_report(DATA_2, answers, version_2=True)
