"""Tell the user how far a conversion is and what came out of it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from src.data.convert import SplitStatistics
from src.data.examples import ExampleSplit

_LINE_INTERVAL_S = 10.0
_SHOWN_DROPPED = 5
_SHOWN_LABELS = 40
_MOST_LABELS_IN_ROW = 4


@contextlib.contextmanager
def progress(what: str, total: int, unit: str = "row") -> Iterator[Callable[[int], None]]:
    """Give a function to be told of every finished example: a bar on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty():
        # Imported here: where there is no terminal it is not needed.
        from tqdm import tqdm

        # Terminals of some containers say they are 0 by 0 large; left to itself tqdm would show nothing there.
        width, height = shutil.get_terminal_size()
        with tqdm(total=total, desc=what, unit=unit, leave=False, ncols=width, nrows=height) as bar:
            yield bar.update
        return
    done = 0
    started = told = time.monotonic()

    def update(count: int) -> None:
        nonlocal done, told
        done += count
        now = time.monotonic()
        if now - told >= _LINE_INTERVAL_S:
            told = now
            left_s = (total - done) * (now - started) / done
            print(f"{what}: {done}/{total} {unit}s, about {left_s:.0f} s left", file=sys.stderr, flush=True)

    yield update


def finished_line(path: Path, rows: int, elapsed_s: float, size_bytes: int) -> str:
    """Return the line about a file that is written."""
    speed = rows / max(elapsed_s, 1e-9)
    return f"{path}: {rows} rows, {size_bytes / 1e6:.1f} MB, {elapsed_s:.1f} s, {speed:.0f} rows/s"


def summary_lines(results: Sequence[tuple[ExampleSplit, SplitStatistics]]) -> list[str]:
    """Return the table of all splits, and below it what the user should know."""
    many = any(len(figures.labels) > _MOST_LABELS_IN_ROW for _, figures in results)
    table = [("split", "rows", "truncated", "mean", "95 %", "longest", "labels")]
    for split, figures in results:
        mean, high, longest = figures.length_figures()
        labels = f"{len(figures.labels)}, see below" if many and figures.labels else _label_text(figures)
        numbers = (str(figures.rows), str(figures.truncated), f"{mean:.1f}", str(high), str(longest))
        table.append((split.name, *numbers, labels))
    lines = aligned(table)
    if many:
        lines.extend(["", *_label_table(results)])
    for split, figures in results:
        lines.extend(_notes(split, figures))
    return lines


def aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows with their columns aligned: the first and the last to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for first, *numbers, last in table:
        cells = [f"{text:>{width}}" for text, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells, last]).rstrip())
    return lines


def _label_text(figures: SplitStatistics) -> str:
    if figures.scores is not None:
        low, mean, high = figures.scores
        return f"{low:g} to {high:g}, mean {mean:.3f}"
    if not figures.labels:
        return "none"
    return ", ".join(f"{name}: {_with_share(figures, name)}" for name in figures.labels)


def _label_table(results: Sequence[tuple[ExampleSplit, SplitStatistics]]) -> list[str]:
    """Return a line for each label with its count in every labelled split."""
    labelled = [(split.name, figures) for split, figures in results if figures.labels]
    names = list(labelled[0][1].labels)
    table: list[tuple[str, ...]] = [("label", *(name for name, _ in labelled), "")]
    table.extend((name, *(_with_share(figures, name) for _, figures in labelled), "") for name in names[:_SHOWN_LABELS])
    more = [f"... {len(names)} labels in all"] if len(names) > _SHOWN_LABELS else []
    return [*aligned(table), *more]


def _with_share(figures: SplitStatistics, label: str) -> str:
    count = figures.labels[label]
    return f"{count} ({100 * count / max(sum(figures.labels.values()), 1):.1f} %)"


def _notes(split: ExampleSplit, figures: SplitStatistics) -> list[str]:
    notes = []
    if split.dropped:
        notes.append(f"{split.name}: left out {len(split.dropped)} of the rows that the official file holds cut short:")
        notes.extend(f"  {where}" for where in split.dropped[:_SHOWN_DROPPED])
        if len(split.dropped) > _SHOWN_DROPPED:
            notes.append(f"  ... and {len(split.dropped) - _SHOWN_DROPPED} more")
    if figures.empty_texts:
        notes.append(f"{split.name}: {figures.empty_texts} rows have a text without any token")
    if figures.split_sentences:
        notes.append(
            f"{split.name}: {figures.split_sentences} of {figures.examples} sentences are longer than a record and "
            "became several; every word is in one of them"
        )
    unused = [name for name, count in figures.labels.items() if not count]
    if unused and split.name == "train":
        notes.append(f"{split.name}: no row has the label {', '.join(unused[:_SHOWN_LABELS])}")
    return notes
