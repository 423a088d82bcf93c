from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from src.cloud import download as module
from src.cloud.download import download, record_path
from src.cloud.folder_store import FolderStore
from src.cloud.names import safe_name
from src.cloud.store import StoredFile, Tick
from src.common.errors import AlbertError, DataError, OutputError, StorageError
from src.common.storage_url import StorageUrl
from tests.cloud.test_archive import content_of, make_zip


class CountingStore(FolderStore):
    """A folder that counts what is fetched, and fails where it is told to."""

    fetched: list[str]
    failure: Exception | None = None

    def fetch(self, file: StoredFile, target: Path, tick: Tick) -> None:
        if self.failure and file.name == "b":
            target.write_bytes(b"half")
            raise self.failure
        self.fetched.append(file.name)
        super().fetch(file, target, tick)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    source = tmp_path / "source"
    source.mkdir()
    for name in "abc":
        (source / name).write_bytes(name.encode() * 100)
    made = CountingStore(StorageUrl("file", "", str(source)))
    made.fetched = []
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "data"


def bring(store: CountingStore, folder: Path) -> None:
    download(store, folder, lambda: None)


def test_a_name_that_is_a_file_and_a_folder(
    store: CountingStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a bucket, where slashes are letters like others.
    listed = [StoredFile(name, 1, "") for name in ("a", "a/b", "c")]
    monkeypatch.setattr(store, "list_files", lambda below="": listed)
    with pytest.raises(DataError, match=r"source: 'a' is a file and, in 'a/b', a folder, .* -> rename or remove one"):
        bring(store, folder)
    assert not folder.exists()


def test_all_files_come_once(store: CountingStore, folder: Path) -> None:
    bring(store, folder)
    assert content_of(folder) == {name: name.encode() * 100 for name in "abc"}
    bring(store, folder)
    assert sorted(store.fetched) == ["a", "b", "c"]


def test_what_changed_is_fetched_and_what_went_is_removed(store: CountingStore, folder: Path) -> None:
    bring(store, folder)
    source = Path(store.url.path)
    (source / "a").unlink()
    (source / "a").write_bytes(b"new")
    (source / "b").unlink()
    (folder / "c").unlink()
    store.fetched.clear()
    bring(store, folder)
    assert content_of(folder) == {"a": b"new", "c": b"c" * 100}
    assert sorted(store.fetched) == ["a", "c"]


def test_zip_files_are_unpacked_and_need_no_place_afterwards(store: CountingStore, folder: Path) -> None:
    make_zip(Path(store.url.path) / "packed.zip", {"train/1": b"1", "train/2": b"2"})
    bring(store, folder)
    assert set(content_of(folder)) == {"a", "b", "c", "train/1", "train/2"}
    store.fetched.clear()
    bring(store, folder)
    assert store.fetched == []
    assert (Path(store.url.path) / "packed.zip").exists()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (StorageError("the connection broke off"), "the connection broke off"),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on the device"),
    ],
)
def test_a_failure_leaves_whole_files_only(
    store: CountingStore, folder: Path, failure: Exception, expected: str
) -> None:
    store.failure = failure
    with pytest.raises(AlbertError, match=expected):
        bring(store, folder)
    assert all(content == name.encode() * 100 for name, content in content_of(folder).items())
    store.failure = None
    bring(store, folder)
    assert set(content_of(folder)) == {"a", "b", "c"}


def test_an_empty_folder(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(StorageError, match="there are no files -> check the path"):
        download(FolderStore(StorageUrl("file", "", str(tmp_path / "none"))), folder, lambda: None)
    assert not folder.exists()


def test_too_little_space(store: CountingStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(1 << 40, 0, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="needs 300 B, 100 B are free"):
        bring(store, folder)
    assert store.fetched == []


def test_files_of_others_are_not_overwritten(store: CountingStore, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"own")
    with pytest.raises(OutputError, match="b is there already and was not brought here"):
        bring(store, folder)
    assert content_of(folder) == {"b": b"own"}


def test_a_damaged_record_is_no_obstacle_but_no_proof(store: CountingStore, folder: Path) -> None:
    bring(store, folder)
    shutil.rmtree(folder)
    record_path(folder).write_text("{")
    bring(store, folder)
    assert len(store.fetched) == 6


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a\0b", ""])
def test_names_that_lead_out(name: str) -> None:
    with pytest.raises(DataError, match="leads out of its folder"):
        safe_name(name, "s3://bucket")


def test_lines_about_a_long_transfer(
    store: CountingStore, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.cloud.progress.INTERVAL_S", 0.0)
    with caplog.at_level("INFO", "src.cloud"):
        bring(store, folder)
    lines = [record.getMessage() for record in caplog.records]
    assert any("33 % of 300 B" in line and line.endswith(" left") and "B/s" in line for line in lines)
    assert any("3 files, 300 B in" in line for line in lines)
    assert module.logger.name.startswith("src.")
