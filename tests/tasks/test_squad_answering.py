from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.data.squad import read_squad
from src.data.squad_features import SquadSettings, build_features
from src.data.squad_table import table_of_features
from src.data.tokenization import load_tokenizer
from src.evaluate.squad_answers import AnswerRule, QuestionAnswers
from src.model.squad import AlbertSquadModel
from src.model.squad_beam import AlbertSquadBeamModel
from src.tasks.assets import AnswerSettings
from src.tasks.inference import evaluation_plan
from src.tasks.squad_answering import answer_rule, run_answers, score_answers, squad_model
from src.tasks.squad_data import QuestionSet
from tests.data.squad_record_samples import LENGTH, TEXT, asked, squad_json, write_vocabulary
from tests.tasks.squad_runs import network_config, settings_of

V1, V2, BEAM = settings_of(), settings_of(version_2=True), settings_of("beam", version_2=True)


class FindsWord(nn.Cell):
    """Head span: a high score for one token id of the passage, 0 for its others, and a score for [CLS]."""

    def __init__(self, word: int, score: float = 8.0, null_score: float = 1.0) -> None:
        super().__init__()
        self.word, self.score, self.null_score = word, score, null_score

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> Tensor:
        ids, inside = input_ids.asnumpy(), segment_ids.asnumpy() * input_mask.asnumpy()
        logits = np.where(inside > 0, np.where(ids == self.word, self.score, 0.0), -10000.0).astype(np.float32)
        logits[:, 0] = self.null_score
        return Tensor(np.stack((logits, logits), axis=-1))


class FindsWordByBeam(FindsWord):
    """Head beam: the same with its first start and end; "no answer" where the window lacks the token."""

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> tuple[Tensor, ...]:
        logits = super().construct(input_ids, input_mask, segment_ids).asnumpy()[:, :, 0]
        order = np.argsort(-logits, axis=1, kind="stable")[:, :5].astype(np.int32)
        scores = np.take_along_axis(logits, order, 1)
        null_score = np.where(logits.max(axis=1) == self.score, -2.0, 3.0).astype(np.float32)
        ends = np.tile(order, (1, 5)), np.tile(scores, (1, 5))
        return Tensor(scores), Tensor(order), Tensor(ends[1]), Tensor(ends[0]), Tensor(null_score)


@pytest.fixture(autouse=True)
def pynative_mode() -> Iterator[None]:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocab.txt")


def word_id(vocabulary: Path, word: str) -> int:
    return vocabulary.read_text().splitlines().index(word)


@pytest.fixture
def questions(tmp_path: Path, vocabulary: Path) -> QuestionSet:
    """Three questions with an answer and one without; each has several windows."""
    rows = [
        asked("q0", "who made tea ?", "Ann", 0),
        asked("q1", "why is it ?", "leaves", TEXT.index("leaves")),
        asked("q2", "who did it ?", "Ann", TEXT.rindex("Ann")),
        asked("q3", "who is it ?", None, is_impossible=True),
    ]
    data = read_squad(squad_json(tmp_path / "dev.json", rows))
    features = build_features(data, load_tokenizer(vocabulary), SquadSettings(LENGTH, 4, 4), training=False)
    assert features.rows > 2 * len(rows)
    return QuestionSet(data, features, table_of_features(features, data))


def answers_by(
    network: nn.Cell, questions: QuestionSet, settings: AnswerSettings, size: int = 3, most: int = 0
) -> list[QuestionAnswers]:
    plan = evaluation_plan(questions.table, size, (LENGTH,), most)
    return run_answers(network, questions, plan, size, settings, "answer")


def test_models_and_rules() -> None:
    assert isinstance(squad_model(network_config(), V1), AlbertSquadModel)
    beam = squad_model(network_config(), replace(BEAM, start_n_top=3, end_n_top=2))
    assert isinstance(beam, AlbertSquadBeamModel)
    assert (beam.start_n_top, beam.end_n_top) == (3, 2)
    rules = [answer_rule(settings) for settings in (V1, V2, BEAM)]
    assert rules == [AnswerRule.V1, AnswerRule.V2_NULL, AnswerRule.V2_BEAM]


