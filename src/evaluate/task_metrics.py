"""Which metrics a task has, which of them chooses the best checkpoint, and the names they go by."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from src.common.errors import ConfigError
from src.common.glue_tasks import glue_task_of
from src.evaluate.entity_f1 import are_entity_tags

CLASSIFICATION = "classification"
REGRESSION = "regression"
TOKEN_CLASSIFICATION = "token_classification"

# As ``assessment_method``: the task's own metrics.
AUTO = "auto"

# The first metric of a kind is its default main metric. Higher is better for every one of them.
METHODS_OF_KIND = {
    CLASSIFICATION: ("accuracy", "f1", "macro_f1", "mcc"),
    REGRESSION: ("pearson", "spearman_correlation"),
    TOKEN_CLASSIFICATION: ("f1", "accuracy"),
}

_SPELLINGS = {
    "accuracy": ("acc", "accuracy_score", "eval_accuracy"),
    "f1": ("f1_score", "binary_f1", "f1_binary", "bf1", "entity_f1", "eval_f1"),
    "macro_f1": ("f1_macro", "mf1", "macrof1"),
    "mcc": ("matthews", "matthews_corr", "matthews_corrcoef", "matthews_correlation", "eval_mcc"),
    "pearson": ("pearsonr", "pearson_correlation", "pearson_corr", "pcc"),
    "spearman_correlation": ("spearman", "spearmanr", "spearman_corr", "spearmancorrelation"),
}

# As GLUE (Wang et al. 2018, table 1); of a pair the first chooses the best checkpoint.
_GLUE_METHODS = {
    "CoLA": ("mcc", "accuracy"),
    "SST-2": ("accuracy",),
    "MRPC": ("accuracy", "f1"),
    "STS-B": ("pearson", "spearman_correlation"),
    "QQP": ("accuracy", "f1"),
    "MNLI": ("accuracy",),
    "MNLI-mm": ("accuracy",),
    "QNLI": ("accuracy",),
    "RTE": ("accuracy",),
    "WNLI": ("accuracy",),
    "AX": ("mcc", "accuracy"),
}


class TaskMetrics(NamedTuple):
    """The metrics of a task.

    Attributes:
        methods: Names of all metrics, the main one first; higher is better for each.
        main: The metric that chooses the best checkpoint and is printed last.
    """

    methods: tuple[str, ...]
    main: str


def canonical_method(name: str) -> str:
    """Return the metric that ``name`` means, in any case and in old spellings (``Mcc``, ``Spearman_correlation``).

    Raises:
        ConfigError: No metric has this name.
    """
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    for method, spellings in _SPELLINGS.items():
        if key == method or key in spellings:
            return method
    known = ", ".join(_SPELLINGS)
    raise ConfigError(f"'{name}' is not a known metric", "assessment_method", f"choose one of {known}")


def check_method(method: str, kind: str, label_names: Sequence[str]) -> None:
    """Refuse a metric that has no meaning for these labels, before any time is spent on training.

    Args:
        method: Canonical name of a metric.
        kind: Kind of the task.
        label_names: Labels of the task; empty for regression.

    Raises:
        ConfigError: The metric does not fit, with the ones that do.
    """
    allowed = METHODS_OF_KIND[kind]
    if method not in allowed:
        raise ConfigError(
            f"{method} is no metric of a {kind} task", "assessment_method", f"choose one of {', '.join(allowed)}"
        )
    if kind == CLASSIFICATION and method == "f1" and len(label_names) != 2:
        raise ConfigError(
            f"f1 is that of class 1 of two, and there are {len(label_names)} classes",
            "assessment_method",
            "choose macro_f1, accuracy or mcc",
        )
    if kind == TOKEN_CLASSIFICATION and method == "f1" and not are_entity_tags(label_names):
        raise ConfigError(
            "the labels are not entity tags (O, B-x, I-x)", "assessment_method", "choose accuracy for such labels"
        )


def _default_methods(kind: str, task_name: str, label_names: Sequence[str]) -> tuple[str, ...]:
    """Return GLUE's metrics where name, kind and labels are those of a GLUE task, else those of the kind."""
    glue = glue_task_of(task_name, kind, label_names)
    if glue:
        return _GLUE_METHODS[glue]
    if kind == CLASSIFICATION:
        return ("accuracy",)
    if kind == TOKEN_CLASSIFICATION and not are_entity_tags(label_names):
        return ("accuracy",)
    return METHODS_OF_KIND[kind]


def metrics_for_task(
    kind: str, *, task_name: str = "", assessment_method: str = "", label_names: Sequence[str] = ()
) -> TaskMetrics:
    """Choose the metrics of a task.

    Args:
        kind: classification, regression or token_classification.
        task_name: Name of the task; GLUE's names bring GLUE's metrics, where the labels are GLUE's too.
        assessment_method: The user's main metric, in any spelling; empty or ``auto`` takes the task's own.
        label_names: Labels of the task; empty for regression.

    Raises:
        ConfigError: Kind or metric is unknown, or the metric does not fit the task.
    """
    if kind not in METHODS_OF_KIND:
        raise ConfigError(f"'{kind}' is not a kind of task", fix=f"choose one of {', '.join(METHODS_OF_KIND)}")
    methods = _default_methods(kind, task_name, label_names)
    if assessment_method.strip().lower() not in ("", AUTO):
        main = canonical_method(assessment_method)
        check_method(main, kind, label_names)
        methods = (main, *(method for method in methods if method != main))
    return TaskMetrics(methods, methods[0])


def is_better(value: float, best: float | None) -> bool:
    """Tell whether ``value`` beats ``best``; anything finite beats ``None``, so a best below 0 is kept too."""
    if not math.isfinite(value):
        return False
    return best is None or value > best
