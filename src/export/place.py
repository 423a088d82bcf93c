"""Put an export into its place as a whole: made and checked in a folder of its own, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from src.common.files import fsync_directory, make_directory, output_error
from src.common.interrupts import unfinished_work
from src.export.description import assets_folder, description_path
from src.export.plan import ExportPlan, check_free


@contextlib.contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """Give a folder beside ``target`` that is removed at the end, whatever happens.

    So are the folders above it that were made for it, where nothing came into them.

    Raises:
        OutputError: It cannot be made there.
    """
    above = [folder for folder in target.parents if not folder.exists()]
    make_directory(target.parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.stem}.", suffix=".tmp", dir=target.parent))
    except OSError as error:
        raise output_error(error, target.parent) from error
    try:
        with unfinished_work():
            yield folder
    except OSError as error:
        # Of the files of others the name is known; ours have one that is gone when it is read.
        if error.filename is None or folder.name in str(error.filename):
            raise output_error(error, target) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for empty in above:
            with contextlib.suppress(OSError):
                empty.rmdir()


def parts_of(model: Path) -> tuple[Path, Path, Path]:
    """Return what an export consists of: the model's file, its description and the folder of its tokenizer."""
    return model, description_path(model), assets_folder(model)


def publish(folder: Path, plan: ExportPlan) -> None:
    """Rename a finished export out of ``folder`` to its place.

    An earlier one is set aside first and comes back when a step fails. Of a process that is killed in between the
    description is what is missing, without which no command takes the model.

    Args:
        folder: Holds the parts under their final names.
        plan: Says where to, and whether an earlier export may be replaced.

    Raises:
        OutputError: Something came there in the meantime, or the place cannot be written.
    """
    check_free(plan)
    done: list[tuple[Path, Path]] = []
    try:
        made, places, aside = parts_of(folder / plan.target.name), parts_of(plan.target), folder / "earlier"
        for part in (*made[:2], *made[2].iterdir()):
            _to_disk(part)
        aside.mkdir()
        # The description goes first and comes last.
        for place in (places[1], places[0], places[2]):
            if place.exists():
                _move(place, aside / place.name, done)
        for part, place in zip((made[2], made[0], made[1]), (places[2], places[0], places[1]), strict=True):
            _move(part, place, done)
        fsync_directory(plan.target.parent)
    except BaseException as error:
        for source, destination in reversed(done):
            os.replace(destination, source)
        if isinstance(error, OSError):
            raise output_error(error, plan.target) from error
        raise


def _move(source: Path, destination: Path, done: list[tuple[Path, Path]]) -> None:
    """Rename, and note that it was done."""
    os.replace(source, destination)
    done.append((source, destination))


def _to_disk(path: Path) -> None:
    """Make the content of a file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
