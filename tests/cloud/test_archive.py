from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from src.cloud.archive import clean_leftovers, unpack
from src.common.errors import AlbertError


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def refuse(archive: Path, folder: Path) -> str:
    """Return the message; nothing may have been left."""
    before = content_of(folder.parent)
    with pytest.raises(AlbertError) as caught:
        unpack(archive, folder, lambda count: None)
    assert content_of(folder.parent) == before
    assert not [path for path in folder.rglob("*") if path.is_dir()]
    return str(caught.value)


def test_files_are_unpacked(tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"a.txt": b"a", "sub/b.txt": b"b" * 3_000_000})
    told: list[int] = []
    files = unpack(archive, folder, told.append)
    assert content_of(folder) == {"a.txt": b"a", "sub/b.txt": b"b" * 3_000_000}
    assert sorted(files) == sorted(folder / name for name in ("a.txt", "sub/b.txt"))
    assert sum(told) == 3_000_001
    # Once more, as after a kill before its end was recorded.
    assert len(unpack(archive, folder, told.append)) == 2


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "C:evil", "..\\evil", "\\evil", "a\\..\\..\\evil"]
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"good": b"1", name: b"2"})
    assert "leads out of its folder" in refuse(archive, folder)


def test_links_are_refused(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("good", b"1")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    assert "a link or a device is packed" in refuse(archive, folder)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a", b"1")
        packed.writestr("./a", b"2")
    assert "the name is there twice" in refuse(archive, folder)


@pytest.mark.parametrize("names", [("a", "a/b"), ("c/a/b/d", "c/a")])
def test_a_name_that_is_a_file_and_a_folder(names: tuple[str, str], tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"a.txt": b"0", names[0]: b"1", names[1]: b"2"})
    short, long = sorted(names)
    expected = f"{archive}: entry {long!r}: {short!r} is packed as a file too -> pack it anew"
    assert refuse(archive, folder) == expected


def test_a_file_where_an_entry_needs_a_folder(tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"new": b"0", "sub/b": b"1"})
    (folder / "sub").write_bytes(b"own")
    assert f"{archive}: entry 'sub/b' needs a folder where the file {folder / 'sub'} stands" in refuse(archive, folder)


def test_an_encrypted_entry(tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"a": b"1"})
    content = bytearray(archive.read_bytes())
    # The flag stands in the local header and in the directory.
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    archive.write_bytes(content)
    assert "the entry is encrypted" in refuse(archive, folder)


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_archive_leaves_nothing(damage: str, tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"a": b"1", "b": os.urandom(5000)})
    content = archive.read_bytes()
    half = len(content) // 2
    damaged = {"cut": content[:half], "flip": content[:half] + bytes([content[half] ^ 255]) + content[half + 1 :]}
    archive.write_bytes(damaged.get(damage, b"no zip file"))
    assert "the zip file is damaged" in refuse(archive, folder)


def test_a_bomb_is_measured_before_it_goes_off(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "data.zip", {"zeros": bytes(30_000_000)})
    assert archive.stat().st_size < 1_000_000
    usage = namedtuple("usage", "total used free")(1 << 40, 0, 80_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert "its files need 30.0 MB, 80.0 MB are free" in refuse(archive, folder)


def test_an_entry_that_lies_about_its_size(tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"a": b"0" * 1000})
    content = archive.read_bytes()
    archive.write_bytes(content.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "the zip file is damaged" in refuse(archive, folder)


def test_other_files_are_not_overwritten(tmp_path: Path, folder: Path) -> None:
    archive = make_zip(tmp_path / "data.zip", {"a": b"new", "b": b"1"})
    (folder / "a").write_bytes(b"own")
    assert "which differs" in refuse(archive, folder)


def test_what_a_kill_left_is_removed(folder: Path) -> None:
    left = folder / "sub" / ".unpacking-x1"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"1")
    (folder / "sub" / "own").write_bytes(b"1")
    clean_leftovers(folder)
    assert content_of(folder) == {"sub/own": b"1"}
    assert not left.exists()
