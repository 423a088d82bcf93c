"""What a run of the contest says, on the screen while it runs and as a page at its end."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from src.common.errors import OutputError
from src.common.files import write_text_atomic

# Options whose values are places on this machine, and those that a reader of the page does not need.
_PLACES = ("--glue_dir", "--squad_json", "--text_file", "--spm_model_file")
_OWN = {"--peer_python": 2, "--output": 2, "--overwrite": 1}


class Page:
    """Lines that are printed at once and kept."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Print and keep lines."""
        self._lines += lines
        print("\n".join(lines), flush=True)

    def section(self, title: str, *about: str) -> None:
        """Begin a section with a sentence or more about it."""
        self.add("", f"## {title}", *(("", *about) if about else ()))

    def block(self, lines: Iterable[str]) -> None:
        """Add lines as they are."""
        self.add("", "```text", *lines, "```")

    def head(self, columns: Sequence[str]) -> None:
        """Begin a table."""
        self.add("", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns))

    def row(self, cells: Sequence[str]) -> None:
        """Add a row."""
        self.add(f"| {' | '.join(cells)} |")

    def text(self, argv: Sequence[str]) -> str:
        """Return the page as markdown.

        Args:
            argv: Arguments of the command, for the reader who wants to repeat it.
        """
        shown, files = shown_arguments(argv)
        date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        about = [f"# Beside Hugging Face transformers on PyTorch, {date}", ""]
        if files:
            about += [f"<!-- your files: {' '.join(files)} -->", ""]
        command = " ".join(["python -m benchmarks.contest", *map(shlex.quote, shown)])
        explained = "What each part compares and how to read it: [benchmarks](../benchmarks.md)."
        return "\n".join([*about, "```bash", command, "```", "", explained, *self._lines, ""])


def shown_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return arguments without what belongs to this machine, and the names of the files in them."""
    shown: list[str] = []
    files: list[str] = []
    words = iter([part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])])
    for word in words:
        if word in _OWN:
            for _ in range(_OWN[word] - 1):
                next(words, None)
            continue
        shown.append(word)
        if word in _PLACES:
            name = Path(next(words, "")).resolve().name
            shown.append(name)
            files.append(name)
    return shown, list(dict.fromkeys(files))


def check_output(path: Path, overwrite: bool) -> None:
    """Raise ``OutputError`` where a page cannot be written, before hours are spent."""
    if path.is_dir() or (path.exists() and not overwrite):
        fix = "name a file" if path.is_dir() else "choose another name, or say --overwrite"
        raise OutputError("it exists already", str(path), fix)
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError("the folder of the page is not there or cannot be written", str(folder), "name another")


def write_page(path: Path, page: Page, argv: Sequence[str]) -> None:
    """Write the page; raise ``OutputError`` where that fails."""
    write_text_atomic(path, page.text(argv))
