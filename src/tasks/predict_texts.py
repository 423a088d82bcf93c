"""Where ``predict.py`` takes its texts from: the command line, a file, a pipe, or a conversation on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from src.common.errors import DataError

# Of a text in an error message.
_SHOWN_CHARACTERS = 40
# An answer is one line with tabs between its columns, whatever the text holds.
_BREAKS = {ord(mark): " " for mark in "\t\n\r\v\f\x85\u2028\u2029"}


@dataclass(frozen=True)
class GivenText:
    """A text and where it stands, for errors: ``texts.txt:3``, or its first characters."""

    text: str
    where: str


def one_line(text: str) -> str:
    """Return a text without tabs and line breaks."""
    return text.translate(_BREAKS)


def given(text: str) -> GivenText:
    """Return a text of the command line or the terminal."""
    return GivenText(text, one_line(text[:_SHOWN_CHARACTERS]))


def texts_of_file(path: Path) -> Iterator[GivenText]:
    """Yield the lines of a file."""
    return _lines(path.read_bytes().splitlines(keepends=True), str(path))


def texts_of_pipe() -> Iterator[GivenText]:
    """Yield the lines of stdin."""
    return _lines(sys.stdin.buffer, "stdin")


def texts_of_terminal(request: str) -> Iterator[GivenText]:
    """Ask for texts on the terminal until end of input.

    Args:
        request: What to type.
    """
    print(f"{request}; Ctrl-D ends.", file=sys.stderr)
    while True:
        try:
            # The prompt goes to the terminal and not into a file that takes the answers.
            print("> ", end="", file=sys.stderr, flush=True)
            line = input()
        except EOFError:
            print(file=sys.stderr)
            return
        if line.strip():
            yield given(line)


def batches(texts: Iterator[GivenText], size: int) -> Iterator[Sequence[GivenText]]:
    """Yield lists of ``size`` texts; the last one may be shorter."""
    while batch := list(islice(texts, size)):
        yield batch


def _lines(stream: Iterable[bytes], source: str) -> Iterator[GivenText]:
    """Yield the texts of a file or a pipe; an empty line is refused, since answers are matched by line."""
    number = 0
    for number, raw in enumerate(stream, start=1):
        where = f"{source}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8", where, "convert the file to UTF-8") from error
        if not line.strip():
            raise DataError("the line is empty", where, "give one text a line")
        yield GivenText(line.rstrip("\r\n"), where)
    if number == 0:
        raise DataError("there is no text", source, "give one text a line")
