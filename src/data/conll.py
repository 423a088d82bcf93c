"""Read sentences with one word and its tag a line (CoNLL form), for token classification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from src.common.errors import ConfigError, DataError
from src.data.examples import ExampleSplit, TokenExample
from src.data.text_file import read_text_lines

_DOCUMENT_START = "-DOCSTART-"
# Only space and tab part columns: words of real text contain no-break spaces and the like.
_BLANKS = re.compile(r"[ \t]+")


def read_conll(split: str, path: Path, word_column: str = "0", tag_column: str = "-1") -> ExampleSplit:
    """Read one file: columns parted by tabs or blanks, a blank line between sentences.

    ``-DOCSTART-`` lines are skipped. A test file with the words alone has no labels.

    Args:
        split: ``train``, ``dev`` or ``test``.
        path: The file.
        word_column: 0-based column of the word; negative counts from the end.
        tag_column: 0-based column of the tag; negative counts from the end.

    Raises:
        ConfigError: A column is not a number.
        DataError: The file cannot be read, the rows differ in their number of columns, or a column is missing.
    """
    lines = read_text_lines(path)
    columns: int | None = None
    has_tags = True
    word_index = tag_index = 0
    sentences: list[TokenExample] = []
    for first_line, rows in _sentences(lines):
        if columns is None:
            columns = len(rows[0])
            has_tags = columns > 1 or split != "test"
            word_index = _index(word_column, columns, f"{path}:{first_line}", "--word_column")
            tag_index = _index(tag_column, columns, f"{path}:{first_line}", "--tag_column") if has_tags else 0
            if has_tags and word_index == tag_index:
                raise DataError("the word and its tag are in one column", f"{path}:{first_line}", "add the tags")
        _check_rows(rows, columns, path, first_line, (word_index, tag_index))
        words = tuple(row[word_index] for row in rows)
        sentences.append(TokenExample(words, tuple(row[tag_index] for row in rows) if has_tags else None, first_line))
    if not sentences:
        raise DataError("there are no sentences", str(path), "give a file with at least one example")
    return ExampleSplit(split, path, sentences, has_tags)


def _sentences(lines: list[str]) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield (line of the first word, rows of columns) of every sentence."""
    rows: list[list[str]] = []
    for number, text in enumerate([*lines, ""], start=1):
        if text.strip(" \t") and not text.startswith(_DOCUMENT_START):
            rows.append(text.split("\t") if "\t" in text else _BLANKS.split(text.strip(" ")))
        elif rows:
            yield number - len(rows), rows
            rows = []


def _check_rows(rows: list[list[str]], columns: int, path: Path, first_line: int, used: tuple[int, int]) -> None:
    for line, row in enumerate(rows, start=first_line):
        if len(row) != columns:
            raise DataError(
                f"{len(row)} columns where {columns} are expected", f"{path}:{line}", "give every word its tag"
            )
        if not all(row[index].strip() for index in used):
            raise DataError("the word or its tag is empty", f"{path}:{line}", "give every word its tag")


def _index(column: str, columns: int, where: str, option: str) -> int:
    try:
        index = int(column)
    except ValueError as error:
        raise ConfigError(f"{option} {column!r} is not a number", fix="columns of CoNLL files have no names") from error
    if not -columns <= index < columns:
        raise DataError(f"there is no column {index}, the row has {columns}", where, f"correct {option}")
    return index % columns
