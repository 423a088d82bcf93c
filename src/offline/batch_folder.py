"""Write batches as raw files: the whole folder takes the place of an older one, or nothing changes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from src.common.errors import OutputError
from src.common.files import fsync_directory, make_directory, output_error, write_json_atomic
from src.data.batch_table import Batch, BatchTable
from src.offline.manifest import (
    INPUT_FOLDERS,
    MANIFEST_NAME,
    REFERENCE_FOLDER,
    TOKENIZER_FOLDER,
    OfflineManifest,
    manifest_content,
)

_BATCH_NAME = re.compile(r".+_batch_\d+_\d{6,}\.bin")

References = Callable[[np.ndarray, Batch], np.ndarray]
"""Makes of the rows of a batch (int64 row numbers, columns) what lies in ``REFERENCE_FOLDER``, with rows first."""


def check_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds anything, unless it is an older folder of ours that may go.

    Raises:
        OutputError: Something is there that stays.
    """
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise OutputError("a file stands where the folder should be", str(path), "choose another place") from error
    except OSError as error:
        raise output_error(error, path) from error
    if not names:
        return
    strange = _strange_file(path, names)
    if strange is not None:
        what = f"the folder holds {strange}, which preprocess.py has not written: nothing in it is removed"
        raise OutputError(what, str(path), "choose another --result_path, or empty the folder")
    if not overwrite:
        fix = "choose another --result_path, or give --overwrite true"
        raise OutputError("an earlier preprocess.py has written this folder", str(path), fix)


def _strange_file(path: Path, names: Sequence[str]) -> str | None:
    """Return the name of an entry that is not ours, ``None`` where all are."""
    batches = (*INPUT_FOLDERS, REFERENCE_FOLDER)
    for name in names:
        entry = path / name
        if name == MANIFEST_NAME and entry.is_file():
            continue
        if name not in (*batches, TOKENIZER_FOLDER) or entry.is_symlink() or not entry.is_dir():
            return name
        for inner in entry.iterdir():
            if inner.is_dir() or (name in batches and not _BATCH_NAME.fullmatch(inner.name)):
                return f"{name}/{inner.name}"
    return None if MANIFEST_NAME in names else names[0]


def write_batches(
    path: Path,
    manifest: OfflineManifest,
    table: BatchTable,
    references: References,
    tokenizer_file: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Write the folder of a manifest; the rows of the table come in their order.

    Args:
        path: The folder; see ``check_place``.
        manifest: Says what is written.
        table: The rows.
        references: Labels, or other things to compare with, of a batch.
        tokenizer_file: Vocabulary that is kept in the folder.
        overwrite: Whether an older folder goes.

    Raises:
        OutputError: The place is taken, or cannot be written.
    """
    check_place(path, overwrite=overwrite)
    with _replacing(path.resolve()) as folder:
        for name in (*INPUT_FOLDERS, REFERENCE_FOLDER):
            make_directory(folder / name)
        first = 0
        for file in manifest.files:
            rows = np.arange(first, first + file.rows)
            batch = table.batch(rows, manifest.batch_size, manifest.length)
            for name, column in INPUT_FOLDERS.items():
                _write_raw(folder / name / file.name, batch[column].astype(np.int32))
            _write_raw(folder / REFERENCE_FOLDER / file.name, references(rows, batch))
            first += file.rows
        if tokenizer_file is not None:
            shutil.copyfile(tokenizer_file, make_directory(folder / TOKENIZER_FOLDER) / tokenizer_file.name)
        write_json_atomic(folder / MANIFEST_NAME, manifest_content(manifest))


def _write_raw(path: Path, values: np.ndarray) -> None:
    """Write an array without a header, little-endian."""
    path.write_bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a folder beside ``path``, which takes its place on success and is removed on failure."""
    make_directory(path.parent)
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        umask = os.umask(0)
        os.umask(umask)
        # mkdtemp makes the folder private; results are for everyone the umask allows.
        folder.chmod(0o777 & ~umask)
        yield folder
        _swap(folder, path)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _swap(folder: Path, path: Path) -> None:
    """Let ``folder`` take the place of ``path``; what was there goes only afterwards."""
    if not path.exists():
        os.rename(folder, path)
    else:
        older = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old.tmp", dir=path.parent))
        os.rename(path, older)
        try:
            os.rename(folder, path)
        except BaseException:
            os.rename(older, path)
            raise
        shutil.rmtree(older)
    fsync_directory(path.parent)
