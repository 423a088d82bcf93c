from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.common.json_files import read_object


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
        (b"[" * 100_000, "a.json: the file is no JSON -> copy it again"),
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
