"""A folder as storage: a disk that several machines see, or one that the platform fills and empties by itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.cloud.store import Store, StoredFile, Tick
from src.common.errors import StorageError
from src.common.files import atomic_path

_CHUNK_BYTES = 1 << 20


class FolderStore(Store):
    """The files of a folder."""

    @property
    def _root(self) -> Path:
        return Path(self.url.path)

    def list_files(self, below: str = "") -> list[StoredFile]:
        """Return all files but those that another process is still writing."""
        with self._errors():
            if self._root.is_file():
                return [self._described(self._root, self._root.name)]
            start = self._root / below
            found = [
                self._described(Path(folder) / name, os.path.relpath(os.path.join(folder, name), self._root))
                for folder, _, names in os.walk(start)
                for name in names
                if not (name.startswith(".") and name.endswith(".tmp"))
            ]
        return sorted(found, key=lambda file: file.name)

    def fetch(self, file: StoredFile, target: Path, tick: Tick) -> None:
        """Link the file where both lie on one disk, else copy it."""
        source = self._root if self._root.is_file() else self._root / file.name
        with self._errors():
            target.unlink(missing_ok=True)
            try:
                os.link(source.resolve(), target)
                tick(file.size)
            except OSError:
                self._copy(source, target, tick)
            if target.stat().st_size != file.size:
                raise StorageError("the file changed while it was fetched", str(source), "start again when it is whole")

    def put(self, source: Path, name: str, digest: str, tick: Tick) -> None:
        """Copy a file; ``digest`` is kept by the caller."""
        with atomic_path(self._root / name) as temporary:
            self._copy(source, temporary, tick)

    def read(self, name: str) -> bytes | None:
        """Return the content of a small file, ``None`` where there is none."""
        with self._errors():
            try:
                return (self._root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        with atomic_path(self._root / name) as temporary:
            temporary.write_bytes(content)

    def remove(self, names: Sequence[str]) -> None:
        """Remove files."""
        with self._errors():
            for name in names:
                (self._root / name).unlink(missing_ok=True)

    @staticmethod
    def _described(path: Path, name: str) -> StoredFile:
        state = path.stat()
        return StoredFile(name, state.st_size, str(state.st_mtime_ns))

    @staticmethod
    def _copy(source: Path, target: Path, tick: Tick) -> None:
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(_CHUNK_BYTES):
                writer.write(chunk)
                tick(len(chunk))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Name the storage in what goes wrong with it; a full disk of this machine keeps its own words."""
        try:
            yield
        except OSError as error:
            if error.errno is None or error.filename is None:
                raise
            what = f"cannot be used: {error.strerror}"
            raise StorageError(what, os.fsdecode(error.filename), "check the path and its permissions") from error
