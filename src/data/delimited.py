"""Read a user's own examples from .tsv, .csv or .jsonl by naming their columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError, DataError
from src.common.json_files import json_value
from src.data.examples import ExampleSplit, TextExample, shorten, with_label_presence
from src.data.text_file import read_text, read_text_lines

_INDEX = re.compile(r"-?[0-9]+")
# JSON can escape what is no text: tokenizers fail on it.
_NO_TEXT = re.compile("[\\x00\ud800-\udfff]")
_FEWEST_ROWS_TO_JUDGE = 4


@dataclass(frozen=True)
class Columns:
    """Where texts and label stand: names (of the header, or keys of JSON) or 0-based indices, negative from the end.

    Attributes:
        text_a: Column of the text.
        text_b: Column of the second text of a pair; ``None`` for single texts.
        label: Column of the label.
        header: Whether the first row names the columns; ``None``: it does unless all columns are given as indices.
    """

    text_a: str = "text_a"
    text_b: str | None = None
    label: str = "label"
    header: bool | None = None

    def has_header(self) -> bool:
        """Return whether the first row of a file names the columns."""
        if self.header is not None:
            return self.header
        return not all(_INDEX.fullmatch(column) for column in (self.text_a, self.text_b, self.label) if column)


def read_delimited(split: str, path: Path, columns: Columns) -> ExampleSplit:
    """Read one file; its suffix says its form.

    .tsv has no quoting (a quotation mark is a character like any other, as in GLUE), .csv is quoted as RFC 4180
    says, .jsonl holds one object a line.

    Raises:
        ConfigError: The suffix is none of the three.
        DataError: The file cannot be read, a column is missing, or a row is wrong.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataError("a folder stands where a file is needed", str(path), "give the path of a file")
    if suffix == ".jsonl":
        return with_label_presence(split, path, _json_examples(split, path, columns))
    if suffix not in (".tsv", ".csv"):
        raise ConfigError(
            f"files of type {suffix!r} are not known", str(path), "give .tsv, .csv or .jsonl (or CoNLL files with "
            "--task_kind token_classification)"
        )  # fmt: skip
    rows = _tsv_rows(path) if suffix == ".tsv" else _csv_rows(path)
    examples = _table_examples(split, path, columns, rows)
    if columns.header is None and not columns.has_header():
        _refuse_hidden_header(examples, path)
    return with_label_presence(split, path, examples)


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(read_text_lines(path), start=1):
        yield line, text.split("\t")


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which the row begins, cells): a quoted cell may hold line breaks."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"not valid CSV: {error}", f"{path}:{line}", "check the quotation marks") from error


def _table_examples(
    split: str, path: Path, columns: Columns, rows: Iterator[tuple[int, list[str]]]
) -> list[TextExample]:
    first = next(rows)
    width = len(first[1])
    header = [name.strip() for name in first[1]] if columns.has_header() else None
    text_a = _position(columns.text_a, header, width, path)
    text_b = None if columns.text_b is None else _position(columns.text_b, header, width, path)
    label = _label_position(split, columns.label, header, width, path)
    if label is not None and label in (text_a, text_b):
        if split != "test":
            raise DataError("text and label are in one column", f"{path}:1", "correct --label_column")
        # A test file without labels has one column less: the index of the label points at a text.
        label = None
    examples = []
    for line, cells in rows if header is not None else _chain(first, rows):
        if len(cells) != width:
            raise DataError(f"{len(cells)} columns where {width} are expected", f"{path}:{line}", "correct the row")
        second = None if text_b is None else cells[text_b]
        examples.append(TextExample(cells[text_a], second, None if label is None else cells[label].strip(), line))
    return examples


def _chain(first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rows


def _position(column: str, header: list[str] | None, width: int, path: Path) -> int:
    """Return the 0-based place of a column given by name or index; a name that looks like an index is a name first."""
    if header is not None and column in header:
        if header.count(column) > 1:
            raise DataError(f"the column {column!r} occurs twice in the header", f"{path}:1", "rename one of them")
        return header.index(column)
    if _INDEX.fullmatch(column) and -width <= int(column) < width:
        return int(column) % width
    names = f"the header has {shorten(header)}" if header is not None else f"the rows have {width} columns"
    raise DataError(
        f"no column {column!r}; {names}", f"{path}:1", "correct --text_a_column, --text_b_column, --label_column"
    )


def _label_position(split: str, column: str, header: list[str] | None, width: int, path: Path) -> int | None:
    try:
        return _position(column, header, width, path)
    except DataError:
        if split == "test":
            return None
        raise


def _refuse_hidden_header(examples: list[TextExample], path: Path) -> None:
    """Raise when the first row's label occurs nowhere else and all others repeat: it is a header read as data."""
    counts = Counter(example.label for example in examples)
    first = examples[0].label
    others = [count for label, count in counts.items() if label != first]
    if len(examples) < _FEWEST_ROWS_TO_JUDGE or not others or not first or counts[first] != 1 or min(others) < 2:
        return
    raise DataError(
        f"the label {first!r} occurs in the first row only: is that row a header?",
        f"{path}:1",
        "say --header true or --header false",
    )


def _json_examples(split: str, path: Path, columns: Columns) -> list[TextExample]:
    examples = []
    for line, text in enumerate(read_text_lines(path), start=1):
        where = f"{path}:{line}"
        row = _json_object(text, where)
        text_a = _json_text(row, columns.text_a, where)
        text_b = None if columns.text_b is None else _json_text(row, columns.text_b, where)
        if columns.label not in row and split != "test":
            raise DataError(f"no key {columns.label!r}; the row has {shorten(list(row))}", where, "see --label_column")
        examples.append(TextExample(text_a, text_b, _json_label(row.get(columns.label), where), line))
    return examples


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        row = json_value(text)
    except ValueError as error:
        raise DataError(f"not valid JSON: {error}", where, "write one JSON object a line") from error
    if not isinstance(row, dict):
        raise DataError(f"a JSON {type(row).__name__} where an object is expected", where, "write one object a line")
    return row


def _json_text(row: dict[str, Any], key: str, where: str) -> str:
    if key not in row:
        raise DataError(f"no key {key!r}; the row has {shorten(list(row))}", where, "see --text_a_column")
    if not isinstance(row[key], str):
        raise DataError(f"{key!r} is {json.dumps(row[key])[:40]}, not a text", where, "give a string")
    if _NO_TEXT.search(row[key]):
        raise DataError(f"{key!r} holds a NUL or half of a surrogate pair", where, "correct the escape sequences")
    return row[key]


def _json_label(value: Any, where: str) -> str | None:
    """Return a label as text: ``true`` and 1 are written as JSON writes them, ``null`` is no label."""
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        raise DataError(f"the label is {json.dumps(value)[:40]}", where, "give a string or a number")
    return value.strip() if isinstance(value, str) else json.dumps(value)
