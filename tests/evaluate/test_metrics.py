from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as peer

from src.common.errors import DataError
from src.evaluate import metrics


def random_classes(seed: int, classes: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, rows)
    predictions = np.where(generator.random(rows) < 0.6, labels, generator.integers(0, classes, rows))
    return predictions, labels


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_class_metrics_equal_scikit_learn(classes: int, seed: int) -> None:
    predictions, labels = random_classes(seed, classes)
    confusion = metrics.confusion_matrix(predictions, labels, classes)
    assert np.array_equal(confusion, peer.confusion_matrix(labels, predictions, labels=range(classes)))
    assert metrics.accuracy(confusion).value == pytest.approx(peer.accuracy_score(labels, predictions), abs=1e-12)
    expected = peer.f1_score(labels, predictions, average="macro")
    assert metrics.macro_f1(confusion).value == pytest.approx(expected, abs=1e-12)
    expected = peer.matthews_corrcoef(labels, predictions)
    assert metrics.matthews_correlation(confusion).value == pytest.approx(expected, abs=1e-12)
    table = np.array(peer.precision_recall_fscore_support(labels, predictions, labels=range(classes)))
    ours = np.array([row[:4] for row in metrics.class_counts(confusion)]).T
    assert np.allclose(ours, table, atol=1e-12)
    if classes == 2:
        assert metrics.binary_f1(confusion).value == pytest.approx(peer.f1_score(labels, predictions), abs=1e-12)


def test_a_wrong_class_other_than_0_is_no_hit() -> None:
    # The old repository counted any prediction other than 0 on any label other than 0 as found.
    confusion = metrics.confusion_matrix(np.array([1, 2]), np.array([2, 1]), 3)
    assert metrics.macro_f1(confusion).value == 0.0


def test_macro_f1_leaves_out_a_class_that_never_occurs() -> None:
    confusion = metrics.confusion_matrix(np.array([0, 1]), np.array([0, 1]), 3)
    assert metrics.macro_f1(confusion) == (1.0, "")


@pytest.mark.parametrize(
    ("predictions", "labels", "word"), [([1, 1, 1], [0, 1, 0], "predictions"), ([0, 1, 0], [1, 1, 1], "labels")]
)
def test_mcc_of_a_constant_side_is_0_with_a_note(predictions: list[int], labels: list[int], word: str) -> None:
    value, note = metrics.matthews_correlation(metrics.confusion_matrix(np.array(predictions), np.array(labels), 2))
    assert value == 0.0
    assert word in note


def test_mcc_of_large_counts_does_not_overflow() -> None:
    confusion = np.array([[3_000_000_000, 1], [1, 3_000_000_000]])
    assert metrics.matthews_correlation(confusion).value == pytest.approx(1.0, abs=1e-8)


def test_inverted_predictions_have_mcc_minus_1() -> None:
    labels = np.array([0, 1, 1, 0])
    assert metrics.matthews_correlation(metrics.confusion_matrix(1 - labels, labels, 2)).value == -1.0


def test_no_rows_give_0_and_a_note_everywhere() -> None:
    confusion = metrics.confusion_matrix(np.zeros(0, int), np.zeros(0, int), 2)
    empty = np.zeros(0)
    measures = [
        metrics.accuracy(confusion),
        metrics.binary_f1(confusion),
        metrics.macro_f1(confusion),
        metrics.matthews_correlation(confusion),
        metrics.pearson(empty, empty),
        metrics.spearman(empty, empty),
        metrics.mean_squared_error(empty, empty),
    ]
    assert [value for value, _ in measures] == [0.0] * len(measures)
    assert all(note for _, note in measures)


def test_f1_without_class_1_has_a_note() -> None:
    value, note = metrics.binary_f1(metrics.confusion_matrix(np.zeros(3, int), np.zeros(3, int), 2))
    assert value == 0.0
    assert "class 1" in note


@pytest.mark.parametrize("bad", [-1, 2])
@pytest.mark.parametrize("side", ["prediction", "label"])
def test_an_id_outside_the_classes_is_refused_with_its_row(bad: int, side: str) -> None:
    good, wrong = np.array([0, 1, 1]), np.array([0, 1, bad])
    pair = (wrong, good) if side == "prediction" else (good, wrong)
    with pytest.raises(DataError, match=rf"row 2: {side} {bad} is outside 0..1"):
        metrics.confusion_matrix(*pair, 2)


def test_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="2 predictions for 3 labels"):
        metrics.confusion_matrix(np.zeros(2, int), np.zeros(3, int), 2)
    with pytest.raises(DataError, match="shape"):
        metrics.pearson(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_correlations_equal_scipy(seed: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.normal(2.5, 1, 300)
    predictions = labels + generator.normal(0, 1, 300)
    if ties:
        labels, predictions = np.round(labels), np.round(predictions)
    assert metrics.pearson(predictions, labels).value == pytest.approx(
        stats.pearsonr(predictions, labels)[0], abs=1e-12
    )
    expected = stats.spearmanr(predictions, labels)[0]
    assert metrics.spearman(predictions, labels).value == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(metrics.average_ranks(labels), stats.rankdata(labels))


def test_spearman_with_ties_is_not_the_shortcut_formula() -> None:
    predictions, labels = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 3.0])
    value = metrics.spearman(predictions, labels).value
    assert value == pytest.approx(stats.spearmanr(predictions, labels)[0], abs=1e-12)
    # 1 - 6 sum(d^2) / (n^3 - n), on the same ranks, is right without ties only.
    shortcut = 1 - 6 * np.sum((stats.rankdata(predictions) - stats.rankdata(labels)) ** 2) / (4**3 - 4)
    assert abs(value - shortcut) > 0.01


@pytest.mark.parametrize("function", [metrics.pearson, metrics.spearman])
def test_correlation_of_a_constant_or_a_single_row_is_0_with_a_note(function: object) -> None:
    assert callable(function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for predictions, labels in (([3, 3, 3], [1, 2, 3]), ([1, 2, 3], [3, 3, 3]), ([1], [2])):
            value, note = function(np.array(predictions, float), np.array(labels, float))
            assert value == 0.0
            assert note


def test_pearson_of_tiny_and_nearly_equal_numbers_is_right() -> None:
    labels = np.array([1.0, 2.0, 3.0, 5.0])
    assert metrics.pearson(labels * 1e-200, labels).value == pytest.approx(1.0, abs=1e-12)
    assert -1.0 <= metrics.pearson(np.array([1.0, 1.0, 1.0, 1.0 + 2**-52]), labels).value <= 1.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(value: float) -> None:
    for function in (metrics.pearson, metrics.spearman, metrics.mean_squared_error):
        with pytest.raises(DataError, match="row 1: prediction"):
            function(np.array([1.0, value]), np.array([1.0, 2.0]))


def test_mean_squared_error() -> None:
    assert metrics.mean_squared_error(np.array([1.0, 2.0]), np.array([3.0, 2.0])).value == 2.0
