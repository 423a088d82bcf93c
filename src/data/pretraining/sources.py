"""Find the text files of a corpus, and read their lines with errors that name file and line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import IO, cast

from src.common.errors import DataError

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_LINE_BYTES = 16 << 20


def find_text_files(names: Sequence[str]) -> list[Path]:
    """Return the files that names, folders and patterns stand for, each once, in alphabetical order for each name.

    Args:
        names: Files, folders (all files below them but hidden ones) and glob patterns (``**`` for any depth).

    Raises:
        DataError: One of them stands for no file, or a file is empty.
    """
    found: dict[Path, Path] = {}
    for name in names:
        files = _files_of(name)
        if not files:
            raise DataError("no file matches", name, "check --input; quote patterns, ** matches folders of any depth")
        for file in files:
            found.setdefault(file.resolve(), file)
    for file in found.values():
        if not size_of(file):
            raise DataError("the file is empty", str(file), "remove it, or fetch it again")
    return list(found.values())


def _files_of(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        inside = (file for file in path.rglob("*") if file.is_file())
        return sorted(file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts))
    if path.exists():
        return [path]
    return [Path(file) for file in sorted(glob(name, recursive=True)) if Path(file).is_file()]


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; raise ``DataError`` when it cannot be had."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror or error}", str(path)) from error


class LineReader:
    """Reads the lines of one text file, gzip-compressed or not (told apart by its first bytes).

    Args:
        path: The file.

    Attributes:
        number: Number of the line that was read last, from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._raw: IO[bytes] | None = None

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.number}"

    def position(self) -> int:
        """Return how many bytes of the file have been read, as they lie on the disk."""
        if self._raw is not None:
            return self._raw.tell()
        return size_of(self.path) if self.number else 0

    def lines(self) -> Iterator[tuple[str, int]]:
        """Yield each line, stripped, and the bytes it took.

        Raises:
            DataError: The file is not readable, damaged, not UTF-8, or no text.
        """
        try:
            with self.path.open("rb") as raw:
                self._raw = raw
                magic = raw.read(len(_GZIP_MAGIC))
                raw.seek(0)
                stream = gzip.GzipFile(fileobj=raw) if magic == _GZIP_MAGIC else raw
                for content in self._contents(cast(IO[bytes], stream)):
                    yield self._decoded(content), len(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            what = f"damaged gzip file after line {self.number}: {error}"
            raise DataError(what, str(self.path), "fetch it again") from error
        except OSError as error:
            raise DataError(f"cannot read the file: {error.strerror or error}", str(self.path)) from error
        finally:
            self._raw = None

    def _contents(self, stream: IO[bytes]) -> Iterator[bytes]:
        while content := stream.readline(_LONGEST_LINE_BYTES):
            self.number += 1
            if len(content) == _LONGEST_LINE_BYTES:
                what = f"no end of the line within {_LONGEST_LINE_BYTES >> 20} MB"
                raise DataError(what, self.place, "give a text file with a sentence or a paragraph a line")
            yield content.removeprefix(_BYTE_ORDER_MARK) if self.number == 1 else content

    def _decoded(self, content: bytes) -> str:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            what = f"not UTF-8 text: byte 0x{content[error.start]:02x}"
            raise DataError(what, self.place, "convert the file to UTF-8") from error
        if "\0" in text:
            raise DataError("NUL byte in the text", self.place, "the file is damaged or no text file")
        return text.strip()
