from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import OutputError
from src.evaluate.squad_answers import Candidate, QuestionAnswers
from src.evaluate.squad_files import write_answers, write_wrong_answers, wrong_answers
from tests.evaluate.squad_samples import make_file


def row(id_: str, text: str, odds: float | None = None, probability: float = 1.0) -> QuestionAnswers:
    candidate = Candidate(text, probability, 2.5, -1.0, 3, 3 + len(text))
    return QuestionAnswers(id_, (candidate,), 0.0, candidate, odds)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_files_of_v1(tmp_path: Path) -> None:
    paths = write_answers(tmp_path / "new", [row("b", "Zürich 東京"), row("a", "x")], metrics={"f1": 1.5})
    assert [path.name for path in paths] == ["predictions.json", "nbest_predictions.json", "metrics.json"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    assert "Zürich 東京" in paths[0].read_text(encoding="utf-8")
    assert list(read(paths[0]).items()) == [("b", "Zürich 東京"), ("a", "x")]
    assert read(paths[1])["a"] == [
        {"text": "x", "probability": 1.0, "start_log_prob": 2.5, "end_log_prob": -1.0, "start": 3, "end": 4}
    ]
    assert read(paths[2]) == {"f1": 1.5}


def test_files_of_v2(tmp_path: Path) -> None:
    answers = [row("a", "x", 0.5), row("b", "y", -0.5), row("c", "", 0.0)]
    paths = write_answers(tmp_path, answers, null_threshold=0.2)
    assert [path.name for path in paths] == ["predictions.json", "nbest_predictions.json", "null_odds.json"]
    assert read(paths[0]) == {"a": "", "b": "y", "c": ""}
    assert read(paths[2]) == {"a": 0.5, "b": -0.5, "c": 0.0}
    # No answer has no place in the context.
    assert (read(paths[1])["c"][0]["start"], read(paths[1])["c"][0]["end"]) == (None, None)


def test_files_are_replaced_as_a_whole_and_always_the_same(tmp_path: Path) -> None:
    answers = [row("a", "x", 0.5)]
    first = [path.read_bytes() for path in write_answers(tmp_path, answers)]
    (tmp_path / "predictions.json").write_text("[" * 5000, encoding="utf-8")
    assert [path.read_bytes() for path in write_answers(tmp_path, answers)] == first


def test_what_belongs_to_earlier_answers_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("mine", encoding="utf-8")
    write_answers(tmp_path, [row("a", "x", 0.5)], metrics={"f1": 1.0})
    write_wrong_answers(tmp_path, [])
    write_answers(tmp_path, [row("a", "x")])
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "predictions.json", "nbest_predictions.json"}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        write_answers(tmp_path / "file", [row("a", "x")])


def test_wrong_answers_the_worst_and_most_confident_first(tmp_path: Path) -> None:
    data = make_file(["c"], [(0, ["one"]), (0, ["two three", "two three"]), (0, ["four"]), (0, ["five"])])
    answers = [row("q0", "x", None, 0.4), row("q1", "two", None, 0.99), row("q2", "y", None, 0.8), row("q3", "five")]
    wrong = wrong_answers(data, answers, version_2=False, limit=10)
    assert [entry["id"] for entry in wrong] == ["q2", "q0", "q1"]
    assert wrong[2] == {
        "id": "q1",
        "question": "question 1?",
        "gold": ["two three"],
        "answer": "two",
        "probability": 0.99,
        "f1": pytest.approx(2 / 3),
    }
    assert wrong_answers(data, answers, version_2=False, limit=2) == wrong[:2]
    path = write_wrong_answers(tmp_path, wrong[:1])
    assert path.name == "errors.json"
    assert read(path) == wrong[:1]


def test_wrong_answers_of_v2_know_no_answer() -> None:
    data = make_file(["c"], [(0, ["one"]), (0, []), (0, [])])
    answers = [row("q0", "one", 2.0), row("q1", "x", -1.0, 0.3), row("q2", "y", 3.0)]
    wrong = wrong_answers(data, answers, version_2=True, limit=10)
    assert [(entry["id"], entry["answer"], entry["null_odds"]) for entry in wrong] == [
        ("q0", "", 2.0),
        ("q1", "x", -1.0),
    ]
    assert wrong[0]["probability"] == pytest.approx(1 / (1 + 2.718281828459045**-2))
    # Huge odds do not overflow.
    assert wrong_answers(data, [row("q0", "one", 2e6), *answers[1:]], version_2=True, limit=1)[0]["probability"] == 1.0
