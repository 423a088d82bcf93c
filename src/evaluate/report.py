"""How a result is shown: the lines printed last, tables for people, and the content of the evaluation's JSON file."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from src.evaluate.metrics import ClassCounts, class_counts
from src.evaluate.scoring import ScoreResult
from src.evaluate.task_metrics import REGRESSION

# Wider matrices do not fit a terminal; the JSON file holds them in full.
MAX_TABLE_CLASSES = 12
_MAX_NAME_WIDTH = 20


def _lines_of(method: str, result: ScoreResult) -> list[str]:
    """Return the lines of one metric in the form that users of the documented repository know."""
    value = f"{result.figures[method]:.6f}"
    if method == "accuracy":
        return [f"acc_num {result.acc_num} , total_num {result.total_num}, accuracy {value}"]
    if method == "f1":
        precision, recall = result.figures["precision"], result.figures["recall"]
        return [f"Precision {precision:.6f}", f"Recall {recall:.6f}", f"F1 {value}"]
    titles = {
        "macro_f1": "Macro F1",
        "mcc": "MCC",
        "pearson": "Pearson Correlation is",
        "spearman_correlation": "Spearman Correlation is",
    }
    return [f"{titles[method]} {value}"]


def result_lines(result: ScoreResult) -> list[str]:
    """Return what is printed at the end of an evaluation; the main metric is the last line."""
    if not result.has_labels:
        return [f"total_num {result.rows}, no labels: nothing to compare with"]
    lines = [f"total_num {result.total_num}, mse {result.figures['mse']:.6f}"] if result.kind == REGRESSION else []
    others = [name for name in reversed(result.figures) if name not in (result.main, "precision", "recall", "mse")]
    for method in (*others, result.main):
        lines += _lines_of(method, result)
    return lines


def _width(text: str) -> int:
    """Return the columns that ``text`` takes in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _short(text: str) -> str:
    """Return ``text`` or its beginning, so that one long label does not widen the whole table."""
    return text if len(text) <= _MAX_NAME_WIDTH else text[: _MAX_NAME_WIDTH - 1] + "…"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns, the first to the left and the others to the right."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [" " * (width - _width(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0] + " " * (widths[0] - _width(row[0])), *cells]).rstrip())
    return "\n".join(lines)


def confusion_table(result: ScoreResult) -> str:
    """Return the confusion matrix as text, or an empty string where there is none or it is too wide."""
    if result.confusion is None or len(result.label_names) > MAX_TABLE_CLASSES:
        return ""
    names = [_short(name) for name in result.label_names]
    body = [[name, *map(str, counts)] for name, counts in zip(names, result.confusion.tolist(), strict=True)]
    return text_table([["label \\ predicted", *names], *body])


def _counts_by_name(result: ScoreResult) -> dict[str, ClassCounts]:
    """Return counts by entity type where there are entities, else by class."""
    if result.entities is not None:
        return result.entities.by_type
    if result.confusion is None:
        return {}
    return dict(zip(result.label_names, class_counts(result.confusion), strict=True))


def class_table(result: ScoreResult) -> str:
    """Return precision, recall and F1 by class (or entity type) as text; empty for regression."""
    counts = _counts_by_name(result)
    if not counts:
        return ""
    head = ["entity" if result.entities is not None else "class", "precision", "recall", "f1", "labelled", "predicted"]
    body = [
        [_short(name), f"{c.precision:.4f}", f"{c.recall:.4f}", f"{c.f1:.4f}", str(c.support), str(c.predicted)]
        for name, c in counts.items()
    ]
    return text_table([head, *body])


def report_content(result: ScoreResult) -> dict[str, Any]:
    """Return what goes into ``eval/*.json``: figures, counts, confusion matrix and figures by class, all plain JSON."""
    content: dict[str, Any] = {
        "kind": result.kind,
        "main_metric": result.main or None,
        "figures": dict(result.figures),
        "rows": result.rows,
        "total_num": result.total_num,
        "notes": list(result.notes),
    }
    if not result.has_labels or result.kind == REGRESSION:
        return content
    content["acc_num"] = result.acc_num
    if result.confusion is not None:
        content["labels"] = list(result.label_names)
        content["confusion_matrix"] = {"rows_are": "labels", "counts": result.confusion.tolist()}
        counts = class_counts(result.confusion)
        content["classes"] = {name: c._asdict() for name, c in zip(result.label_names, counts, strict=True)}
    if result.entities is not None:
        content["entities"] = {name: c._asdict() for name, c in result.entities.by_type.items()}
    return content
