"""Figures of merit on counts and numbers: small, exact and defined for every input.

Each function returns a ``Measure``: a finite value and, where the textbook formula has no value (no rows, constant
predictions, ...), a note that says what was put in its place. Nothing here returns NaN; scores that are not finite are
refused.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from src.common.errors import DataError


class Measure(NamedTuple):
    """A figure and, where it had to be defined by convention, the reason.

    Attributes:
        value: Finite value.
        note: Empty, or why the value is a convention.
    """

    value: float
    note: str = ""


class ClassCounts(NamedTuple):
    """Counts of one class and what follows from them; a ratio without a denominator is 0.

    Attributes:
        precision: Correct among the predicted.
        recall: Correct among the labelled.
        f1: Harmonic mean of the two.
        support: Labelled.
        predicted: Predicted.
    """

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def counts_of(correct: int, predicted: int, support: int) -> ClassCounts:
    """Return precision, recall and F1 of ``correct`` hits among ``predicted`` and ``support``."""
    return ClassCounts(
        correct / predicted if predicted else 0.0,
        correct / support if support else 0.0,
        2 * correct / (predicted + support) if predicted + support else 0.0,
        support,
        predicted,
    )


def _check_class_ids(ids: np.ndarray, name: str, num_classes: int) -> None:
    if ids.size and (ids.min() < 0 or ids.max() >= num_classes):
        bad = int(np.flatnonzero((ids < 0) | (ids >= num_classes))[0])
        raise DataError(
            f"{name} {int(ids[bad])} is outside 0..{num_classes - 1}", f"row {bad}", "check the list of labels"
        )


def confusion_matrix(predictions: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Count rows by label and prediction.

    Args:
        predictions: int [rows], class ids.
        labels: int [rows], class ids.
        num_classes: Number of classes C.

    Returns:
        int64 [C, C]; row: label, column: prediction.

    Raises:
        DataError: The lengths differ, or an id is not a class.
    """
    if predictions.shape != labels.shape:
        raise DataError(
            f"{predictions.size} predictions for {labels.size} labels", fix="score the file that was predicted"
        )
    _check_class_ids(labels, "label", num_classes)
    _check_class_ids(predictions, "prediction", num_classes)
    cells = labels.astype(np.int64) * num_classes + predictions.astype(np.int64)
    return np.bincount(cells, minlength=num_classes * num_classes).reshape(num_classes, num_classes)


def class_counts(confusion: np.ndarray) -> list[ClassCounts]:
    """Return precision, recall and F1 of each class of a confusion matrix int64 [C, C]."""
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return [counts_of(int(confusion[i, i]), int(predicted[i]), int(support[i])) for i in range(len(confusion))]


def accuracy(confusion: np.ndarray) -> Measure:
    """Return the share of rows on the diagonal; 0 without rows."""
    total = int(confusion.sum())
    if not total:
        return Measure(0.0, "no rows: accuracy is set to 0")
    return Measure(int(np.trace(confusion)) / total)


def binary_f1(confusion: np.ndarray) -> Measure:
    """Return F1 of class 1 of two; 0 where class 1 is neither labelled nor predicted."""
    positive = class_counts(confusion)[1]
    if not positive.support + positive.predicted:
        return Measure(0.0, "class 1 is neither labelled nor predicted: f1 is set to 0")
    return Measure(positive.f1)


def macro_f1(confusion: np.ndarray) -> Measure:
    """Return the mean F1 of the classes that are labelled or predicted, as scikit-learn does by default."""
    scores = [counts.f1 for counts in class_counts(confusion) if counts.support + counts.predicted]
    if not scores:
        return Measure(0.0, "no rows: macro_f1 is set to 0")
    return Measure(sum(scores) / len(scores))


def matthews_correlation(confusion: np.ndarray) -> Measure:
    """Return Matthews' correlation of C classes (Gorodkin 2004, R_K); 0 where labels or predictions are constant."""
    # Python integers: products of counts pass 2**63 for large files.
    predicted = [int(n) for n in confusion.sum(axis=0)]
    support = [int(n) for n in confusion.sum(axis=1)]
    total, correct = sum(support), int(np.trace(confusion))
    covariance = correct * total - sum(p * s for p, s in zip(predicted, support, strict=True))
    spread_predicted = total * total - sum(p * p for p in predicted)
    spread_support = total * total - sum(s * s for s in support)
    if not spread_predicted or not spread_support:
        which = "predictions" if not spread_predicted else "labels"
        return Measure(0.0, f"all {which} are one class ({total} rows): mcc is set to 0")
    return Measure(covariance / math.sqrt(spread_predicted * spread_support))


def _check_scores(predictions: np.ndarray, labels: np.ndarray) -> None:
    if predictions.shape != labels.shape or predictions.ndim != 1:
        raise DataError(
            f"predictions of shape {predictions.shape} for labels of shape {labels.shape}",
            fix="score the file that was predicted",
        )
    for values, which in ((predictions, "prediction"), (labels, "label")):
        if not np.all(np.isfinite(values)):
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"{which} {float(values[row])} is not a finite number", f"row {row}")


def _undefined_correlation(predictions: np.ndarray, labels: np.ndarray, name: str) -> str:
    """Return why a correlation has no value, or an empty string."""
    if len(labels) < 2:
        return f"{len(labels)} row(s): {name} needs two and is set to 0"
    for values, which in ((predictions, "predictions"), (labels, "labels")):
        if np.all(values == values[0]):
            return f"all {which} are {float(values[0]):g}: {name} is set to 0"
    return ""


def pearson(predictions: np.ndarray, labels: np.ndarray, name: str = "pearson") -> Measure:
    """Return Pearson's correlation of two float [rows]; 0 for fewer than two rows or a constant side."""
    _check_scores(predictions, labels)
    note = _undefined_correlation(predictions, labels, name)
    if note:
        return Measure(0.0, note)
    centred = [values.astype(np.float64) - values.astype(np.float64).mean() for values in (predictions, labels)]
    # Dividing by the largest deviation first keeps the squares of tiny numbers from vanishing.
    unit = [values / np.abs(values).max() for values in centred]
    unit = [values / np.linalg.norm(values) for values in unit]
    return Measure(float(np.clip(unit[0] @ unit[1], -1.0, 1.0)))


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks from 1 of float [rows] as float64; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    return (last_rank - (counts - 1) / 2)[inverse]


def spearman(predictions: np.ndarray, labels: np.ndarray) -> Measure:
    """Return Spearman's correlation: Pearson's on average ranks, which is right with ties too."""
    _check_scores(predictions, labels)
    note = _undefined_correlation(predictions, labels, "spearman_correlation")
    if note:
        return Measure(0.0, note)
    return pearson(average_ranks(predictions), average_ranks(labels))


def mean_squared_error(predictions: np.ndarray, labels: np.ndarray) -> Measure:
    """Return the mean squared difference of two float [rows]; 0 without rows."""
    _check_scores(predictions, labels)
    if not len(labels):
        return Measure(0.0, "no rows: mse is set to 0")
    difference = predictions.astype(np.float64) - labels.astype(np.float64)
    return Measure(float(np.mean(difference * difference)))
