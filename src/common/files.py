"""Write files so that a reader sees the old content or the new one, never a part of it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.common.errors import OutputError
from src.common.interrupts import unfinished_work

_CHUNK_BYTES = 1 << 20


def output_error(error: OSError, path: Path) -> OutputError:
    """Return the clear error for a failed write to ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError("no space left on the device", str(path), "free some space or choose another place")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("no permission to write", str(path), "choose a place you may write to")
    if error.errno == errno.EISDIR:
        return OutputError(f"cannot write: {error.strerror}", str(path), "a folder stands where a file is needed")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return OutputError(f"cannot write: {error.strerror}", str(path), "a file stands where a folder is needed")
    return OutputError(f"cannot write: {error.strerror or error}", str(path), "choose another name or place")


def make_directory(path: Path) -> Path:
    """Create ``path`` and its parents where missing; raise ``OutputError`` when that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, path) from error
    return path


def fsync_directory(path: Path) -> None:
    """Make renames inside ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_durably(temporary: Path, path: Path) -> None:
    """Rename ``temporary`` over ``path`` after both data and directory entry are on the disk."""
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
    fsync_directory(path.parent)


def usual_mode(is_folder: bool = False) -> int:
    """Return the permissions that the user's umask gives to new files; temporary ones are made private."""
    umask = os.umask(0)
    os.umask(umask)
    return (0o777 if is_folder else 0o666) & ~umask


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success it takes the place of ``path``, on failure it is removed.

    So are the folders that were made for it.

    Raises:
        OutputError: The file cannot be written (no space, no permission, ...), or a device or a pipe has its name.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        # Renaming over /dev/null takes it away from the whole system.
        raise OutputError("this is no regular file", str(path), "name a file")
    above = [folder for folder in path.parents if not folder.exists()]
    temporary: Path | None = None
    try:
        make_directory(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(descriptor)
        temporary = Path(name)
        temporary.chmod(usual_mode())
        with unfinished_work():
            yield temporary
        replace_durably(temporary, path)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        # Folders that hold something stay: those of a file that was written, too.
        for empty in above:
            with contextlib.suppress(OSError):
                empty.rmdir()


def write_text_atomic(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` as a whole."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_atomic(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON to ``path`` as a whole."""
    write_text_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as a hexadecimal string, reading it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
