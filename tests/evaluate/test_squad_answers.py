from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.squad import SquadFile
from src.data.squad_features import SquadFeatures
from src.evaluate.squad_answers import AnswerRule, Candidate, QuestionAnswers, answer_questions
from src.evaluate.squad_candidates import WindowScores, beam_candidates, top_candidates
from tests.evaluate.squad_samples import DOC_BEGIN, logits_of, make_features, make_file

CONTEXT = "Paris lies on the Seine and Paris is old"


def answer_one(
    tops: list[tuple[int, int, float, float]], rule: AnswerRule = AnswerRule.V1, *, null: float = -5.0, **settings: int
) -> QuestionAnswers:
    """Answer one question about CONTEXT; tops are spans (first word, last word, start logit, end logit)."""
    data = make_file([CONTEXT], [(0, ["Paris"])])
    features = make_features(data)
    scores = top_candidates(logits_of(features, {0: tops}, null), settings.get("n_best_size", 20))
    return answer_questions(data, features, scores, rule=rule, **settings)[0]


def texts(row: QuestionAnswers) -> list[str]:
    return [candidate.text for candidate in row.best]


def test_the_best_span_with_its_place() -> None:
    row = answer_one([(3, 4, 8.0, 7.0)])
    assert row.answer == row.best[0]
    assert row.answer.text == "the Seine" == CONTEXT[row.answer.start : row.answer.end]
    assert (row.answer.start_score, row.answer.end_score) == (8.0, 7.0)
    assert row.null_odds is None
    assert row.text(-math.inf) == "the Seine"


def test_probabilities_are_a_softmax_over_the_n_best() -> None:
    row = answer_one([(4, 4, 2.0, 1.0), (0, 0, 1.0, 1.5)], n_best_size=2)
    # Start 4 with end 0 has the same sum and is no span.
    assert texts(row) == ["Seine", "Paris"]
    assert [c.start_score + c.end_score for c in row.best] == [3.0, 2.5]
    assert row.best[0].probability == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert sum(c.probability for c in row.best) == pytest.approx(1.0)


def test_equal_texts_count_once() -> None:
    row = answer_one([(0, 0, 5.0, 5.0), (6, 6, 4.9, 4.9)])
    assert texts(row).count("Paris") == 1
    assert row.answer.start == 0


def test_length_and_order_of_the_span() -> None:
    row = answer_one([(2, 5, 9.0, 9.0)], max_answer_length=3)
    assert "on the Seine and" not in texts(row)
    assert max(len(text.split()) for text in texts(row)) == 3
    assert answer_one([(2, 5, 9.0, 9.0)], max_answer_length=4).answer.text == "on the Seine and"
    assert answer_one([(7, 7, 9.0, 0.0), (1, 1, 0.0, 9.0)]).answer.text == "is"


def test_places_outside_the_context_are_no_answers() -> None:
    data = make_file(["one two"], [(0, ["one"])])
    features = make_features(data)
    logits = logits_of(features, {0: [(0, 0, 0.0, 0.0)]})
    logits[0][[0, 1, 2, 3, 6]] = 50.0
    row = answer_questions(data, features, top_candidates(logits, 20), rule=AnswerRule.V1)[0]
    assert set(texts(row)) == {"one", "two", "one two"}
    assert row.answer.text == "one"


def test_a_question_without_candidates() -> None:
    data = make_file(["one two"], [(0, ["one"])])
    features = make_features(data)
    logits = logits_of(features, {}, null=3.0)
    logits[0][1:4] = 50.0
    scores = top_candidates(logits, 2)
    v1, beam, null = (answer_questions(data, features, scores, rule=rule)[0] for rule in AnswerRule)
    assert v1.best == (Candidate("empty", 1.0, 0.0, 0.0, 0, 0),)
    assert beam.best == (Candidate("", 1.0, -1e6, -1e6, 0, 0),)
    assert beam.null_odds == 3.0
    assert null.best == (Candidate("", 1.0, 3.0, 0.0, 0, 0),)
    assert null.null_odds == pytest.approx(2e6 + 3)
    assert null.text(1e9) == ""