@pytest.mark.parametrize("size", [1, 3, 32])
@pytest.mark.parametrize(("settings", "network"), [(V1, FindsWord), (V2, FindsWord), (BEAM, FindsWordByBeam)])
def test_the_word_with_the_best_score_is_the_answer(
    questions: QuestionSet, vocabulary: Path, settings: AnswerSettings, network: Any, size: int
) -> None:
    answers = answers_by(network(word_id(vocabulary, "leaves")), questions, settings, size)
    assert [row.id for row in answers] == ["q0", "q1", "q2", "q3"]
    for row in answers:
        assert (row.answer.text, row.text(0.0)) == ("leaves", "leaves")
        assert TEXT[row.answer.start : row.answer.end] == "leaves"
        assert (row.answer.start_score, row.answer.end_score) == (8.0, 8.0)
        assert (
            row.null_odds
            == {AnswerRule.V1: None, AnswerRule.V2_NULL: -14.0, AnswerRule.V2_BEAM: -2.0}[answer_rule(settings)]
        )


@pytest.mark.parametrize(("settings", "network"), [(V1, FindsWord), (V2, FindsWord), (BEAM, FindsWordByBeam)])
def test_a_word_that_is_nowhere(questions: QuestionSet, settings: AnswerSettings, network: Any) -> None:
    for row in answers_by(network(9999), questions, settings):
        assert (row.text(0.0) == "") is settings.version_2_with_negative
        assert row.answer.text


def test_numbers_of_candidates(questions: QuestionSet, vocabulary: Path) -> None:
    leaves = word_id(vocabulary, "leaves")
    few, many = (
        answers_by(FindsWord(leaves), questions, replace(V1, n_best_size=n_best_size)) for n_best_size in (3, 9)
    )
    assert {len(row.best) for row in few} == {3}
    assert {len(row.best) for row in many} == {9}
    (short,) = {
        len(candidate.text.split())
        for row in answers_by(FindsWord(leaves), questions, replace(V1, max_answer_length=1))
        for candidate in row.best
    }
    assert short == 1
    beam = replace(BEAM, start_n_top=5, end_n_top=5, n_best_size=3)
    assert {len(row.best) for row in answers_by(FindsWordByBeam(leaves), questions, beam)} <= {1, 2, 3}


@pytest.mark.parametrize(("settings", "text"), [(V1, "empty"), (V2, "")])
def test_windows_outside_the_plan_have_no_candidates(
    questions: QuestionSet, vocabulary: Path, settings: AnswerSettings, text: str
) -> None:
    answers = answers_by(FindsWord(word_id(vocabulary, "ann")), questions, settings, size=2, most=1)
    assert [row.id for row in answers] == ["q0", "q1", "q2", "q3"]
    assert answers[0].text(0.0) == "Ann"
    assert answers[-1].text(0.0) == text


def test_score_and_files(questions: QuestionSet, vocabulary: Path, tmp_path: Path) -> None:
    answers = answers_by(FindsWord(word_id(vocabulary, "leaves")), questions, V2)
    score = score_answers(questions, answers, V2)
    assert (score.name, score.value, score.figures["f1"], score.figures["exact_match"]) == ("f1", 25.0, 25.0, 25.0)
    assert json.loads(score.lines[-1]) == {"exact_match": 25.0, "f1": 25.0}
    assert score.write_files is not None
    names = ["predictions.json", "nbest_predictions.json", "null_odds.json", "metrics.json", "errors.json"]
    assert [path.name for path in score.write_files(tmp_path / "out")] == names
    content = {name: json.loads((tmp_path / "out" / name).read_text()) for name in names}
    assert content["metrics.json"] == score.report
    assert content["predictions.json"] == dict.fromkeys(["q0", "q1", "q2", "q3"], "leaves")
    assert {row["id"] for row in content["errors.json"]} == {"q0", "q2", "q3"}


@pytest.mark.parametrize(("threshold", "f1"), [(-14.5, 25.0), (-13.5, 25.0), (-1e9, 25.0)])
def test_threshold(questions: QuestionSet, vocabulary: Path, tmp_path: Path, threshold: float, f1: float) -> None:
    """Odds are -14 for all: below, none is answered, and that is right for the one without an answer."""
    settings = replace(V2, null_score_diff_threshold=threshold)
    score = score_answers(questions, answers_by(FindsWord(word_id(vocabulary, "leaves")), questions, V2), settings)
    assert score.value == f1
    assert score.report["NoAns_f1"] == (100.0 if threshold < -14 else 0.0)
    assert score.write_files is not None
    score.write_files(tmp_path)
    given = set(json.loads((tmp_path / "predictions.json").read_text()).values())
    assert given == ({""} if threshold < -14 else {"leaves"})
