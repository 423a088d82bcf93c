from __future__ import annotations

import math

import pytest

from src.common.errors import ConfigError
from src.evaluate.task_metrics import canonical_method, is_better, metrics_for_task

TWO = ("0", "1")
THREE = ("contradiction", "entailment", "neutral")
TAGS = ("O", "B-PER", "I-PER")


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("Accuracy", "accuracy"),
        ("ACC", "accuracy"),
        ("Mcc", "mcc"),
        ("MCC", "mcc"),
        ("matthews_corrcoef", "mcc"),
        ("Spearman_correlation", "spearman_correlation"),
        ("spearman-correlation", "spearman_correlation"),
        ("Spearman", "spearman_correlation"),
        ("F1", "f1"),
        ("BF1", "f1"),
        ("entity_f1", "f1"),
        ("Macro_F1", "macro_f1"),
        ("macro f1", "macro_f1"),
        ("MF1", "macro_f1"),
        ("Pearson", "pearson"),
        (" pearsonr ", "pearson"),
    ],
)
def test_old_spellings(name: str, method: str) -> None:
    assert canonical_method(name) == method


@pytest.mark.parametrize("name", ["", "acuracy", "bleu", "f2"])
def test_an_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(ConfigError, match="choose one of accuracy, f1, macro_f1, mcc, pearson, spearman_correlation"):
        canonical_method(name)


@pytest.mark.parametrize(
    ("task", "kind", "labels", "methods"),
    [
        ("CoLA", "classification", TWO, ("mcc", "accuracy")),
        ("SST-2", "classification", TWO, ("accuracy",)),
        ("MRPC", "classification", TWO, ("accuracy", "f1")),
        ("QQP", "classification", TWO, ("accuracy", "f1")),
        ("STS-B", "regression", (), ("pearson", "spearman_correlation")),
        ("MNLI", "classification", THREE, ("accuracy",)),
        ("RTE", "classification", ("entailment", "not_entailment"), ("accuracy",)),
        ("", "classification", THREE, ("accuracy",)),
        ("", "regression", (), ("pearson", "spearman_correlation")),
        ("wnut17", "token_classification", TAGS, ("f1", "accuracy")),
        ("pos", "token_classification", ("NOUN", "VERB"), ("accuracy",)),
    ],
)
def test_metrics_of_tasks(task: str, kind: str, labels: tuple[str, ...], methods: tuple[str, ...]) -> None:
    chosen = metrics_for_task(kind, task_name=task, label_names=labels)
    assert chosen == (methods, methods[0])
    assert metrics_for_task(kind, task_name=task, label_names=labels, assessment_method="Auto") == chosen


def test_the_users_metric_comes_first_and_the_tasks_own_stay() -> None:
    chosen = metrics_for_task("classification", task_name="MRPC", assessment_method="F1", label_names=TWO)
    assert chosen == (("f1", "accuracy"), "f1")
    chosen = metrics_for_task("classification", task_name="MNLI", assessment_method="macro_f1", label_names=THREE)
    assert chosen == (("macro_f1", "accuracy"), "macro_f1")


def test_a_task_of_glues_name_with_another_kind_gets_the_kinds_metrics() -> None:
    assert metrics_for_task("regression", task_name="CoLA").main == "pearson"
    assert metrics_for_task("classification", task_name="STS-B", label_names=THREE).main == "accuracy"


def test_a_task_of_glues_name_with_other_labels_is_the_users_own() -> None:
    assert metrics_for_task("classification", task_name="CoLA", label_names=("no", "yes")).methods == ("accuracy",)
    assert metrics_for_task("classification", task_name="MRPC", label_names=THREE).methods == ("accuracy",)


@pytest.mark.parametrize(
    ("kind", "method", "labels", "word"),
    [
        ("regression", "accuracy", (), "pearson, spearman_correlation"),
        ("classification", "pearson", TWO, "accuracy, f1"),
        ("classification", "f1", THREE, "macro_f1"),
        ("token_classification", "mcc", TAGS, "f1, accuracy"),
        ("token_classification", "f1", ("NOUN", "VERB"), "accuracy"),
        ("ranking", "accuracy", (), "classification, regression, token_classification"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_with_those_that_do(
    kind: str, method: str, labels: tuple[str, ...], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        metrics_for_task(kind, assessment_method=method, label_names=labels)


def test_the_first_score_is_kept_even_below_0() -> None:
    assert is_better(-0.2, None)
    assert is_better(0.1, -0.2)
    assert not is_better(0.1, 0.1)
    assert not is_better(math.nan, None)
