from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import ConfigError
from src.common.json_files import (
    NoNumberError,
    RepeatedKeyError,
    TooDeepError,
    json_value,
    object_or_empty,
    read_json,
    read_object,
)

DEEP = b"[" * 100_000


def test_a_text_is_read_as_python_reads_it() -> None:
    assert json_value('{"a": [1, null], "a": 2}') == {"a": 2}
    assert json_value(b'"\xc3\xa4"') == "ä"
    assert json_value("[-Infinity]") == [float("-inf")]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", json.JSONDecodeError, "line 1 column 2"),
        (b'"\xff"', UnicodeDecodeError, "byte 0xff in position 1"),
        (DEEP, TooDeepError, "its brackets are nested too deep"),
        (b'{"a":' * 100_000, TooDeepError, "its brackets are nested too deep"),
        ('{"b": 1, "a": {"c": 1, "c": 1}}', RepeatedKeyError, "^c$"),
        ("[NaN]", NoNumberError, "^NaN$"),
        ("9" * 5000, ValueError, "digits"),
    ],
)
def test_a_text_that_is_no_json(text: str | bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        json_value(text, unique_keys=True, constants=False)
    assert caught.type is error


def test_a_file_is_read_as_utf_8_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1]")
    assert read_json(path) == [1]
    for content in (b"\xef\xbb\xbf[1]", "[1]".encode("utf-16"), DEEP):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"utf-8|UTF-8|nested"):
            read_json(path)


@pytest.mark.parametrize(
    ("content", "expected"), [(b'{"a": 1}', {"a": 1}), (b"[1]", {}), (b"", {}), (b"\xff", {}), (DEEP, {})]
)
def test_what_holds_no_object_is_an_empty_one(content: bytes, expected: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert object_or_empty(content) == object_or_empty(path) == expected
    assert object_or_empty(tmp_path / "none.json") == {}


def test_an_object_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1]}', encoding="utf-8")
    assert read_object(path, ConfigError, "x", "y") == {"a": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a.json: cannot read: No such file or directory -> check the path"),
        (b"{", "a.json: the file is no JSON -> copy it again"),
        (b"\xff", "a.json: the file is no JSON -> copy it again"),
        (DEEP, "a.json: the file is no JSON -> copy it again"),
        (b"[]", "a.json: the file holds no JSON object -> copy it again"),
    ],
)
def test_bad_files(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_object(path, ConfigError, "check the path", "copy it again")
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_the_caller_may_have_words_of_its_own_for_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the folder lacks it"):
        read_object(tmp_path / "a.json", ConfigError, "x", "y", ConfigError("the folder lacks it"))
