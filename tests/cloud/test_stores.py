"""Folders and MoXing fulfil the same contract; which kind an address needs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from src.cloud import retry
from src.cloud.moxing_store import MoxingStore
from src.cloud.store import Store, open_store
from src.common.errors import StorageError
from src.common.storage_url import parse_storage_url
from tests.cloud.fake_moxing import FakeFile, module


@pytest.fixture
def moxing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeFile:
    """Let ``import moxing`` find the stand-in."""
    fake = module(tmp_path / "buckets")
    real = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, "moxing", fake)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: object() if name == "moxing" else real(name, *more)
    )
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    found: FakeFile = fake.file
    return found


@pytest.fixture(params=["folder", "file url", "moxing"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "moxing":
        request.getfixturevalue("moxing")
    addresses = {
        "folder": str(tmp_path / "stored"),
        "file url": f"file://{tmp_path}/stored",
        "moxing": "obs://bucket/stored",
    }
    return open_store(parse_storage_url(addresses[request.param], "data_url"))


def put(store: Store, name: str, content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    store.put(source, name, "", lambda count: None)


def test_what_every_storage_can_do(store: Store, tmp_path: Path) -> None:
    assert store.list_files() == []
    assert store.read("index") is None
    contents = {"a.txt": b"a", "sub/b.bin": b"b" * 2_000_000}
    for name, content in contents.items():
        put(store, name, content, tmp_path)
    store.write("index", b"{}")
    assert store.read("index") == b"{}"
    assert [(file.name, file.size) for file in store.list_files()] == [
        ("a.txt", 1),
        ("index", 2),
        ("sub/b.bin", 2_000_000),
    ]
    (file,) = store.list_files("sub")
    told: list[int] = []
    target = tmp_path / "target"
    target.touch()
    store.fetch(file, target, told.append)
    assert target.read_bytes() == contents["sub/b.bin"]
    assert sum(told) == 2_000_000
    store.remove(["a.txt", "never there"])
    assert [file.name for file in store.list_files()] == ["index", "sub/b.bin"]


def test_the_address_of_one_file(store: Store, tmp_path: Path) -> None:
    put(store, "sub/data.zip", b"zip", tmp_path)
    single = type(store)(store.url.child("sub/data.zip"))
    (file,) = single.list_files()
    target = tmp_path / "target"
    target.touch()
    single.fetch(file, target, lambda count: None)
    assert (file.name, target.read_bytes()) == ("data.zip", b"zip")


def test_moxing_is_taken_where_it_is(moxing: FakeFile) -> None:
    assert isinstance(open_store(parse_storage_url("s3://bucket/x", "data_url")), MoxingStore)


def test_moxing_is_asked_again(moxing: FakeFile, tmp_path: Path) -> None:
    store = open_store(parse_storage_url("obs://bucket/x", "data_url"))
    moxing.failures = [TimeoutError("timed out"), KeyError("request-id")]
    put(store, "a", b"1", tmp_path)
    assert moxing.calls.count("copy_parallel") == 3


@pytest.mark.parametrize(
    ("error", "attempts"), [(PermissionError("status=403 for SECRETKEY1"), 1), (TimeoutError("timed out"), 5)]
)
def test_a_failure_of_moxing_is_one_line_without_keys(
    moxing: FakeFile, error: Exception, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_ACCESS_KEY", "SECRETKEY1")
    store = open_store(parse_storage_url("obs://bucket/x", "data_url"))
    moxing.failures = [error] * 9
    with pytest.raises(StorageError) as caught:
        store.list_files()
    text = str(caught.value)
    assert text.startswith(f"obs://bucket/x: MoXing failed: {type(error).__name__}: ")
    assert "SECRETKEY1" not in text
    assert len(moxing.calls) == attempts


def test_moxing_that_leaves_half_a_file(moxing: FakeFile, tmp_path: Path) -> None:
    store = open_store(parse_storage_url("obs://bucket/x", "data_url"))
    put(store, "a", b"1234", tmp_path)
    moxing.get_size = lambda url: 9  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="the stored object has another size than the file"):
        put(store, "a", b"1234", tmp_path)


def test_boto3_is_loaded_only_for_object_storage() -> None:
    import subprocess

    code = (
        "import sys, src.cloud.job; sys.exit(any(name in sys.modules for name in ('boto3', 'botocore', 'mindspore')))"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2], check=False)
    assert done.returncode == 0
