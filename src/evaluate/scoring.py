"""From a model's outputs and the labels to the figures of a task: one way for training, ``--do_eval`` and Ascend 310.

Outputs are logits (float arrays) or class ids (integer arrays); class ids are taken as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from src.common.errors import DataError, TrainingError
from src.evaluate import metrics
from src.evaluate.entity_f1 import EntityScores, entity_f1, entity_scores
from src.evaluate.metrics import Measure
from src.evaluate.task_metrics import (
    REGRESSION,
    TOKEN_CLASSIFICATION,
    canonical_method,
    check_method,
)

LOGGER = logging.getLogger(__name__)

_OF_CONFUSION: dict[str, Callable[[np.ndarray], Measure]] = {
    "accuracy": metrics.accuracy,
    "f1": metrics.binary_f1,
    "macro_f1": metrics.macro_f1,
    "mcc": metrics.matthews_correlation,
}


@dataclass(frozen=True)
class ScoreResult:
    """What an evaluation found.

    Attributes:
        kind: Kind of the task.
        main: The metric that counts; empty when there were no labels.
        figures: Every figure by name, the main one first; empty when there were no labels.
        rows: Rows (sentences) that were predicted.
        total_num: Things that were scored: rows, or labelled words for token classification.
        acc_num: How many of them are right; 0 for regression.
        label_names: Names of the classes.
        confusion: int64 [C, C], row: label, column: prediction; ``None`` for regression or without labels.
        entities: Counts by entity type; ``None`` unless labels are entity tags.
        notes: Why a figure had to be defined by convention, and other things to know.
    """

    kind: str
    main: str
    figures: dict[str, float]
    rows: int
    total_num: int = 0
    acc_num: int = 0
    label_names: tuple[str, ...] = ()
    confusion: np.ndarray | None = None
    entities: EntityScores | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def has_labels(self) -> bool:
        """Whether there was something to compare with."""
        return bool(self.main)

    @property
    def value(self) -> float:
        """The main metric's value.

        Raises:
            DataError: The rows had no labels.
        """
        if not self.has_labels:
            raise DataError("the rows have no labels, so there is no metric", fix="evaluate a split with labels")
        return self.figures[self.main]


def check_finite(outputs: np.ndarray, first_row: int = 0) -> None:
    """Refuse outputs with NaN or infinity, whose largest entry would still look like a prediction.

    Args:
        outputs: Array whose first axis are rows; integer arrays pass.
        first_row: Number of the first row, for the message.

    Raises:
        TrainingError: Names the number of such rows and the first.
    """
    if outputs.dtype.kind != "f" or np.all(np.isfinite(outputs)):
        return
    bad = ~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1)
    raise TrainingError(
        f"the network's outputs are not finite in {int(bad.sum())} of {len(outputs)} rows",
        f"row {first_row + int(np.flatnonzero(bad)[0])}",
        "the weights have diverged: take an earlier checkpoint, lower the learning rate",
    )


def class_ids(outputs: np.ndarray, num_classes: int) -> np.ndarray:
    """Return class ids int [...] of logits float [..., C] or of ids int [...].

    Raises:
        DataError: The number of logits is not the number of labels.
        TrainingError: Logits are not finite.
    """
    if outputs.dtype.kind in "iu":
        return outputs
    if outputs.ndim < 2 and not outputs.size:
        return np.zeros(0, np.int64)
    if outputs.ndim < 2 or outputs.shape[-1] != num_classes:
        raise DataError(
            f"outputs of shape {outputs.shape} do not fit {num_classes} labels", fix="set num_class to the labels"
        )
    check_finite(outputs)
    return outputs.argmax(axis=-1)


def regression_scores(outputs: np.ndarray) -> np.ndarray:
    """Return float64 [rows] of outputs [rows] or [rows, 1].

    Raises:
        DataError: There is more than one output per row.
        TrainingError: Outputs are not finite.
    """
    if outputs.ndim > 1 and outputs.size != len(outputs):
        raise DataError(f"outputs of shape {outputs.shape}: regression has one per row", fix="set num_class to 1")
    check_finite(outputs)
    return outputs.reshape(-1).astype(np.float64)


def word_ids_of_rows(
    outputs: Sequence[np.ndarray], labels: Sequence[np.ndarray], num_classes: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pick predictions and labels at the positions that carry a label (one per word).

    Args:
        outputs: Rows of logits [T, C] or ids [T]; padding after the labels' length is not read.
        labels: Rows of label ids int [T], negative where there is none.
        num_classes: Number of labels C.

    Raises:
        DataError: Numbers of rows differ, or a row has fewer outputs than labels.
    """
    if len(outputs) != len(labels):
        raise DataError(f"{len(outputs)} rows of outputs for {len(labels)} rows of labels")
    predicted, expected = [], []
    for row, (output, label) in enumerate(zip(outputs, labels, strict=True)):
        if len(output) < len(label):
            raise DataError(f"{len(output)} outputs for {len(label)} labels", f"row {row}")
        used = output[: len(label)]
        check_finite(used[np.newaxis], row)
        keep = label >= 0
        predicted.append(class_ids(used, num_classes)[keep])
        expected.append(label[keep])
    return predicted, expected


