from __future__ import annotations

from typing import Any

import pytest

from src.common.errors import DataError
from src.predict.records import object_of, text_record
from src.predict.texts import GivenText

FIX = "give a record a line"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"t\.jsonl:3, column 2: not valid json"),
        ("[1]", r"t\.jsonl:3: the line is no object"),
        ('"a"', "the line is no object"),
        ("[" * 100_000, "its brackets are nested too deep"),
        ('{"id": ' + "9" * 5000 + "}", "a number in it has thousands of digits"),
        ("", "not valid json"),
        ('{"text": "a", "text": "b"}', "the key 'text' is there twice"),
    ],
)
def test_lines_that_are_no_records(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        object_of(GivenText(line, "t.jsonl:3"), FIX)
    assert FIX in str(caught.value)


def test_a_record_of_texts() -> None:
    assert text_record({"text": "a", "text_b": "b", "id": 3}, "w", pairs=True) == GivenText("a", "w", "b", 3)
    assert text_record({"text": "a", "text_b": None}, "w", pairs=True) == GivenText("a", "w")
    assert text_record({"text": "a"}, "w", pairs=False) == GivenText("a", "w")


BAD: list[tuple[dict[str, Any], bool, str]] = [
    ({}, True, "the key 'text' is missing"),
    ({"text": 3}, True, "text is not a text"),
    ({"text": None}, True, "text is not a text"),
    ({"text": " \n"}, True, "text is empty"),
    ({"text": "a", "text_b": ""}, True, "text_b is empty"),
    ({"text": "a", "text_b": "b"}, False, "unknown key 'text_b'"),
    ({"txt": "a"}, True, "unknown key 'txt' -> did you mean 'text'"),
    ({"text": "a", "id": 1.5}, True, "id is neither"),
    ({"text": "a", "id": True}, True, "id is neither"),
    ({"text": "a", "id": None}, True, "id is neither"),
    ({"text": "a\udfff"}, True, "which is no character"),
]


@pytest.mark.parametrize(("record", "pairs", "message"), BAD)
def test_bad_records_of_texts(record: dict[str, Any], pairs: bool, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        text_record(record, "t.jsonl:3", pairs=pairs)
    assert "t.jsonl:3" in str(caught.value)
