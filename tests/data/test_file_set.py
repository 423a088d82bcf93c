"""Folders for output: they stay where something was put into them, and leave no trace where nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import DataError, OutputError
from src.data.file_set import output_folder, temporary_folder


def fail(*made: Path, error: Exception) -> None:
    """Put files where they are wanted, and raise."""
    for path in made:
        path.touch()
    raise error


def test_a_folder_that_stays_empty_goes_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    for folder in (tmp_path / "a" / "b", kept / "c", kept):
        with pytest.raises(DataError), output_folder(folder):
            fail(error=DataError("wrong text"))
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


def test_a_folder_with_output_stays(tmp_path: Path) -> None:
    with pytest.raises(DataError), output_folder(tmp_path / "a" / "b"):
        fail(tmp_path / "a" / "b" / "file", error=DataError("wrong text"))
    assert (tmp_path / "a" / "b" / "file").is_file()


def test_a_failed_conversion_leaves_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "out" / "train.tfrecord"
    with pytest.raises(OutputError, match="no space"), temporary_folder(path) as folder:
        fail(folder / "begun", error=OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="a file stands where a folder is needed"),
        output_folder(tmp_path / "file" / "a"),
    ):
        pass