def _constant_note(confusion: np.ndarray, label_names: Sequence[str]) -> list[str]:
    """Say so when every row got the same class although labels differ: the usual sign of failed training."""
    predicted = np.flatnonzero(confusion.sum(axis=0))
    if len(predicted) == 1 and np.count_nonzero(confusion.sum(axis=1)) > 1:
        return [f"all {int(confusion.sum())} predictions are the same class: '{label_names[predicted[0]]}'"]
    return []


def _score_classes(methods: Sequence[str], confusion: np.ndarray, names: Sequence[str]) -> tuple[dict, list[str]]:
    """Return figures and notes of metrics that follow from a confusion matrix."""
    figures, notes = {}, _constant_note(confusion, names)
    for method in methods:
        figures[method], note = _OF_CONFUSION[method](confusion)
        notes += [note] if note else []
        if method == "f1":
            positive = metrics.class_counts(confusion)[1]
            figures |= {"precision": positive.precision, "recall": positive.recall}
    return figures, notes


def _score_regression(methods: Sequence[str], outputs: np.ndarray, labels: np.ndarray) -> tuple[dict, list[str]]:
    """Return figures and notes of a regression; the mean squared error comes along."""
    scores, expected = regression_scores(outputs), regression_scores(labels)
    functions = {"pearson": metrics.pearson, "spearman_correlation": metrics.spearman}
    measures = {method: functions[method](scores, expected) for method in methods}
    measures["mse"] = metrics.mean_squared_error(scores, expected)
    return {name: m.value for name, m in measures.items()}, [m.note for m in measures.values() if m.note]


def _evaluate_tokens(
    methods: Sequence[str], outputs: Sequence[np.ndarray], labels: Sequence[np.ndarray], names: tuple[str, ...]
) -> ScoreResult:
    """Score words by accuracy and, where asked for, entities by F1."""
    predicted, expected = word_ids_of_rows(outputs, labels, len(names))
    nothing = np.zeros(0, np.int64)
    confusion = metrics.confusion_matrix(
        np.concatenate([nothing, *predicted]), np.concatenate([nothing, *expected]), len(names)
    )
    words, notes = _score_classes([m for m in methods if m != "f1"], confusion, names)
    entities, figures = None, {}
    if "f1" in methods:
        entities = entity_scores([[names[i] for i in r] for r in predicted], [[names[i] for i in r] for r in expected])
        words["f1"], note = entity_f1(entities)
        notes += [note] if note else []
        figures = {"precision": entities.overall.precision, "recall": entities.overall.recall}
    figures = {**{method: words[method] for method in methods}, **figures}
    return ScoreResult(
        TOKEN_CLASSIFICATION,
        methods[0],
        figures,
        len(labels),
        int(confusion.sum()),
        int(np.trace(confusion)),
        names,
        confusion,
        entities,
        tuple(notes),
    )


def _evaluate_rows(
    kind: str, methods: Sequence[str], outputs: np.ndarray, labels: np.ndarray, names: tuple[str, ...]
) -> ScoreResult:
    """Score one prediction per row: a class or a number."""
    if kind == REGRESSION:
        figures, notes = _score_regression(methods, outputs, labels)
        return ScoreResult(kind, methods[0], figures, len(labels), len(labels), notes=tuple(notes))
    confusion = metrics.confusion_matrix(class_ids(outputs, len(names)), labels.reshape(-1), len(names))
    figures, notes = _score_classes(methods, confusion, names)
    total, correct = int(confusion.sum()), int(np.trace(confusion))
    return ScoreResult(kind, methods[0], figures, total, total, correct, names, confusion, None, tuple(notes))


def evaluate_predictions(
    kind: str,
    methods: Sequence[str],
    outputs: Sequence[np.ndarray] | np.ndarray,
    labels: Sequence[np.ndarray] | np.ndarray | None,
    label_names: Sequence[str] = (),
    log_notes: bool = True,
) -> ScoreResult:
    """Score a model's outputs.

    Args:
        kind: classification, regression or token_classification.
        methods: Metrics in any spelling, the main one first (see ``metrics_for_task``).
        outputs: Classification: logits [rows, C] or ids [rows]. Regression: [rows] or [rows, 1]. Token
            classification: rows of logits [T, C] or ids [T]; a padded array [rows, T, C] does too.
        labels: Ids int [rows], float [rows], or rows of ids int [T] with negatives where there is no label;
            ``None`` where the split has none: the result then holds no figure.
        label_names: Names of the C classes; empty for regression.
        log_notes: Whether to log the result's notes as warnings.

    Raises:
        ConfigError: A metric does not fit the task.
        DataError: Outputs and labels do not fit each other.
        TrainingError: Outputs are not finite.
    """
    names = tuple(label_names)
    if labels is None:
        return ScoreResult(kind, "", {}, len(outputs), label_names=names)
    methods = list(dict.fromkeys(canonical_method(method) for method in methods))
    for method in methods:
        check_method(method, kind, names)
    if kind == TOKEN_CLASSIFICATION:
        result = _evaluate_tokens(methods, list(outputs), list(labels), names)
    else:
        result = _evaluate_rows(kind, methods, np.asarray(outputs), np.asarray(labels), names)
    for note in result.notes if log_notes else ():
        LOGGER.warning("evaluation: %s", note)
    return result
