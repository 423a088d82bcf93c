"""Where ``predict.py`` takes its texts from: the command line, a file, a pipe, or a conversation on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from src.common.errors import DataError

_Item = TypeVar("_Item")
# Of a text in an error message.
_SHOWN_CHARACTERS = 40
# An answer is one line with tabs between its columns, whatever the text holds.
_BREAKS = {ord(mark): " " for mark in "\t\n\r\v\f\x85\u2028\u2029"}


@dataclass(frozen=True)
class GivenText:
    """A text, or a pair of texts.

    Attributes:
        text: The text.
        where: Where it stands, for errors: ``texts.txt:3``, or its first characters.
        text_b: The second text of a pair.
        id: The name that a record gave to it; ``None`` for none.
    """

    text: str
    where: str
    text_b: str | None = None
    id: str | int | None = None

    def texts(self) -> dict[str, str]:
        """Return the texts as an answer repeats them."""
        return {"text": self.text} | ({} if self.text_b is None else {"text_b": self.text_b})


def one_line(text: str) -> str:
    """Return a text without tabs and line breaks."""
    return text.translate(_BREAKS)


def given(text: str) -> GivenText:
    """Return a text of the command line or the terminal."""
    return GivenText(text, one_line(text[:_SHOWN_CHARACTERS]))


def pair_of(line: GivenText) -> GivenText:
    """Return the text, or the two texts parted by a TAB, of a line.

    Raises:
        DataError: There are more, or one of them is blank.
    """
    if line.text.count("\t") > 1 or not all(text.strip() for text in line.text.split("\t")):
        raise DataError("neither a text nor two with a TAB between", line.where, "correct the line")
    first, tab, second = line.text.partition("\t")
    return replace(line, text=first, text_b=second if tab else None)


def texts_of_file(path: Path, kind: str = "text") -> Iterator[GivenText]:
    """Yield the lines of a file; messages call what stands on a line ``kind``."""
    return _lines(path.read_bytes().splitlines(keepends=True), str(path), kind)


def texts_of_pipe(kind: str = "text") -> Iterator[GivenText]:
    """Yield the lines of stdin; messages call what stands on a line ``kind``."""
    return _lines(sys.stdin.buffer, "stdin", kind)


def ask(prompt: str) -> str | None:
    """Return a line that is typed on the terminal, ``None`` at the end of input.

    Raises:
        DataError: The terminal sends another encoding.
    """
    try:
        # The prompt goes to the terminal and not into a file that takes the answers.
        print(prompt, end="", file=sys.stderr, flush=True)
        return input()
    except EOFError:
        print(file=sys.stderr)
        return None
    except UnicodeDecodeError as error:
        raise DataError(f"not {error.encoding}", "terminal", "set the terminal to UTF-8") from error


def texts_of_terminal(request: str) -> Iterator[GivenText]:
    """Ask for texts on the terminal until end of input.

    Args:
        request: What to type.
    """
    print(f"{request}; Ctrl-D ends.", file=sys.stderr)
    while (line := ask("> ")) is not None:
        if line.strip():
            yield given(line)


def batches(items: Iterator[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """Yield lists of ``size`` items; the last one may be shorter."""
    while batch := list(islice(items, size)):
        yield batch


def _lines(stream: Iterable[bytes], source: str, kind: str) -> Iterator[GivenText]:
    """Yield the texts of a file or a pipe; an empty line is refused, since answers are matched by line."""
    number = 0
    for number, raw in enumerate(stream, start=1):
        where = f"{source}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8", where, "convert the file to UTF-8") from error
        if not line.strip():
            raise DataError("the line is empty", where, f"give one {kind} a line")
        yield GivenText(line.rstrip("\r\n"), where)
    if number == 0:
        raise DataError(f"there is no {kind}", source, f"give one {kind} a line")
