from __future__ import annotations

import pytest

from src.common.errors import ConfigError
from src.common.glue_tasks import GLUE_LABELS
from src.offline.task_type import TaskType, file_prefix, read_task_type


@pytest.mark.parametrize("name", GLUE_LABELS)
def test_tasks_of_glue_in_every_spelling(name: str) -> None:
    for text in (name, name.lower(), name.replace("-", ""), name.replace("-", "_").upper()):
        assert read_task_type(text) == TaskType(name)


@pytest.mark.parametrize(
    ("text", "version", "prefix"),
    [
        ("squadv1", "1.1", "squadv1"),
        ("SQuAD_v1.1", "1.1", "squadv1"),
        ("squad1", "1.1", "squadv1"),
        ("squadv2", "2.0", "squadv2"),
        ("squad-v2.0", "2.0", "squadv2"),
        ("squad", "", "squadv1"),
    ],
)
def test_squad(text: str, version: str, prefix: str) -> None:
    task = read_task_type(text)
    assert task == TaskType(is_squad=True, version=version)
    assert file_prefix(task) == prefix


def test_a_version_of_squad_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="use squadv1 or squadv2"):
        read_task_type("squadv3")


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("SST-2", "sst2"), ("mnli_mm", "mnlimm"), ("My Reviews/2", "my-reviews-2"), ("影评", "task"), ("", "task")],
)
def test_names_of_files_are_plain(text: str, prefix: str) -> None:
    assert file_prefix(read_task_type(text)) == prefix


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        ("mnli", "MNLI-mm", True),
        ("ax", "mnli", True),
        ("sst2", "mrpc", False),
        ("sst2", "films", True),
        ("squad", "squadv2", True),
        ("squadv1", "squadv2", False),
        ("squadv1", "sst2", False),
        ("squadv1", "", False),
    ],
)
def test_names_that_may_mean_one_task(first: str, second: str, agree: bool) -> None:
    one, other = read_task_type(first), read_task_type(second)
    assert one.agrees_with(other) == other.agrees_with(one) == agree
