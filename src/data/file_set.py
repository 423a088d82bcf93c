"""Put several files into their place together: all of them, or none."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.common.errors import OutputError
from src.common.files import fsync_directory, make_directory, output_error
from src.common.interrupts import unfinished_work


@contextlib.contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Make a folder for what is written in the block; what was made of it goes again where it is empty at the end."""
    above = [place for place in (folder, *folder.parents) if not place.exists()]
    make_directory(folder)
    try:
        yield
    finally:
        for empty in above:
            with contextlib.suppress(OSError):
                empty.rmdir()


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that is removed at the end; file system errors become ``OutputError``.

    A folder that was made for it goes, too, where nothing was put into it.
    """
    with output_folder(path.parent), _temporary_folder(path) as folder:
        yield folder


@contextlib.contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        with unfinished_work():
            yield folder
    except OutputError as error:
        # The temporary name says nothing to the user, and is gone when he reads it.
        raise OutputError(
            error.what, error.where.replace(f"{folder}{os.sep}", f"{path.parent}{os.sep}"), error.fix
        ) from error
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _settle(file: Path) -> None:
    """Give a new file the usual permissions (MindSpore makes it private) and put it on the disk."""
    umask = os.umask(0)
    os.umask(umask)
    file.chmod(0o666 & ~umask)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(folder: Path, place: Path, names: Sequence[str], old: Sequence[str]) -> None:
    """Move the new files from ``folder`` to ``place``, the manifest last; on failure the old ones are put back."""
    for name in names:
        _settle(folder / name)
    aside = folder / "replaced"
    aside.mkdir()
    try:
        for name in old:
            os.rename(place / name, aside / name)
        for name in names:
            os.rename(folder / name, place / name)
        fsync_directory(place)
    except BaseException:
        # Judged by what lies where, not by a list: an interrupt may come between a move and its note.
        for name in names:
            if not os.path.lexists(folder / name):
                (place / name).unlink(missing_ok=True)
        for saved in aside.iterdir():
            os.rename(saved, place / saved.name)
        raise
