from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from src.common.errors import DataError
from src.data.source_archive import SourceArchive, obtain_archive, read_member

SETUP = b"from setuptools import setup\nopen(@RAN@, 'w').close()\nsetup(name='tinytexts', version='1.0')\n"


def make_tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def describe(content: bytes) -> SourceArchive:
    return SourceArchive("tinytexts", "1.0", "tinytexts-1.0.tar.gz", hashlib.sha256(content).hexdigest())


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The file that the package's setup.py leaves when it runs."""
    return tmp_path / "setup.py ran"


@pytest.fixture
def index(tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make pip see one source distribution and nothing else; return its bytes."""
    setup = SETUP.replace(b"@RAN@", repr(str(ran)).encode())
    content = make_tar({"tinytexts-1.0/setup.py": setup, "tinytexts-1.0/text.txt": b"hello"})
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "tinytexts-1.0.tar.gz").write_bytes(content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return content


def test_downloads_once(index: bytes, ran: Path, tmp_path: Path) -> None:
    path = obtain_archive(describe(index), tmp_path / "download")
    assert path.read_bytes() == index
    assert ran.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["tinytexts-1.0.tar.gz"]
    (tmp_path / "index" / "tinytexts-1.0.tar.gz").unlink()
    assert obtain_archive(describe(index), tmp_path / "download") == path


def test_damaged_download_is_fetched_again(index: bytes, tmp_path: Path) -> None:
    path = tmp_path / "download" / "tinytexts-1.0.tar.gz"
    path.parent.mkdir()
    path.write_bytes(index[:100])
    assert obtain_archive(describe(index), path.parent).read_bytes() == index


def test_other_content_is_refused_before_it_runs(index: bytes, ran: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pip download failed.*--archive"):
        obtain_archive(describe(index + b"x"), tmp_path / "download")
    assert not ran.exists()
    assert list((tmp_path / "download").iterdir()) == []


def test_package_that_cannot_be_had(index: bytes, tmp_path: Path) -> None:
    (tmp_path / "index" / "tinytexts-1.0.tar.gz").unlink()
    with pytest.raises(DataError, match=r"tinytexts==1.0: pip download failed: .*No matching distribution"):
        obtain_archive(describe(index), tmp_path / "download")


def test_own_copy(tmp_path: Path) -> None:
    copy = tmp_path / "mine.tar.gz"
    copy.write_bytes(b"content")
    assert obtain_archive(describe(b"content"), tmp_path / "download", copy) == copy
    with pytest.raises(DataError, match=r"mine.tar.gz: sha256 is .*, expected "):
        obtain_archive(describe(b"other"), tmp_path / "download", copy)
    with pytest.raises(DataError, match="no such file"):
        obtain_archive(describe(b"other"), tmp_path / "download", tmp_path / "absent.tar.gz")
    assert not (tmp_path / "download").exists()


def test_reads_a_member() -> None:
    assert read_member(make_tar({"a/b.txt": b"hello"}), "a/b.txt", "x.tar.gz") == b"hello"


def test_absent_member() -> None:
    with pytest.raises(DataError, match=r"x.tar.gz: b.txt is not in the archive"):
        read_member(make_tar({"a.txt": b"hello"}), "b.txt", "x.tar.gz")


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_damaged_archive(cut: int) -> None:
    with pytest.raises(DataError, match=r"x.tar.gz: the archive is damaged"):
        read_member(make_tar({"a.txt": bytes(range(256)) * 40})[:cut], "a.txt", "x.tar.gz")


def test_link_is_no_regular_file(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        link = tarfile.TarInfo("a.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="is not a regular file"):
        read_member(stream.getvalue(), "a.txt", "x.tar.gz")
