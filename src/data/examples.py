"""Examples between their text file and their record file, and the way from label texts to label ids."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import DataError

CLASSIFICATION = "classification"
REGRESSION = "regression"
TOKEN_CLASSIFICATION = "token_classification"
SPLITS = ("train", "dev", "test")

OUTSIDE_TAG = "O"
_SHOWN_LABELS = 12
# Largest float32: records hold scores in that type.
_LARGEST_SCORE = 3.4028234e38
# More distinct labels than this share of the rows is a wrong column or a regression task, not a set of classes.
_LARGEST_LABEL_SHARE = 0.5
_FEWEST_ROWS_TO_JUDGE = 20


@dataclass(frozen=True)
class TextExample:
    """One text or pair of texts; ``label`` is the text of the file, ``None`` where the split has no labels."""

    text_a: str
    text_b: str | None
    label: str | None
    line: int


@dataclass(frozen=True)
class TokenExample:
    """One sentence as words with one tag each; ``line`` is that of its first word, the others follow it."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    line: int


@dataclass(frozen=True)
class ExampleSplit:
    """All examples of one file.

    Attributes:
        name: ``train``, ``dev`` or ``test``.
        source: The file they come from.
        examples: All of one type.
        has_labels: Whether every example carries a label.
        dropped: ``file:line: why`` of rows that the task's own format is known to spoil (QQP only).
    """

    name: str
    source: Path
    examples: Sequence[TextExample] | Sequence[TokenExample]
    has_labels: bool
    dropped: tuple[str, ...] = ()


def with_label_presence(name: str, source: Path, examples: Sequence[TextExample]) -> ExampleSplit:
    """Return the split of ``examples``; a test split may lack all labels, no split may lack some.

    Raises:
        DataError: There are no rows, or a label is missing.
    """
    if not examples:
        raise DataError("there are no rows below the header", str(source), "give a file with at least one example")
    if name == "test" and not any(example.label for example in examples):
        bare = [TextExample(example.text_a, example.text_b, None, example.line) for example in examples]
        return ExampleSplit(name, source, bare, has_labels=False)
    for example in examples:
        if not example.label:
            raise DataError("the label is missing", f"{source}:{example.line}", "every row of a split needs its label")
    return ExampleSplit(name, source, examples, has_labels=True)


def infer_labels(split: ExampleSplit) -> tuple[str, ...]:
    """Return the classes that occur in a labelled split, numbers by value, other texts by their characters.

    Raises:
        DataError: There is one class only, or so many that they cannot be classes.
    """
    counts = Counter(example.label for example in split.examples if isinstance(example, TextExample) and example.label)
    fix = "check --label_column, use --task_kind regression for scores, or name the classes with --labels"
    if len(counts) < 2:
        raise DataError(f"every row has the same label {next(iter(counts), '')!r}", str(split.source), fix)
    rows = len(split.examples)
    if rows >= _FEWEST_ROWS_TO_JUDGE and len(counts) > rows * _LARGEST_LABEL_SHARE:
        raise DataError(f"{len(counts)} different labels in {rows} rows", str(split.source), fix)
    return tuple(sorted(counts, key=_label_order))


def infer_tags(split: ExampleSplit) -> tuple[str, ...]:
    """Return the tags that occur in a split of sentences: ``O`` first, the others sorted."""
    tags = {
        tag
        for example in split.examples
        if isinstance(example, TokenExample) and example.tags is not None
        for tag in example.tags
    }
    return (OUTSIDE_TAG, *sorted(tags - {OUTSIDE_TAG}))


def class_encoder(labels: Sequence[str], source: Path, fix: str) -> Callable[[str, int], int]:
    """Return the function from (label, line) to the label's place in ``labels``; it raises ``DataError``."""
    ids = {label: index for index, label in enumerate(labels)}

    def encode(label: str, line: int) -> int:
        index = ids.get(label)
        if index is None:
            raise DataError(f"unknown label {label!r}, known are {shorten(labels)}", f"{source}:{line}", fix)
        return index

    return encode


def score_encoder(bounds: tuple[float, float] | None, source: Path) -> Callable[[str, int], float]:
    """Return the function from (label, line) to a finite score within ``bounds``; it raises ``DataError``."""

    def encode(label: str, line: int) -> float:
        where = f"{source}:{line}"
        try:
            score = float(label)
        except ValueError as error:
            raise DataError(
                f"the score {label!r} is not a number", where, "correct it; if this is the header say --header true"
            ) from error
        if not math.isfinite(score) or abs(score) > _LARGEST_SCORE:
            raise DataError(f"the score {label!r} is not finite, or too large", where, "give a number")
        if bounds and not bounds[0] <= score <= bounds[1]:
            raise DataError(f"the score {label} lies outside {bounds[0]:g}..{bounds[1]:g}", where, "correct it")
        return score

    return encode


def shorten(names: Sequence[str]) -> str:
    """Return the names in one line, the first dozen only."""
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN_LABELS else ""
    return ", ".join(repr(name) for name in names[:_SHOWN_LABELS]) + more


def _label_order(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
