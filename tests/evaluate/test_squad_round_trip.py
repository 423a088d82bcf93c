"""From gold answers to scores of tokens and back: whatever is lost on the way has a reason that is counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from src.data.squad import SquadFile, read_squad
from src.data.squad_features import SquadFeatures, SquadSettings, build_features
from src.data.tokenization import load_tokenizer
from src.evaluate.squad_answers import AnswerRule, QuestionAnswers, answer_questions
from src.evaluate.squad_candidates import WindowScores, beam_candidates, top_candidates
from src.evaluate.squad_metrics import normalize_answer, score_predictions

pytestmark = [pytest.mark.shared, pytest.mark.slow]

SETTINGS = SquadSettings(max_seq_length=384, max_query_length=64, doc_stride=128)
MOST_TOKENS = 30
GOLD, OTHER = 10.0, 0.0
INSIDE = "it begins or ends inside a token"
LONG = f"more than {MOST_TOKENS} tokens"
_BLOCK = 1000


def span_scores(features: SquadFeatures) -> WindowScores:
    """Score the tokens of a window's answer high, [CLS] in windows without one; all other tokens are equal."""
    parts = []
    for begin in range(0, features.rows, _BLOCK):
        rows = range(begin, min(begin + _BLOCK, features.rows))
        logits = [np.full((int(features.lengths[row]), 2), OTHER, np.float32) for row in rows]
        for row, values in zip(rows, logits, strict=True):
            values[features.start_position[row], 0] = values[features.end_position[row], 1] = GOLD
        parts.append(top_candidates(logits, 2))
    names = ("start_index", "start_score", "end_index", "end_score", "null_score")
    return WindowScores(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def beam_scores(features: SquadFeatures) -> WindowScores:
    start, end = features.start_position[:, None], features.end_position[:, None]
    scores = np.zeros((features.rows, 1), np.float32)
    return beam_candidates(scores, start, scores, end, np.where(features.is_impossible, GOLD, -GOLD).astype(np.float32))


def reason_of(question: int, data: SquadFile, features: SquadFeatures) -> str:
    """Say why the answer of a question does not come back, from the features alone; empty where it should."""
    rows = np.flatnonzero((features.question == question) & ~features.is_impossible)
    if not len(rows):
        return "" if data.questions[question].is_impossible else "no window holds it whole"
    begins = features.start_position[rows] - features.doc_begin[rows]
    ends = features.end_position[rows] - features.doc_begin[rows]
    row, begin, end = rows[0], begins[0], ends[0]
    if end - begin + 1 > MOST_TOKENS:
        return LONG
    if not any(features.max_context[features.doc_offsets[rows] + begins]):
        return "the window in which it is judged cuts it"
    token = features.context_offsets[features.context[row]] + features.first_token[row]
    text = data.contexts[features.context[row]]
    found = text[features.token_starts[token + begin] : features.token_ends[token + end] + 1]
    golds = {normalize_answer(answer.text) for answer in data.questions[question].answers}
    return "" if normalize_answer(found) in golds else INSIDE


def check_round_trip(
    data: SquadFile, features: SquadFeatures, answers: list[QuestionAnswers], *, version_2: bool
) -> Counter[str]:
    """Demand an exact match of every question without a reason; return the reasons of the others."""
    texts = {row.id: row.text(0.0) for row in answers}
    exact = score_predictions(data, texts, version_2=version_2).exact
    lost = Counter(reason_of(number, data, features) for number in np.flatnonzero(exact == 0))
    assert lost.pop("", 0) == 0
    return lost


def features_of(shared_data: Path, data: SquadFile) -> SquadFeatures:
    tokenizer = load_tokenizer("", shared_data / "albert_en" / "30k-clean.model")
    features = build_features(data, tokenizer, SETTINGS, training=True)
    assert not features.skipped
    return features


@pytest.mark.parametrize(
    ("name", "reasons"),
    [("dev-v1.1", {INSIDE: 55, LONG: 13}), ("train-v1.1-unambiguous", {INSIDE: 132, LONG: 240})],
)
def test_gold_answers_of_v1_come_back(name: str, reasons: dict[str, int], shared_data: Path) -> None:
    data = read_squad(shared_data / "squad" / f"{name}.json.gz")
    features = features_of(shared_data, data)
    answers = answer_questions(data, features, span_scores(features), rule=AnswerRule.V1)
    assert check_round_trip(data, features, answers, version_2=False) == reasons


@pytest.mark.parametrize("rule", [AnswerRule.V2_NULL, AnswerRule.V2_BEAM])
def test_gold_answers_of_v2_come_back(rule: AnswerRule, shared_data: Path) -> None:
    data = read_squad(shared_data / "squad" / "dev-v2.0.json.gz")
    features = features_of(shared_data, data)
    scores = beam_scores(features) if rule is AnswerRule.V2_BEAM else span_scores(features)
    answers = answer_questions(data, features, scores, rule=rule)
    assert check_round_trip(data, features, answers, version_2=True) == {INSIDE: 28, LONG: 13}
