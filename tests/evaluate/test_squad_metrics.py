from __future__ import annotations

import math

import numpy as np
import pytest

from src.common.errors import DataError
from src.evaluate.squad_metrics import (
    QuestionScores,
    best_figures,
    best_threshold,
    normalize_answer,
    score_answer,
    score_answer_or_none,
    score_predictions,
    v1_figures,
    v2_figures,
    without_answers,
)
from tests.evaluate.squad_samples import make_file


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The Seine", "seine"),
        ("an apple, a day", "apple day"),
        # Articles are whole words only; punctuation goes first, so "the-end" becomes one word.
        ("theory of Anna", "theory of anna"),
        ("the-end", "theend"),
        ("A. the.", ""),
        ("  two\t\nspaces  ", "two spaces"),
        ("U.S.", "us"),
        ("$1,000.50", "100050"),
        # Only ASCII punctuation is taken away, and only these three words; \b and lower() know Unicode.
        ("“quoted” – dash", "“quoted” – dash"),
        ("ÉCOLE Über", "école über"),
        ("athé the", "athé"),
        ("non\u00a0breaking", "non breaking"),
        ("", ""),
    ],
)
def test_normalization(text: str, normalized: str) -> None:
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("the Seine!", ["Seine"], 1, 1),
        ("Seine river", ["Seine"], 0, 2 / 3),
        ("in the river Seine", ["Seine river", "x"], 0, 0.8),
        ("Loire", ["Seine"], 0, 0),
        # The best gold answer counts, for exact match and F1 apart.
        ("b c", ["b c d e", "b", "c b"], 0, 1),
        # Words count as often as they stand there.
        ("b b b", ["b"], 0, 0.5),
        ("b b", ["b b c"], 0, 0.8),
        ("", ["Seine"], 0, 0),
    ],
)
def test_scores_by_hand_of_both_versions(prediction: str, golds: list[str], exact: float, f1: float) -> None:
    assert score_answer(prediction, golds) == pytest.approx((exact, f1))
    assert score_answer_or_none(prediction, golds) == pytest.approx((exact, f1))


@pytest.mark.parametrize(
    ("prediction", "golds", "first", "second"),
    [
        # Both empty when normalized: v1.1 finds no common word, v2.0 calls it right.
        ("the", ["a"], (1, 0), (1, 1)),
        # v2.0 leaves out gold answers that are empty when normalized.
        ("the", ["a", "Seine"], (1, 0), (0, 0)),
        ("Seine", ["a"], (0, 0), (0, 0)),
    ],
)
def test_empty_texts(prediction: str, golds: list[str], first: tuple[int, int], second: tuple[int, int]) -> None:
    assert score_answer(prediction, golds) == first
    assert score_answer_or_none(prediction, golds) == second


def test_no_gold_answer_wants_an_empty_text() -> None:
    assert score_answer_or_none("", []) == (1, 1)
    assert score_answer_or_none("...", []) == (1, 1)
    assert score_answer_or_none("Seine", []) == (0, 0)


def test_v1_counts_questions_without_a_prediction_as_wrong() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, ["two"]), (0, ["three four"]), (0, ["five"])])
    scores = score_predictions(data, {"q0": "one", "q2": "three", "q3": "", "other": "x"}, version_2=False)
    assert v1_figures(scores) == pytest.approx({"exact_match": 25.0, "f1": 100 * (1 + 2 / 3) / 4})
    assert scores.predicted.tolist() == [True, False, True, True]


def test_v2_groups() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, []), (0, ["two three"]), (0, []), (0, [])])
    scores = score_predictions(data, {"q0": "one", "q1": "", "q2": "two", "q3": "x"}, version_2=True)
    # q4 has no prediction: wrong, although "no answer" would be right.
    assert v2_figures(scores) == pytest.approx(
        {
            "exact": 40.0,
            "f1": 100 * (2 + 2 / 3) / 5,
            "total": 5,
            "HasAns_exact": 50.0,
            "HasAns_f1": 100 * (1 + 2 / 3) / 2,
            "HasAns_total": 2,
            "NoAns_exact": 100 / 3,
            "NoAns_f1": 100 / 3,
            "NoAns_total": 3,
        }
    )


def test_v2_leaves_out_a_group_without_questions() -> None:
    scores = score_predictions(make_file(["c"], [(0, ["one"])]), {"q0": "one"}, version_2=True)
    assert set(v2_figures(scores)) == {"exact", "f1", "total", "HasAns_exact", "HasAns_f1", "HasAns_total"}


def test_files_without_gold_answers_have_no_score() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, [])])
    with pytest.raises(DataError, match=r"id q1: the question has no gold answer by v1\.1"):
        score_predictions(data, {}, version_2=False)
    unknown = make_file(["c"], [(0, ["one"])])
    object.__setattr__(unknown.questions[0], "answers", ())
    with pytest.raises(DataError, match="no question has a gold answer"):
        score_predictions(unknown, {}, version_2=True)


def test_taking_answers_back() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, []), (0, []), (0, ["two"])])
    scores = score_predictions(data, {"q0": "one", "q1": "x", "q3": "two"}, version_2=True)
    changed = without_answers(scores, np.array([True, True, True, False]))
    assert changed.exact.tolist() == changed.f1.tolist() == [0, 1, 0, 1]
    assert changed.answered.tolist() == [False, False, False, True]


def random_scores(seed: int) -> tuple[QuestionScores, np.ndarray]:
    generator = np.random.default_rng(seed)
    size = int(generator.integers(1, 40))
    has_answer = generator.random(size) < 0.6
    answered = generator.random(size) < 0.8
    exact = np.where(has_answer, generator.random(size) < 0.5, ~answered).astype(float)
    f1 = np.where(has_answer, np.maximum(exact, generator.random(size)), exact) * np.where(has_answer, answered, 1)
    exact = np.minimum(exact, np.ceil(f1))
    return QuestionScores(exact, f1, has_answer, np.ones(size, bool), answered), generator.normal(size=size)


@pytest.mark.parametrize("seed", range(12))
def test_the_best_threshold_is_the_best_of_all(seed: int) -> None:
    scores, odds = random_scores(seed)
    figures = best_figures(scores, odds)
    candidates = [-math.inf, *odds.tolist()]
    for name in ("exact", "f1"):
        by_threshold = {t: v2_figures(without_answers(scores, odds > t))[name] for t in candidates}
        best = max(by_threshold.values())
        assert figures[f"best_{name}"] == pytest.approx(best)
        found = figures[f"best_{name}_thresh"]
        assert by_threshold[found if found else -math.inf] == pytest.approx(best)


def test_where_no_answer_at_all_is_best_the_threshold_is_zero() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, [])])
    scores = score_predictions(data, {"q0": "wrong", "q1": "wrong"}, version_2=True)
    best = best_threshold(scores, scores.f1, np.array([-3.0, -2.0]))
    assert best == (50.0, 0.0, False)


def test_of_equal_thresholds_the_least_is_taken() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, ["two"]), (0, [])])
    scores = score_predictions(data, {"q0": "one", "q1": "wrong", "q2": ""}, version_2=True)
    best = best_threshold(scores, scores.exact, np.array([0.1, 0.2, 0.3]))
    assert best == (pytest.approx(200 / 3), 0.1, True)


def test_no_questions_have_a_threshold_too() -> None:
    none, flags = np.zeros(0), np.zeros(0, bool)
    assert best_threshold(QuestionScores(none, none, flags, flags, flags), none, none) == (0.0, 0.0, False)
