"""Write files beside their place, and give them their names only when all of them are there and right."""

from __future__ import annotations

import contextlib
import filecmp
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from src.common.errors import OutputError
from src.common.files import make_directory, output_error, replace_durably, usual_mode
from src.common.interrupts import unfinished_work


@contextlib.contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Give a folder on the disk of ``target``; it is removed at the end, whatever happens.

    Raises:
        OutputError: It cannot be made.
    """
    place = target
    while not place.is_dir():
        if place.exists():
            raise OutputError("a file stands where a folder is needed", str(place), "choose another place")
        place = place.parent
    try:
        folder = Path(tempfile.mkdtemp(prefix=".weights.", suffix=".tmp", dir=place))
    except OSError as error:
        raise output_error(error, place) from error
    try:
        with unfinished_work():
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_targets(targets: Iterable[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    """Refuse names that are taken.

    Args:
        targets: Files that will be written.
        inputs: Files that were read.
        overwrite: Whether files that are there may be replaced; those in ``inputs`` may never.

    Raises:
        OutputError: A file is there, or is an input.
    """
    read = {path.resolve() for path in inputs}
    for path in targets:
        if path.resolve() in read:
            raise OutputError("the output would take the place of the input", str(path), "choose another --output")
        if path.is_dir():
            raise OutputError("a folder stands where a file is needed", str(path), "choose another --output")
        if path.exists() and not overwrite:
            raise OutputError(
                "the file is there already", str(path), "choose another --output, or give --overwrite true"
            )


def check_folder(folder: Path, own_names: Iterable[str], inputs: Iterable[Path], overwrite: bool) -> None:
    """Refuse a folder that is not new or empty; with ``overwrite`` one that holds only files of ``own_names`` will do.

    Raises:
        OutputError: The folder holds something else, or the input.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError("a file stands where the folder should be", str(folder), "choose another --output")
    if folder.resolve() in {path.resolve().parent for path in inputs}:
        raise OutputError("the output would take the place of the input", str(folder), "choose another --output")
    names = {path.name for path in folder.iterdir()}
    foreign = sorted(names - set(own_names))
    if foreign:
        what = f"the folder holds other files: {', '.join(foreign[:4])}"
        raise OutputError(what, str(folder), "choose a new or empty folder")
    if names and not overwrite:
        raise OutputError("the folder is not empty", str(folder), "choose another one, or give --overwrite true")


def publish(staged: Sequence[Path], target: Path) -> tuple[Path, ...]:
    """Move files into ``target`` in this order; files with the same content stay as they are.

    Where a file cannot be moved, those that were new are removed again.

    Returns:
        The files at their place.

    Raises:
        OutputError: A file cannot be moved.
    """
    make_directory(target)
    new: list[Path] = []
    try:
        for source in staged:
            path = target / source.name
            if path.is_file() and filecmp.cmp(source, path, shallow=False):
                continue
            if not path.exists():
                new.append(path)
            # The library of safetensors makes files that only their owner may read.
            source.chmod(usual_mode())
            replace_durably(source, path)
    except BaseException as error:
        for path in new:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise output_error(error, target) from error
        raise
    return tuple(target / source.name for source in staged)


def remove_others(folder: Path, own_names: Iterable[str], kept: Iterable[Path]) -> None:
    """Remove files with a name in ``own_names`` that are not in ``kept``."""
    names = {path.name for path in kept}
    for name in own_names:
        if name not in names:
            (folder / name).unlink(missing_ok=True)
