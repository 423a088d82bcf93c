from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from src.common.errors import OutputError
from src.common.files import atomic_path, make_directory, output_error, sha256_of, write_json_atomic, write_text_atomic


def test_the_content_takes_the_name_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "content"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("failure", [ValueError("bad"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_a_failure_keeps_the_old_content_and_leaves_nothing_behind(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    expected = OutputError if isinstance(failure, OSError) else type(failure)

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(expected):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_the_file_has_the_rights_that_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text_atomic(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_json_is_readable_and_keeps_characters(tmp_path: Path) -> None:
    write_json_atomic(tmp_path / "a.json", {"label": "正面", "n": 1})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"label": "正面", "n": 1}
    assert "正面" in text
    assert text.endswith("}\n")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file stands where a folder is needed"):
        make_directory(tmp_path / "file" / "sub")
    with pytest.raises(OutputError, match="file stands where a folder is needed"):
        write_text_atomic(tmp_path / "file" / "a.txt", "x")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a folder stands where a file is needed"):
        write_text_atomic(tmp_path / "folder", "x")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named() -> None:
    with pytest.raises(OSError, match="No space") as caught, open("/dev/full", "w") as stream:
        stream.write("x" * 100000)
    assert "no space left on the device" in str(output_error(caught.value, Path("a/b")))
    assert "a/b" in str(output_error(caught.value, Path("a/b")))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.ENOTDIR, "a file stands"),
        (errno.EIO, "cannot write"),
    ],
)
def test_system_errors_become_clear_ones(number: int, words: str) -> None:
    assert words in str(output_error(OSError(number, os.strerror(number)), Path("x")))


def test_sha256_reads_long_files_in_pieces(tmp_path: Path) -> None:
    content = os.urandom(3 * (1 << 20) + 17)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_devices_and_pipes_keep_their_place(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path(os.devnull)):
        with pytest.raises(OutputError, match="this is no regular file"):
            write_text_atomic(path, "content")
        assert not path.is_file()
    assert os.listdir(tmp_path) == ["pipe"]


def test_folders_that_were_made_for_a_file_go_with_it(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def write_half(place: Path) -> None:
        with atomic_path(place) as temporary:
            temporary.write_text("half")
            raise ValueError("bad")

    for place in (tmp_path / "new" / "deep" / "file", tmp_path / "there" / "file"):
        with pytest.raises(ValueError, match="bad"):
            write_half(place)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with atomic_path(tmp_path / "new" / "deep" / "file") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "new" / "deep" / "file").read_text() == "whole"