def test_a_question_without_windows_has_the_same_answers() -> None:
    data = make_file(["one two", "three"], [(0, ["one"]), (1, ["three"])])
    features = make_features(make_file(["one two", "three"], [(0, ["one"])]))
    scores = top_candidates(logits_of(features, {}), 5)
    for rule in AnswerRule:
        rows = answer_questions(data, features, scores, rule=rule)
        assert [row.id for row in rows] == ["q0", "q1"]
        assert rows[1].null_score == 0.0
        assert texts(rows[1]) == (["empty"] if rule is AnswerRule.V1 else [""])


def test_windows_are_judged_together_and_a_start_only_where_it_has_most_context() -> None:
    data = make_file(["a b c d e f"], [(0, ["c"])])
    features = make_features(data, room=4, stride=2)
    assert features.max_context.tolist() == [True, True, True, False, False, True, True, True]
    # c is judged in the first window: its high score in the second does not count there.
    logits = logits_of(features, {0: [(2, 2, 1.0, 1.0)], 1: [(0, 0, 9.0, 9.0), (3, 3, 2.0, 2.0)]})
    row = answer_questions(data, features, top_candidates(logits, 20), rule=AnswerRule.V1)[0]
    assert texts(row)[:2] == ["f", "c"]


def test_the_null_score_is_the_least_of_the_windows() -> None:
    data = make_file(["a b c d e f"], [(0, ["c"])])
    features = make_features(data, room=4, stride=2)
    logits = logits_of(features, {0: [(0, 0, 1.0, 1.0)]})
    logits[0][0], logits[1][0] = 3.0, 1.0
    row = answer_questions(data, features, top_candidates(logits, 20), rule=AnswerRule.V2_NULL)[0]
    assert row.null_score == 2.0
    assert row.null_odds == 0.0
    # Equal scores: the threshold 0 gives the answer, anything below does not.
    assert row.text(0.0) == "a"
    assert row.text(-0.001) == ""
    assert texts(row)[:2] == ["a", ""]


def test_no_answer_stands_among_the_n_best() -> None:
    tops = [(0, 0, 4.0, 4.0), (4, 4, 1.0, 1.0)]
    row = answer_one(tops, AnswerRule.V2_NULL, null=20.0)
    assert texts(row)[0] == ""
    assert row.answer.text == "Paris"
    assert row.null_odds == pytest.approx(12.0)
    assert (row.text(0.0), row.text(12.0)) == ("", "Paris")
    assert row.best[0].probability == pytest.approx(1.0, abs=1e-4)
    assert sum(c.probability for c in row.best) == pytest.approx(1.0)
    assert (row.best[0].start, row.best[0].end) == (0, 0)


@pytest.mark.parametrize(("null", "place"), [(20.0, 0), (7.0, 1), (-40.0, 2)])
def test_no_answer_stays_in_a_short_list(null: float, place: int) -> None:
    tops = [(0, 0, 4.0, 4.0), (4, 4, 1.0, 1.0)]
    row = answer_one(tops, AnswerRule.V2_NULL, null=null, n_best_size=2)
    assert texts(row).index("") == place
    assert len(row.best) == (3 if place == 2 else 2)


def test_the_beam_threshold_looks_at_the_answerability_alone() -> None:
    data = make_file([CONTEXT], [(0, ["Paris"])])
    index, score = np.array([[DOC_BEGIN]]), np.array([[-0.1]])
    scores = beam_candidates(score, index, score, index, np.array([0.25]))
    row = answer_questions(data, make_features(data), scores, rule=AnswerRule.V2_BEAM)[0]
    assert texts(row) == ["Paris"]
    assert (row.text(0.0), row.text(0.25), row.text(0.2)) == ("", "Paris", "")


@pytest.mark.parametrize("settings", [{"n_best_size": 0}, {"max_answer_length": 0}])
def test_sizes_below_one_are_refused(settings: dict[str, int]) -> None:
    data = make_file([CONTEXT], [(0, ["Paris"])])
    features = make_features(data)
    scores = top_candidates(logits_of(features, {}), 2)
    with pytest.raises(DataError, match=next(iter(settings))):
        answer_questions(data, features, scores, rule=AnswerRule.V1, **settings)


