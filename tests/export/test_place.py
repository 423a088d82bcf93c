"""The folder in which an export is made."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from src.common.errors import OutputError
from src.export.place import workshop


def fail(target: Path, name: str | None) -> None:
    with workshop(target) as folder:
        raise OSError(errno.EFBIG, "File too large", None if name is None else name.format(folder=folder))


@pytest.mark.parametrize("name", [None, "{folder}/graph.mindir"])
def test_a_failed_write_names_the_place_that_was_asked_for(tmp_path: Path, name: str | None) -> None:
    target = tmp_path / "new" / "model.mindir"
    with pytest.raises(OutputError, match=r"new/model.mindir: cannot write: File too large"):
        fail(target, name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_others_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large") as caught:
        fail(tmp_path / "model.mindir", "/other/file")
    assert caught.value.filename == "/other/file"
