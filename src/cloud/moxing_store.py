"""Object storage through MoXing, which the images of ModelArts hold: it knows the platform's keys and networks.

Written for the functions of ``moxing.file`` that its development guide lists: ``exists``, ``is_directory``,
``list_directory``, ``get_size``, ``copy_parallel``, ``read``, ``write``, ``remove``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from src.cloud.retry import Passing, with_retries
from src.cloud.secrets import without_secrets
from src.cloud.store import Store, StoredFile, Tick
from src.common.errors import StorageError
from src.common.storage_url import StorageUrl

Result = TypeVar("Result")

_FIX = "check the address, that bucket and job are in one region, and the permissions of the job"
_REFUSED = ("status=403", "status:403", "403", "AccessDenied", "NoSuchBucket", "status=404")


class MoxingStore(Store):
    """The objects below one address."""

    def __init__(self, url: StorageUrl) -> None:
        super().__init__(url)
        # Its name is known to MoXing as "s3" and "obs" alike.
        self._file: Any = importlib.import_module("moxing").file

    def list_files(self, below: str = "") -> list[StoredFile]:
        """Return all objects; MoXing names the folders too, which are left out."""
        start = str(self.url.child(below)) if below else str(self.url)
        if not self._call(lambda: self._file.exists(start), start):
            return []
        if not below and not self._call(lambda: self._file.is_directory(start), start):
            return [StoredFile(Path(self.url.path).name, self._size(start), "")]
        names = self._call(lambda: list(self._file.list_directory(start, recursive=True)), start)
        paths = sorted(f"{below}/{name}" if below else str(name) for name in names if not str(name).endswith("/"))
        # A folder that is listed without its slash is the beginning of another name.
        folders = {parent for path in paths for parent in _parents(path)}
        return [StoredFile(path, self._size(self._at(path)), "") for path in paths if path not in folders]

    def fetch(self, file: StoredFile, target: Path, tick: Tick) -> None:
        """Fetch an object and compare its size."""
        single = Path(self.url.path).name == file.name and not self._is_folder()
        place = str(self.url) if single else self._at(file.name)

        def attempt() -> None:
            self._file.copy_parallel(place, str(target))
            found = target.stat().st_size
            if found != file.size:
                what = f"{found} bytes arrived of {file.size}"
                raise Passing(StorageError(what, place, "start again when its upload is complete"))

        self._call(attempt, place)
        tick(file.size)

    def put(self, source: Path, name: str, digest: str, tick: Tick) -> None:
        """Store a file and compare its size; ``digest`` is kept by the caller."""
        place, size = self._at(name), source.stat().st_size

        def attempt() -> None:
            self._file.copy_parallel(str(source), place)
            if int(self._file.get_size(place)) != size:
                raise Passing(StorageError("the stored object has another size than the file", place, "try again"))

        self._call(attempt, place)
        tick(size)

    def read(self, name: str) -> bytes | None:
        """Return the content of a small object, ``None`` where there is none."""
        place = self._at(name)
        if not self._call(lambda: self._file.exists(place), place):
            return None
        return self._call(lambda: bytes(self._file.read(place, binary=True)), place)

    def write(self, name: str, content: bytes) -> None:
        """Store a small object."""
        place = self._at(name)
        self._call(lambda: self._file.write(place, content, binary=True), place)

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects."""
        for place in map(self._at, names):
            if self._call(lambda place=place: self._file.exists(place), place):  # type: ignore[misc]
                self._call(lambda place=place: self._file.remove(place), place)  # type: ignore[misc]

    def _at(self, name: str) -> str:
        return str(self.url.child(name))

    def _size(self, place: str) -> int:
        return int(self._call(lambda: self._file.get_size(place), place))

    def _is_folder(self) -> bool:
        return bool(self._call(lambda: self._file.is_directory(str(self.url)), str(self.url)))

    def _call(self, action: Callable[[], Result], place: str) -> Result:
        """Call MoXing, again where its failure may pass: it raises errors of every kind, and what it says varies."""

        def attempt() -> Result:
            try:
                return action()
            except (Passing, StorageError):
                raise
            except Exception as error:
                first = without_secrets((str(error).strip().splitlines() or [""])[0])[:200]
                told = StorageError(f"MoXing failed: {type(error).__name__}: {first}", place, _FIX)
                if isinstance(error, (PermissionError, FileNotFoundError)) or any(word in first for word in _REFUSED):
                    raise told from None
                raise Passing(told) from None

        return with_retries(attempt)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
