from __future__ import annotations

from typing import get_args

import pytest

from src.common.glue_tasks import GLUE_LABELS, glue_task_name, glue_task_of
from src.config.value_types import TaskName
from src.data.glue import GLUE_TASKS
from src.evaluate.glue_submission import SUBMISSIONS

THREE = ("neutral", "entailment", "contradiction")


@pytest.mark.parametrize(
    ("name", "task"),
    [("cola", "CoLA"), ("SST2", "SST-2"), ("sts_b", "STS-B"), ("mismnli", "MNLI-mm"), ("MNLI-MM", "MNLI-mm"),
     ("mnli-m", "MNLI"), ("MNLI-matched", "MNLI"), ("mnli_mismatched", "MNLI-mm"), ("ax", "AX"), ("diagnostic", "AX"),
     ("my own", ""), ("", ""), ("sst", ""), ("sts", ""), ("sst-5", ""), ("cola-二", ""), ("r.t.e", "")],
)  # fmt: skip
def test_names_in_any_spelling(name: str, task: str) -> None:
    assert glue_task_name(name) == task


def test_everyone_knows_the_same_tasks() -> None:
    names = list(GLUE_LABELS)
    assert [task.name for task in GLUE_TASKS] == names
    assert list(SUBMISSIONS) == names
    assert list(get_args(get_args(TaskName)[0])) == ["", *names]


@pytest.mark.parametrize(
    ("name", "kind", "labels", "task"),
    [
        ("mismnli", "classification", THREE, "MNLI-mm"),
        ("sts-b", "regression", (), "STS-B"),
        ("mnli-m", "classification", ("no", "yes"), ""),
        ("mnli", "classification", ("0", "1", "2"), ""),
        ("cola", "token_classification", ("0", "1"), ""),
        ("cola", "regression", (), ""),
        ("mine", "classification", ("0", "1"), ""),
    ],
)
def test_labels_and_kind_must_be_glues_too(name: str, kind: str, labels: tuple[str, ...], task: str) -> None:
    assert glue_task_of(name, kind, labels) == task
