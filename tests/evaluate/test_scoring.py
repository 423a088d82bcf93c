from __future__ import annotations

import logging

import numpy as np
import pytest

from src.common.errors import ConfigError, DataError, TrainingError
from src.evaluate.scoring import ScoreResult, evaluate_predictions
from src.evaluate.task_metrics import metrics_for_task

TWO = ("0", "1")
TAGS = ("O", "B-PER", "I-PER")


def one_hot(ids: list[int], classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[ids]


def test_classification_from_logits_and_from_ids() -> None:
    labels = np.array([0, 1, 1, 0])
    from_logits = evaluate_predictions(
        "classification", ["Accuracy", "F1", "Mcc"], one_hot([0, 1, 0, 0], 2), labels, TWO
    )
    from_ids = evaluate_predictions("classification", ["accuracy", "f1", "mcc"], np.array([0, 1, 0, 0]), labels, TWO)
    assert from_logits.figures == from_ids.figures
    assert list(from_logits.figures) == ["accuracy", "f1", "precision", "recall", "mcc"]
    assert from_logits.figures["f1"] == pytest.approx(2 / 3)
    assert (from_logits.acc_num, from_logits.total_num, from_logits.rows) == (3, 4, 4)
    assert from_logits.value == 0.75
    assert from_logits.confusion is not None
    assert from_logits.confusion.tolist() == [[2, 0], [1, 1]]


def test_labels_of_shape_rows_by_1_as_in_record_files() -> None:
    result = evaluate_predictions("classification", ["accuracy"], one_hot([0, 1], 2), np.array([[0], [1]]), TWO)
    assert result.value == 1.0


def test_a_list_of_rows_is_taken_too() -> None:
    rows = list(one_hot([0, 1, 1], 2))
    assert evaluate_predictions("classification", ["accuracy"], rows, np.array([0, 1, 0]), TWO).acc_num == 2


def test_regression_with_one_output() -> None:
    outputs = np.array([[1.0], [2.0], [4.0]], np.float32)
    result = evaluate_predictions("regression", ["pearson", "spearman"], outputs, np.array([1.0, 2.0, 3.0]))
    assert list(result.figures) == ["pearson", "spearman_correlation", "mse"]
    assert result.figures["spearman_correlation"] == pytest.approx(1.0)
    assert result.figures["mse"] == pytest.approx(1 / 3)
    assert result.confusion is None


def token_rows() -> tuple[np.ndarray, np.ndarray]:
    outputs = np.stack([one_hot([0, 1, 2, 0, 0], 3), one_hot([0, 1, 0, 1, 1], 3)])
    labels = np.array([[-100, 1, 2, -100, 0], [-100, 0, 0, -100, -100]])
    return outputs, labels


def test_token_classification_counts_labelled_positions_only() -> None:
    outputs, labels = token_rows()
    result = evaluate_predictions("token_classification", ["f1", "accuracy"], outputs, labels, TAGS)
    assert (result.rows, result.acc_num, result.total_num) == (2, 4, 5)
    assert list(result.figures) == ["f1", "accuracy", "precision", "recall"]
    assert result.figures["precision"] == 0.5
    assert result.figures["recall"] == 1.0
    assert result.entities is not None
    assert result.entities.by_type["PER"].support == 1


def test_token_rows_may_be_ragged_or_ids() -> None:
    outputs, labels = token_rows()
    padded = evaluate_predictions("token_classification", ["f1", "accuracy"], outputs, labels, TAGS)
    short = [labels[0], labels[1][:3]]
    ragged = evaluate_predictions("token_classification", ["f1", "accuracy"], [outputs[0], outputs[1][:4]], short, TAGS)
    ids = evaluate_predictions("token_classification", ["f1", "accuracy"], outputs.argmax(-1), labels, TAGS)
    assert padded.figures == ragged.figures == ids.figures


def test_without_labels_there_is_no_metric() -> None:
    result = evaluate_predictions("classification", ["accuracy"], one_hot([0, 1], 2), None, TWO)
    assert result == ScoreResult("classification", "", {}, 2, label_names=TWO)
    assert not result.has_labels
    with pytest.raises(DataError, match="no labels"):
        _ = result.value


@pytest.mark.parametrize("kind", ["classification", "regression", "token_classification"])
def test_no_rows_give_finite_figures_and_notes(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    names = {"classification": TWO, "regression": (), "token_classification": TAGS}[kind]
    outputs = {"classification": np.zeros((0, 2)), "regression": np.zeros((0, 1)), "token_classification": []}[kind]
    labels = [] if kind == "token_classification" else np.zeros(0, int)
    methods = metrics_for_task(kind, label_names=names).methods
    with caplog.at_level(logging.WARNING):
        result = evaluate_predictions(kind, methods, outputs, labels, names)
    assert set(result.figures.values()) == {0.0}
    assert result.notes
    assert "evaluation:" in caplog.text


def test_an_empty_list_of_rows_is_empty_too() -> None:
    assert evaluate_predictions("classification", ["accuracy"], [], [], TWO).total_num == 0


def test_constant_predictions_are_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = evaluate_predictions("classification", ["mcc"], one_hot([1, 1, 1], 2), np.array([0, 1, 1]), TWO)
    assert result.figures == {"mcc": 0.0}
    assert "all 3 predictions are the same class: '1'" in caplog.text
    assert "mcc is set to 0" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused(value: float) -> None:
    outputs = one_hot([0, 1, 1], 2)
    outputs[1, 0] = value
    with pytest.raises(TrainingError, match=r"row 1: .* in 1 of 3 rows"):
        evaluate_predictions("classification", ["accuracy"], outputs, np.array([0, 1, 1]), TWO)
    with pytest.raises(TrainingError, match="row 1"):
        evaluate_predictions("regression", ["pearson"], outputs[:, 0], np.array([0.0, 1, 1]))


def test_a_token_row_that_is_not_finite_is_named() -> None:
    outputs, labels = token_rows()
    outputs[1, 2] = np.nan
    with pytest.raises(TrainingError, match="row 1"):
        evaluate_predictions("token_classification", ["accuracy"], outputs, labels, TAGS)


def test_outputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit 3 labels"):
        evaluate_predictions("classification", ["accuracy"], one_hot([0, 1], 2), np.array([0, 1]), ("a", "b", "c"))
    with pytest.raises(DataError, match="1 predictions for 2 labels"):
        evaluate_predictions("classification", ["accuracy"], one_hot([0], 2), np.array([0, 1]), TWO)
    with pytest.raises(DataError, match="one per row"):
        evaluate_predictions("regression", ["pearson"], np.zeros((3, 2)), np.zeros(3))
    outputs, labels = token_rows()
    with pytest.raises(DataError, match="row 0: 2 outputs for 5 labels"):
        evaluate_predictions("token_classification", ["accuracy"], outputs[:, :2], labels, TAGS)
    with pytest.raises(DataError, match="1 rows of outputs for 2"):
        evaluate_predictions("token_classification", ["accuracy"], outputs[:1], labels, TAGS)


def test_a_metric_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="macro_f1"):
        evaluate_predictions("classification", ["f1"], one_hot([0], 3), np.array([0]), ("a", "b", "c"))
