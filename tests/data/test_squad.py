from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError
from src.data.squad import Answer, SquadQuestion, read_squad
from tests.data.squad_samples import answer, document, question, write


def good() -> dict[str, Any]:
    return document(
        ("One two.", [question("a", answer("One", 0), answer("two", 4)), question("b", answer("two", 4))]),
        ("Three.", [question("c", is_impossible=True, plausible_answers=[answer("Three", 0)])]),
    )


def test_questions_keep_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", good())
    data = read_squad(path)
    assert data.source == path
    assert data.version == "1.1"
    assert data.contexts == ("One two.", "Three.")
    assert data.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert data.questions == (
        SquadQuestion("a", "What is it?", 0, (Answer("One", 0), Answer("two", 4)), False),
        SquadQuestion("b", "What is it?", 0, (Answer("two", 4),), False),
        SquadQuestion("c", "What is it?", 1, (), True),
    )


def test_equal_contexts_become_one(tmp_path: Path) -> None:
    data = read_squad(
        write(tmp_path / "x.json", document(("A", [question("1")]), ("B", [question("2")]), ("A", [question("3")])))
    )
    assert data.contexts == ("A", "B")
    assert [row.context for row in data.questions] == [0, 1, 0]


@pytest.mark.parametrize("name", ["x.json.gz", "x.json"])
def test_gzip_is_told_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(json.dumps(good()).encode()))
    assert len(read_squad(path).questions) == 3


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(good()).encode())
    assert len(read_squad(path).questions) == 3


def test_questions_to_answer_need_no_answers(tmp_path: Path) -> None:
    content = good()
    for row in content["data"][0]["paragraphs"][0]["qas"]:
        del row["answers"]
    del content["version"]
    data = read_squad(write(tmp_path / "test.json", content))
    assert data.version == ""
    assert [row.answers for row in data.questions] == [(), (), ()]


def test_an_answer_elsewhere_is_not_judged_here(tmp_path: Path) -> None:
    data = read_squad(write(tmp_path / "x.json", document(("A b", [question("1", answer("b", -1))]))))
    assert data.questions[0].answers == (Answer("b", -1),)


Change = Callable[[dict[str, Any]], Any]
PARAGRAPH = "data[0].paragraphs[0]"


def _paragraph(content: dict[str, Any]) -> dict[str, Any]:
    return content["data"][0]["paragraphs"][0]


def _qa(content: dict[str, Any]) -> dict[str, Any]:
    return _paragraph(content)["qas"][1]


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (lambda c: c.pop("data"), "the key 'data' is missing", ""),
        (lambda c: c.update(data={}), "data is an object, not a list", ""),
        (lambda c: c.update(data=[]), "the file has no questions", ""),
        (lambda c: c.update(version=2), "version is a whole number, not a text", ""),
        (lambda c: c["data"].append("x"), "a text stands where an object is needed", "data[1]"),
        (lambda c: c["data"][0].pop("paragraphs"), "'paragraphs' is missing", "data[0]"),
        (lambda c: _paragraph(c).pop("context"), "'context' is missing", PARAGRAPH),
        (lambda c: _paragraph(c).update(context=" \n\u00a0"), "context is empty", PARAGRAPH),
        (lambda c: _paragraph(c).update(context=None), "context is null, not a text", PARAGRAPH),
        (lambda c: _paragraph(c).pop("qas"), "'qas' is missing", PARAGRAPH),
        (lambda c: _paragraph(c)["qas"].append([]), "a list stands where an object", f"{PARAGRAPH}.qas[2]"),
        (lambda c: _qa(c).pop("id"), "'id' is missing", f"{PARAGRAPH}.qas[1]"),
        (lambda c: _qa(c).update(id=7), "id is a whole number, not a text", f"{PARAGRAPH}.qas[1]"),
        (lambda c: _qa(c).update(id=""), "id is empty", f"{PARAGRAPH}.qas[1]"),
        (lambda c: _qa(c).update(id="c"), f"id 'c' is at {PARAGRAPH}.qas[1] too", "data[0].paragraphs[1].qas[0]"),
        (lambda c: _qa(c).pop("question"), "'question' is missing", f"{PARAGRAPH}.qas[1] (id b)"),
        (lambda c: _qa(c).update(question="  "), "question is empty", f"{PARAGRAPH}.qas[1] (id b)"),
        (lambda c: _paragraph(c).update(context="\ud83d!"), "context holds half of a character", PARAGRAPH),
        (lambda c: _qa(c).update(id="\udc00"), "id holds half of a character", f"{PARAGRAPH}.qas[1]"),
        (lambda c: _qa(c).update(answers={}), "answers is an object, not a list", "(id b)"),
        (lambda c: _qa(c).update(answers=None), "answers is null, not a list", "(id b)"),
        (lambda c: _qa(c)["answers"][0].pop("answer_start"), "'answer_start' is missing", "answers[0] (id b)"),
        (lambda c: _qa(c)["answers"][0].update(answer_start="4"), "answer_start is a text, not a", "answers[0] (id b)"),
        (lambda c: _qa(c)["answers"][0].update(answer_start=True), "answer_start is true or false", "(id b)"),
        (lambda c: _qa(c)["answers"][0].update(answer_start=4.0), "is a number with a fraction", "(id b)"),
        (lambda c: _qa(c)["answers"][0].update(text=["two"]), "text is a list, not a text", "answers[0] (id b)"),
        (lambda c: _qa(c).update(is_impossible="false"), "is_impossible is a text, not true or false", "(id b)"),
        (lambda c: _qa(c).update(is_impossible=0), "is_impossible is a whole number", "(id b)"),
        (lambda c: _qa(c).update(is_impossible=True), "is_impossible and has answers", "(id b)"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, change: Change, what: str, where: str) -> None:
    content = good()
    change(content)
    path = write(tmp_path / "x.json", content)
    with pytest.raises(DataError) as caught:
        read_squad(path)
    assert what in caught.value.what
    assert caught.value.where.startswith(str(path))
    assert caught.value.where.endswith(where)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("content", "what", "where"),
    [
        (b'{"data": [\n  {"a": 1,}\n]}', "not valid json", ":2, column 11"),
        (b'{"data": [', "not valid json", ":1, column 11"),
        (b"[1, 2]", "the file holds a list, not an object", ""),
        (b"\n \n", "the file is empty", ""),
        (b"", "the file is empty", ""),
        (b'{"data":\n "\xff"}', "not UTF-8: byte 0xff", ":2"),
        (b"[" * 100_000, "not valid json", ""),
        (b"1" * 10_000, "not valid json", ""),
        (gzip.compress(b"{}" * 1000)[:-12], "gzip data are damaged or cut off", ""),
        (b"\x1f\x8b\x08\x00rubbish", "gzip data are damaged or cut off", ""),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: bytes, what: str, where: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_squad(path)
    assert what in caught.value.what
    assert caught.value.where == f"{path}{where}"


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="file not found"):
        read_squad(tmp_path / "none.json")
    with pytest.raises(DataError, match="a folder stands where a file is needed"):
        read_squad(tmp_path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "contexts", "questions", "impossible"), [("dev-v1.1", 2067, 10570, 0), ("dev-v2.0", 1204, 11873, 5945)]
)
def test_the_real_files(shared_data: Path, name: str, contexts: int, questions: int, impossible: int) -> None:
    data = read_squad(shared_data / f"squad/{name}.json.gz")
    assert len(data.contexts) == contexts
    assert len(data.questions) == questions
    assert sum(row.is_impossible for row in data.questions) == impossible
