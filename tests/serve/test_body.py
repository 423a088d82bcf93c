from __future__ import annotations

import json
from typing import Any

import pytest

from src.serve.body import parse_body
from src.serve.problems import RequestError
from src.serve.settings import ServeSettings

SETTINGS = ServeSettings(max_inputs=3, max_characters=20, max_candidates=10)


def parse(content: Any, command: str = "classify") -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parse_body(body, command, SETTINGS)


def test_records_and_candidates() -> None:
    inputs = [{"text": "a"}, {"text": "b", "id": 7}]
    assert parse({"inputs": inputs}).records == inputs
    assert parse({"inputs": inputs}, "fill-mask").candidates == 5
    assert parse({"inputs": inputs, "top_k": 10}, "fill-mask").candidates == 10
    assert parse({"inputs": inputs}, "qa").candidates == 1
    assert parse({"inputs": inputs, "top_n": 2}, "qa").candidates == 2
    # A byte-order mark is what some programs write in front of UTF-8.
    assert parse(b'\xef\xbb\xbf{"inputs": [{}]}').records == [{}]


def test_the_default_is_no_more_than_the_limit() -> None:
    query = parse_body(b'{"inputs": [{}]}', "fill-mask", ServeSettings(max_candidates=2))
    assert query.candidates == 2


BAD: dict[str, tuple[Any, int, str, str]] = {
    "no json": (b'{"inputs": [', 400, "not valid JSON: Expecting value", "line 1, column 13"),
    "empty": (b"", 400, "not valid JSON", "line 1, column 1"),
    "not utf-8": (b'{"inputs": "\xff"}', 400, "not UTF-8", "byte 12"),
    "nan": (b'{"inputs": [NaN]}', 400, "not valid JSON, which has no NaN", "body"),
    "deep": (b"[" * 100_000, 400, "lists or objects lie too deep in each other", "body"),
    "huge number": (b'{"inputs": ' + b"9" * 5000 + b"}", 400, "a number has thousands of digits", "body"),
    "list": ([], 400, "no JSON object", "body"),
    "repeated key": (b'{"inputs": [{"text": "a", "text": "b"}]}', 400, "the key 'text' is there twice", "body"),
    "no inputs": ({}, 400, "there are no inputs", "inputs"),
    "empty inputs": ({"inputs": []}, 400, "there are no inputs", "inputs"),
    "one record": ({"inputs": {"text": "a"}}, 400, "inputs is no list", "inputs"),
    "unknown key": ({"input": [{}]}, 400, "unknown key", "input"),
    "key of another command": (
        {"inputs": [{}], "top_n": 2},
        400,
        "for qa, and this model is served as classify",
        "top_n",
    ),
    "too many": ({"inputs": [{}] * 4}, 413, "there are 4 inputs", "inputs"),
    "record": ({"inputs": [{}, "a"]}, 422, "the input is no object", "inputs[1]"),
    "long text": ({"inputs": [{}, {"text": "a" * 15, "text_b": "b" * 6}]}, 422, "21 characters", "inputs[1]"),
    "long words": ({"inputs": [{"words": ["a" * 7] * 3}]}, 422, "21 characters", "inputs[0]"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies(name: str) -> None:
    content, status, what, where = BAD[name]
    with pytest.raises(RequestError) as caught:
        parse(content)
    assert caught.value.status == status
    assert what in caught.value.content["what"]
    assert caught.value.content["where"] == where
    assert caught.value.content["fix"]


@pytest.mark.parametrize("value", [0, 11, -1, 1.0, "3", True, None])
def test_bad_counts(value: object) -> None:
    with pytest.raises(RequestError, match="top_k is no whole number from 1 to 10"):
        parse({"inputs": [{}], "top_k": value}, "fill-mask")


def test_the_probable_key_is_named() -> None:
    with pytest.raises(RequestError) as caught:
        parse({"imputs": [{}]})
    assert caught.value.content["fix"] == "did you mean 'inputs'?"
