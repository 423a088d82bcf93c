from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest

from src.common.errors import CheckpointError, DataError
from src.data.tokenization import Tokenizer, load_tokenizer
from src.model.squad import AlbertSquadModel
from src.predict.model import checkpoint_model
from src.predict.question_answerer import QuestionAnswerer
from src.predict.question_texts import GivenQuestion
from src.tasks.assets import AnswerSettings
from tests.tasks.squad_runs import (
    LENGTH,
    PASSAGES,
    QUERY_LENGTH,
    QUESTIONS,
    describe,
    random_network,
    settings_of,
    write_vocabulary,
)

GIVEN = [GivenQuestion(question, passage, question) for passage in PASSAGES for question in QUESTIONS]
SETTINGS = {
    "v1": settings_of(),
    "v2": settings_of(version_2=True),
    "v2 beam": settings_of("beam", version_2=True),
}


@pytest.fixture(autouse=True)
def pynative_mode() -> Iterator[None]:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(write_vocabulary(tmp_path_factory.mktemp("words") / "vocab.txt"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a checkpoint for each head."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {head: folder / f"{head}.ckpt" for head in ("span", "beam")}
    for head, path in paths.items():
        ms.save_checkpoint(random_network(settings_of(head, version_2=True)), str(path))
    return paths


@pytest.fixture
def answerer_of(tokenizer: Tokenizer, weights: dict[str, Path]) -> Any:
    def make(settings: AnswerSettings, top_n: int = 1) -> QuestionAnswerer:
        model = checkpoint_model(describe(settings), tokenizer, weights[settings.head])
        return QuestionAnswerer(model, settings, top_n)

    return make


@pytest.mark.parametrize("name", SETTINGS)
def test_places_and_keys(answerer_of: Any, name: str) -> None:
    settings = SETTINGS[name]
    records = list(answerer_of(settings, 4).predict(GIVEN, 8))
    for given, record in zip(GIVEN, records, strict=True):
        assert record["question"] == given.question
        assert [record[key] for key in ("answer", "start", "end", "probability")] == [
            record["answers"][0][key] for key in ("text", "start", "end", "probability")
        ]
        assert len(record["answers"]) == 4
        for found in record["answers"]:
            if found["start"] is None:
                assert (found["text"], found["end"]) == ("", None)
            else:
                assert found["text"]
                assert given.context[found["start"] : found["end"]] == found["text"]
            assert 0 < found["probability"] < 1
        expected = {"question", "answer", "start", "end", "probability", "answers"}
        if settings.version_2_with_negative:
            assert record["no_answer"] is (record["null_odds"] > 0) is (record["answer"] == "")
            expected |= {"null_odds", "no_answer"}
        else:
            assert record["answer"]
        assert set(record) == expected
    assert len({record["answer"] for record in records}) > 1


@pytest.mark.parametrize("name", SETTINGS)
def test_batches_do_not_change_answers(answerer_of: Any, name: str) -> None:
    answerer = answerer_of(SETTINGS[name], 3)
    together = list(answerer.predict(GIVEN, 64))
    for batch_size in (1, 3):
        alone = [record for given in GIVEN for record in answerer.predict([given], batch_size)]
        for one, other in zip(together, alone, strict=True):
            assert [found["text"] for found in one["answers"]] == [found["text"] for found in other["answers"]]
            probabilities = [found["probability"] for found in other["answers"]]
            assert [found["probability"] for found in one["answers"]] == pytest.approx(probabilities, abs=1e-5)


def test_shapes_are_powers_of_two_and_buckets(answerer_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    construct = AlbertSquadModel.construct

    def noted(self: AlbertSquadModel, ids: ms.Tensor, *others: ms.Tensor) -> ms.Tensor:
        shapes.append(ids.shape)
        return construct(self, ids, *others)

    monkeypatch.setattr(AlbertSquadModel, "construct", noted)
    answerer = answerer_of(SETTINGS["v1"])
    list(answerer.predict(GIVEN[:1], 12))
    assert shapes == [(1, 16)]
    shapes.clear()
    list(answerer.predict(GIVEN[:3], 12))
    assert set(shapes) == {(4, 16)}
    shapes.clear()
    # The long passage has more windows than a batch has rows.
    list(answerer.predict(GIVEN[3:4], 3))
    assert len(shapes) > 1
    assert set(shapes) <= {(3, 16), (3, LENGTH)}


@pytest.mark.parametrize("name", ["v2", "v2 beam"])
def test_threshold(answerer_of: Any, name: str) -> None:
    settings = SETTINGS[name]
    (given, *_) = GIVEN[3:]
    always = replace(settings, null_score_diff_threshold=math.inf)
    never = replace(settings, null_score_diff_threshold=-math.inf)
    (some,) = answerer_of(always, 5).predict([given], 8)
    (none,) = answerer_of(never, 5).predict([given], 8)
    assert some["null_odds"] == none["null_odds"]
    assert some["answer"]
    assert not some["no_answer"]
    assert (none["answer"], none["start"], none["end"], none["no_answer"]) == ("", None, None, True)
    # The answer that would be given stands among the others.
    assert some["answer"] in [found["text"] for found in none["answers"][1:]]
    if name == "v2 beam":
        assert none["probability"] == pytest.approx(1 / (1 + np.exp(-none["null_odds"])))
    else:
        odds = none["probability"] / some["probability"]
        assert math.log(odds) == pytest.approx(none["null_odds"], abs=1e-5)


def test_longest_answer(answerer_of: Any) -> None:
    for longest in (1, 2):
        settings = replace(SETTINGS["v1"], max_answer_length=longest)
        for record in answerer_of(settings, 20).predict(GIVEN, 8):
            assert all(len(found["text"].replace(".", " .").split()) <= longest for found in record["answers"])


def test_probabilities_are_shared_among_the_n_best(answerer_of: Any) -> None:
    for n_best_size, top_n in ((3, 20), (3, 5), (20, 3)):
        settings = replace(SETTINGS["v1"], n_best_size=n_best_size)
        (record,) = answerer_of(settings, top_n).predict(GIVEN[3:4], 8)
        total = sum(found["probability"] for found in record["answers"])
        assert len(record["answers"]) == top_n
        assert (total == pytest.approx(1)) is (top_n >= n_best_size)


def test_ids_are_given_back(answerer_of: Any) -> None:
    questions = [replace(GIVEN[0], id=name) for name in ("a", 7, "a", None)]
    records = list(answerer_of(SETTINGS["v1"], 1).predict(questions, 8))
    assert [record.get("id") for record in records] == ["a", 7, "a", None]
    assert ["id" in record for record in records] == [True, True, True, False]


def test_questions_that_are_cut_are_counted(answerer_of: Any) -> None:
    answerer = answerer_of(SETTINGS["v1"])
    just = GivenQuestion("was " * QUERY_LENGTH, PASSAGES[0], "")
    longer = GivenQuestion("was " * QUERY_LENGTH + "bad", PASSAGES[0], "")
    first, second = answerer.predict([just, longer], 8)
    assert answerer.notes() == [f"1 questions were cut to their first {QUERY_LENGTH} tokens"]
    assert (first["answer"], first["start"]) == (second["answer"], second["start"])
    assert first["probability"] == pytest.approx(second["probability"], abs=1e-6)


def test_a_question_without_tokens_is_fine(answerer_of: Any) -> None:
    (record,) = answerer_of(SETTINGS["v1"], 1).predict([GivenQuestion("\u200b", PASSAGES[0], "")], 8)
    assert record["answer"]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_passage_without_tokens_has_no_answer(answerer_of: Any, name: str) -> None:
    (record,) = answerer_of(SETTINGS[name], 3).predict([GivenQuestion("who?", "\u200b", "")], 8)
    assert (record["answer"], record["start"], record["end"]) == ("", None, None)
    assert record.get("no_answer", True)


def test_a_question_that_fills_the_network(answerer_of: Any) -> None:
    settings = replace(SETTINGS["v1"], max_query_length=LENGTH)
    question = GivenQuestion("was " * (LENGTH - 3), PASSAGES[0], "questions.txt:3")
    with pytest.raises(DataError, match=rf"questions.txt:3: .* {LENGTH - 3} tokens.* shorten it to {LENGTH - 4} "):
        list(answerer_of(settings, 1).predict([question], 8))
    fits = replace(question, question="was " * (LENGTH - 4))
    (record,) = answerer_of(settings, 1).predict([fits], 8)
    assert record["answer"]


def test_weights_of_another_head(tokenizer: Tokenizer, weights: dict[str, Path]) -> None:
    settings = SETTINGS["v2 beam"]
    with pytest.raises(CheckpointError, match=r"span\.ckpt"):
        checkpoint_model(describe(settings), tokenizer, weights["span"])
