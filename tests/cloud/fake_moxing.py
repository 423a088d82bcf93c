"""A stand-in for MoXing on folders: ``obs://bucket/path`` lies in ``ROOT/bucket/path``."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace


class FakeFile:
    """The functions of ``moxing.file`` that are used.

    Attributes:
        root: Folder of the buckets.
        failures: Errors that the next calls raise.
        calls: Names of the functions called.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.failures: list[Exception] = []
        self.calls: list[str] = []

    def _path(self, url: str) -> Path:
        for scheme in ("obs://", "s3://"):
            if url.startswith(scheme):
                return self.root / url.removeprefix(scheme)
        return Path(url)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.failures:
            raise self.failures.pop(0)

    def exists(self, url: str) -> bool:
        self._called("exists")
        return self._path(url).exists()

    def is_directory(self, url: str) -> bool:
        self._called("is_directory")
        return self._path(url).is_dir()

    def list_directory(self, url: str, recursive: bool = False) -> list[str]:
        self._called("list_directory")
        base = self._path(url)
        return [str(path.relative_to(base)) for path in base.rglob("*")]

    def get_size(self, url: str) -> int:
        self._called("get_size")
        return self._path(url).stat().st_size

    def copy_parallel(self, source: str, target: str) -> None:
        self._called("copy_parallel")
        self._path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._path(source), self._path(target))

    def read(self, url: str, binary: bool = False) -> bytes | str:
        self._called("read")
        return self._path(url).read_bytes() if binary else self._path(url).read_text()

    def write(self, url: str, content: bytes, binary: bool = False) -> None:
        self._called("write")
        self._path(url).parent.mkdir(parents=True, exist_ok=True)
        self._path(url).write_bytes(content)

    def remove(self, url: str, recursive: bool = False) -> None:
        self._called("remove")
        self._path(url).unlink()


def module(root: Path) -> SimpleNamespace:
    return SimpleNamespace(file=FakeFile(root))
