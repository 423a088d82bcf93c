"""Score the outputs of a classification, regression or token classification network, wherever they were computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.data.table import FinetuneTable
from src.evaluate.report import class_table, confusion_table, report_content, result_lines
from src.evaluate.scoring import evaluate_predictions
from src.tasks.base import Score
from src.tasks.inference import Outputs, labels_of, sentences_of


def score_rows(
    table: FinetuneTable,
    outputs: Outputs,
    labels: tuple[str, ...],
    methods: Sequence[str],
    *,
    log_notes: bool = True,
) -> Score:
    """Return the figures of outputs, the tables for people and the lines that scripts look for.

    Args:
        table: The rows; they have labels.
        outputs: Logits of some or all of them.
        labels: Class names in the order of their ids; empty for regression.
        methods: Metrics, the one that decides first.
        log_notes: Whether what is odd about the outputs goes to the log.

    Raises:
        ConfigError: A metric does not fit the task.
        DataError: Outputs and labels do not fit each other.
        TrainingError: Outputs are not finite.
    """
    values, expected = outputs.values, labels_of(table, outputs.rows)
    if table.kind == "token_classification":
        # An entity may cross the end of a record.
        sentences = sentences_of(table, outputs.rows)
        values, expected = _joined(values, sentences), _joined(expected, sentences)
    result = evaluate_predictions(table.kind, methods, values, expected, labels, log_notes=log_notes)
    tables = [text for text in (confusion_table(result), class_table(result)) if text]
    lines = (*tables, *result_lines(result))
    return Score(result.main, result.value, dict(result.figures), report_content(result), lines)


def _joined(rows: Sequence[np.ndarray] | np.ndarray, sentences: list[list[int]]) -> list[np.ndarray]:
    """Return one array a sentence: those of its rows, one after the other."""
    return [np.concatenate([rows[place] for place in places]) for places in sentences]
