"""Show the log of one process on the console as it grows, and the end of a log when something failed."""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from pathlib import Path
from typing import TextIO

_CHUNK_BYTES = 1 << 16
_ERROR = "error: "
# MindSpore 2.10 writes this line at any level of its log, twice a process, and it tells the user nothing.
_NOISE = re.compile(r"\[INFO\] DISTRIBUTED\(.*\] Event base dispatch success!\s*")


class Console:
    """Plain lines on stdout; lines of errors and of the launcher itself on stderr.

    A console that goes away does not end the job: nothing is shown any more, the logs go on.

    Args:
        log: The log to show from its beginning on.
    """

    def __init__(self, log: Path) -> None:
        self._path = log
        self._position = 0
        self._rest = b""
        self._shown_errors: set[str] = set()

    def pump(self, *, to_the_end: bool = False) -> None:
        """Show the lines that were added; ``to_the_end`` also one that is not complete."""
        while chunk := self._read():
            # Progress bars go back to the beginning of their line; a log has lines only.
            lines = (self._rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            self._rest = lines.pop()
            for line in lines:
                self._show(line)
        if to_the_end and self._rest:
            self._show(self._rest)
            self._rest = b""

    def say(self, text: str) -> None:
        """Show a line of the launcher."""
        _write(sys.stderr, text)

    def say_error(self, line: str) -> None:
        """Show a line that says what is wrong, unless it has been seen already."""
        if line not in self._shown_errors:
            self._shown_errors.add(line)
            self.say(line)

    def _show(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace")
        if _NOISE.fullmatch(text):
            return
        if text.startswith(_ERROR):
            self.say_error(text)
        else:
            _write(sys.stdout, text)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._position)
                chunk = stream.read(_CHUNK_BYTES)
        except OSError:
            return b""
        self._position += len(chunk)
        return chunk


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log, at most ``count``."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _CHUNK_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return list(deque(text.splitlines(), maxlen=count))


def error_lines(log: Path) -> list[str]:
    """Return the lines in which a command says what is wrong: from its last ``error:`` on."""
    lines = last_lines(log, _CHUNK_BYTES)
    starts = [number for number, line in enumerate(lines) if line.startswith(_ERROR)]
    return lines[starts[-1] :] if starts else []


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None or stream.closed:
        return
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except UnicodeEncodeError:
        _write(stream, text.encode("ascii", errors="backslashreplace").decode("ascii"))
    except OSError:
        # Nobody reads any more. The descriptor is given away, so that nothing fails when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