def test_scores_of_other_windows_are_refused() -> None:
    data = make_file([CONTEXT], [(0, ["Paris"]), (0, [])])
    scores = top_candidates(logits_of(make_features(data), {})[:1], 2)
    with pytest.raises(DataError, match="1 windows have scores, but the questions have 2 windows"):
        answer_questions(data, make_features(data), scores, rule=AnswerRule.V1)


def by_loops(
    data: SquadFile, features: SquadFeatures, scores: WindowScores, size: int, longest: int
) -> list[list[tuple[str, float, float]]]:
    """Return text and scores of the n-best of each question by plain loops over windows, starts and ends."""
    results = []
    for number, question in enumerate(data.questions):
        found = []
        for row in np.flatnonzero(features.question == number).tolist():
            offset = features.context_offsets[features.context[row]] + features.first_token[row]
            for s, start in enumerate((scores.start_index[row] - DOC_BEGIN).tolist()):
                own = s if scores.end_index.shape[1] > 1 else 0
                for e, end in enumerate((scores.end_index[row, own] - DOC_BEGIN).tolist()):
                    inside = 0 <= start <= end < features.doc_length[row] and end - start + 1 <= longest
                    if inside and features.max_context[features.doc_offsets[row] + start]:
                        first, last = features.token_starts[offset + start], features.token_ends[offset + end]
                        text = data.contexts[question.context][first : last + 1]
                        found.append((text, float(scores.start_score[row, s]), float(scores.end_score[row, own, e])))
        found.sort(key=lambda entry: entry[1] + entry[2], reverse=True)
        first_of_text: dict[str, tuple[str, float, float]] = {}
        for entry in found:
            first_of_text.setdefault(entry[0], entry)
        results.append(list(first_of_text.values())[:size] or [("empty", 0.0, 0.0)])
    return results


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_plain_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.evaluate.squad_answers._BLOCK_QUESTIONS", 3)
    generator = np.random.default_rng(seed)
    words = np.array(["alpha", "beta", "gamma", "delta"])
    contexts = [" ".join(generator.choice(words, n)) for n in generator.integers(1, 30, 5)]
    data = make_file(contexts, [(int(c), ["alpha"]) for c in generator.integers(0, 5, 10)])
    features = make_features(data, room=8, stride=3)
    # Whole numbers: many equal sums, whose order is part of the rule.
    logits = [generator.integers(-4, 5, (n, 2)).astype(np.float32) for n in features.lengths]
    scores = top_candidates(logits, 6)
    rows = answer_questions(data, features, scores, rule=AnswerRule.V1, n_best_size=7, max_answer_length=4)
    ours = [[(c.text, c.start_score, c.end_score) for c in row.best] for row in rows]
    assert ours == by_loops(data, features, scores, 7, 4)


def test_one_answer_and_no_answer_stay_where_one_is_asked_for() -> None:
    data = make_file([CONTEXT], [(0, ["Paris"])])
    features = make_features(data)
    for null, expected in ((20.0, ["", "Paris"]), (7.0, ["Paris", ""])):
        scores = top_candidates(logits_of(features, {0: [(0, 0, 4.0, 4.0)]}, null), 20)
        row = answer_questions(data, features, scores, rule=AnswerRule.V2_NULL, n_best_size=1)[0]
        assert texts(row) == expected
        assert row.answer.text == "Paris"


def test_windows_may_come_in_any_order() -> None:
    data = make_file(["a b c d e f g", "h i j k l"], [(0, ["a"]), (1, ["h"])])
    features = make_features(data, room=4, stride=2)
    logits = [np.random.default_rng(row).normal(size=(n, 2)) for row, n in enumerate(features.lengths)]
    expected = answer_questions(data, features, top_candidates(logits, 9), rule=AnswerRule.V1)
    order = np.array([3, 0, 4, 2, 1])
    names = ("question", "context", "doc_begin", "doc_length", "first_token")
    changed = dataclasses.replace(
        features,
        **{name: getattr(features, name)[order] for name in names},
        doc_offsets=features.doc_offsets[order],
    )
    scores = top_candidates([logits[row] for row in order], 9)
    assert answer_questions(data, changed, scores, rule=AnswerRule.V1) == expected
    assert all(len(row.best) > 2 for row in expected)
