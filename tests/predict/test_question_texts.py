from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError
from src.predict.question_texts import (
    GivenQuestion,
    conversation,
    questions_about,
    questions_of_records,
    read_passage,
)
from src.predict.texts import GivenText

RECORD = {"question": "Who?", "context": "Ann."}


def lines(*texts: str) -> Iterator[GivenText]:
    return (GivenText(text, f"q.txt:{number}") for number, text in enumerate(texts, start=1))


def record(**keys: Any) -> str:
    return json.dumps(RECORD | keys)


def test_passage_is_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "passage.txt"
    path.write_bytes("\ufeff Zoë\r\nand\u2028Ann\n".encode())
    assert read_passage(path) == " Zoë\r\nand\u2028Ann\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "passage.txt: the passage is empty"),
        (b"\xef\xbb\xbf \n\t", "passage.txt: the passage is empty"),
        (b"\xef\xbb\xbfa\nb\n\xff", r"passage.txt:3: not UTF-8 -> convert"),
    ],
)
def test_bad_passages(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "passage.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_passage(tmp_path / "passage.txt")


def test_plain_lines_are_questions_about_one_passage() -> None:
    assert list(questions_about("Ann.", lines("Who?", '{"a": 1}', "{context"))) == [
        GivenQuestion("Who?", "Ann.", "q.txt:1"),
        GivenQuestion('{"a": 1}', "Ann.", "q.txt:2"),
        GivenQuestion("{context", "Ann.", "q.txt:3"),
    ]


def test_a_record_where_the_passage_is_given_for_all() -> None:
    with pytest.raises(DataError, match=r"q.txt:2: .*passage of its own.*leave out --context"):
        list(questions_about("Ann.", lines("Who?", record())))


def test_records() -> None:
    passed_over = {"title": "T", "answers": {"text": []}, "is_impossible": False}
    found = list(questions_of_records(lines(record(), record(id="a", **passed_over), record(id=7))))
    assert found == [
        GivenQuestion("Who?", "Ann.", f"q.txt:{line}", name) for line, name in ((1, None), (2, "a"), (3, 7))
    ]


BAD: dict[str, tuple[str, str]] = {
    "plain": ("Who?", r"q.txt:1, column 1: not valid json.*--context and a question a line"),
    "list": ("[1]", "q.txt:1: the line is no object"),
    "deep": ("[" * 100_000, "q.txt:1: its brackets are nested too deep"),
    "digits": ('{"id": ' + "1" * 5000 + "}", "q.txt:1: a number in it has thousands of digits"),
    "no question": ('{"context": "a"}', "the key 'question' is missing"),
    "no passage": ('{"question": "a"}', "the key 'context' is missing"),
    "number": (record(question=1), "question is not a text"),
    "null": (record(context=None), "context is not a text"),
    "empty question": (record(question=" \t"), "question is empty"),
    "empty passage": (record(context=""), "context is empty"),
    "misspelt": (record(contxt="a"), "unknown key 'contxt' -> did you mean 'context'?"),
    "unknown": (record(foo="a"), "unknown key 'foo' -> the keys are question, context, id"),
    "unknown of two lines": (record(**{"a\nb": 1}), "unknown key 'a b'"),
    "null id": (record(id=None), "id is neither a text nor a whole number"),
    "true id": (record(id=True), "id is neither"),
    "list id": (record(id=[1]), "id is neither"),
    "half a character": (record(question="a\ud800"), r"question holds '\\ud800', which is no character"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_records(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(DataError, match=message) as caught:
        list(questions_of_records(lines(text)))
    assert str(caught.value).startswith("q.txt:1")
    assert "\n" not in str(caught.value)


def type_lines(monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
    """Let ``input`` return these lines, and then the end of input."""
    remaining = iter(typed)

    def read() -> str:
        for line in remaining:
            return line
        raise EOFError

    monkeypatch.setattr(builtins, "input", read)


def test_conversation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    type_lines(monkeypatch, "", "Ann.", "Who?", "Where?", " ", " ", "Bert.", "Who?")
    found = [(given.context, given.question, given.where) for given in conversation()]
    assert found == [("Ann.", "Who?", "Who?"), ("Ann.", "Where?", "Where?"), ("Bert.", "Who?", "Who?")]
    out, err = capsys.readouterr()
    assert out == ""
    assert "an empty line asks for another passage; Ctrl-D ends." in err
    prompts = [part for part in err.split() if part.endswith(">")]
    assert prompts == [*["passage>"] * 2, *["question>"] * 3, *["passage>"] * 2, *["question>"] * 2]


def test_conversation_ends_without_a_passage(monkeypatch: pytest.MonkeyPatch) -> None:
    type_lines(monkeypatch)
    assert list(conversation()) == []


def test_a_passage_that_the_terminal_has_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    type_lines(monkeypatch, "é" + "a" * 4093)
    with pytest.raises(DataError, match=r"cuts a line after 4,095 bytes.*--context_file"):
        list(conversation())
    type_lines(monkeypatch, "a" * 4094, "Who?")
    assert len(list(conversation())) == 1


def test_a_terminal_of_another_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> str:
        return b"\xff".decode()

    monkeypatch.setattr(builtins, "input", read)
    with pytest.raises(DataError, match="terminal: not utf-8 -> set the terminal"):
        list(conversation())
