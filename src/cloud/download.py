"""Bring the files of a storage into a folder of this machine: whole files, checked, none of them twice."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from src.cloud.archive import clean_leftovers, unpack
from src.cloud.names import clashing_names, safe_name
from src.cloud.progress import Progress, shown_bytes
from src.cloud.store import Store, StoredFile
from src.common.errors import DataError, OutputError, StorageError
from src.common.files import atomic_path, make_directory, write_json_atomic
from src.common.json_files import object_or_empty

logger = logging.getLogger(__name__)

_FILES_AT_ONCE = 4
_RESERVE_BYTES = 64 << 20


def record_path(folder: Path) -> Path:
    """Return the file beside a folder that says what has been brought there."""
    return folder.with_name(f"{folder.name}.fetched.json")


def download(store: Store, folder: Path, alive: Callable[[], None]) -> None:
    """Make ``folder`` hold every file of ``store``, with zip files unpacked where they lie.

    What an earlier start has brought and nobody changed since is not fetched again.

    Raises:
        StorageError: The storage fails or holds nothing.
        DataError: A name leads out of the folder or is that of a file and a folder, or a zip file is damaged.
        OutputError: The disk is full or cannot be written.
    """
    files = store.list_files()
    if not files:
        raise StorageError("there are no files", str(store.url), "check the path and what was uploaded to it")
    for file in files:
        safe_name(file.name, str(store.url))
    if clash := clashing_names(file.name for file in files):
        what = f"{clash[0]!r} is a file and, in {clash[1]!r}, a folder, which no disk can hold"
        raise DataError(what, str(store.url), "rename or remove one of them")
    make_directory(folder)
    record = _Record(record_path(folder), store, files)
    if record.is_complete(folder):
        logger.info("%s holds %d files of %s already", folder, len(files), store.url)
        return
    clean_leftovers(folder)
    missing = [file for file in files if not record.has(file, folder)]
    record.claim(folder, missing)
    fetch_files(store, missing, folder, alive, record.add)
    record.finish(folder, _unpack_all(files, folder, alive))


def fetch_files(
    store: Store,
    files: list[StoredFile],
    folder: Path,
    alive: Callable[[], None],
    done: Callable[[StoredFile], None] = lambda file: None,
) -> None:
    """Fetch files into a folder, several at once; ``done`` is told of each when it is whole.

    Raises:
        AlbertError: The first failure; files that are whole stay.
    """
    size, free = sum(file.size for file in files), shutil.disk_usage(folder).free
    if size > free - _RESERVE_BYTES:
        what = f"{store.url} needs {shown_bytes(size)}, {shown_bytes(free)} are free"
        raise OutputError(what, str(folder), "choose a larger disk, or another folder")
    progress = Progress(f"download of {store.url}", len(files), size, alive)

    def fetch(file: StoredFile) -> StoredFile:
        with atomic_path(folder / file.name) as temporary:
            store.fetch(file, temporary, progress.add)
        progress.file_done()
        return file

    with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
        work = [threads.submit(fetch, file) for file in files]
        try:
            for item in work:
                done(item.result())
        except BaseException:
            progress.cancel()
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    progress.finish()


def _unpack_all(files: Iterable[StoredFile], folder: Path, alive: Callable[[], None]) -> list[Path]:
    """Unpack every zip file beside itself and remove it; return what came out."""
    unpacked: list[Path] = []
    for file in files:
        path = folder / file.name
        if path.suffix.lower() == ".zip" and path.exists():
            found = unpack(path, path.parent, lambda count: alive())
            logger.info("unpacked %s: %d files", path, len(found))
            unpacked += found
            path.unlink()
    return unpacked


class _Record:
    """What lies in a folder, and the listing that it came from.

    Args:
        path: The record's file.
        store: Where the files come from.
        files: Its listing now.
    """

    def __init__(self, path: Path, store: Store, files: list[StoredFile]) -> None:
        self._path = path
        self._url = str(store.url)
        self._listing = {file.name: [file.size, file.mark] for file in files}
        self._before = object_or_empty(self._path)
        self._fetched: dict[str, Any] = {}

    def is_complete(self, folder: Path) -> bool:
        """Tell whether all that the listing names was brought, unpacked, and is still there."""
        before = self._before
        if before.get("url") != self._url or before.get("fetched") != self._listing or "local" not in before:
            return False
        return all(_has_size(folder / name, size) for name, size in before["local"].items())

    def has(self, file: StoredFile, folder: Path) -> bool:
        """Tell whether a file was brought in its present form; without a mark that cannot be told."""
        same = self._before.get("fetched", {}).get(file.name) == [file.size, file.mark] and bool(file.mark)
        if same and self._before.get("url") == self._url and _has_size(folder / file.name, file.size):
            self._fetched[file.name] = [file.size, file.mark]
            return True
        return False

    def claim(self, folder: Path, missing: list[StoredFile]) -> None:
        """Remove what an earlier start has brought and the storage does not hold any more.

        Raises:
            OutputError: A file that nobody brought stands where one should go.
        """
        before = self._before
        ours = {*before.get("names", ()), *before.get("fetched", {}), *before.get("local", {})}
        foreign = next((file.name for file in missing if file.name not in ours and (folder / file.name).exists()), None)
        if foreign is not None:
            what = f"{foreign} is there already and was not brought here"
            raise OutputError(what, str(folder), "choose an empty folder, or move the file away")
        for name in ours - set(self._fetched):
            (folder / safe_name(name, str(self._path))).unlink(missing_ok=True)
        self._save({})

    def add(self, file: StoredFile) -> None:
        """Note a file that is whole now."""
        self._fetched[file.name] = [file.size, file.mark]
        if len(self._fetched) % 50 == 0 or file.size > _RESERVE_BYTES:
            self._save({})

    def finish(self, folder: Path, unpacked: list[Path]) -> None:
        """Note that all is there."""
        paths = [path for path in (folder / name for name in self._listing) if path.exists()] + unpacked
        local = {os.path.relpath(path, folder): path.stat().st_size for path in paths}
        self._fetched = self._listing
        self._save({"local": local})

    def _save(self, more: dict[str, Any]) -> None:
        content = {"url": self._url, "names": sorted(self._listing), "fetched": self._fetched, **more}
        write_json_atomic(self._path, content)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
