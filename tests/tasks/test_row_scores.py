from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import ConfigError, TrainingError
from src.data.record_schema import IGNORED_LABEL, RecordRow
from src.data.table import FinetuneTable, read_table
from src.tasks.inference import Outputs
from src.tasks.row_scores import score_rows
from tests.data.record_samples import LABELS, sample_rows, write_sample


def table_of(tmp_path: Path, kind: str, rows: list[RecordRow] | None = None, **options: Any) -> FinetuneTable:
    write_sample(tmp_path / "x.tfrecord", sample_rows(kind) if rows is None else rows, kind, **options)
    return read_table(tmp_path / "x.tfrecord")


def outputs_of(values: list[np.ndarray]) -> Outputs:
    return Outputs(np.arange(len(values)), values)


def test_classes_of_some_rows(tmp_path: Path) -> None:
    table = table_of(tmp_path, "classification")
    assert table.label_ids is not None
    values = list(np.eye(2, dtype=np.float32)[table.label_ids[:5]])
    values[0] = values[0][::-1]
    score = score_rows(table, outputs_of(values), ("no", "yes"), ("accuracy",))
    assert score.lines[-1] == "acc_num 4 , total_num 5, accuracy 0.800000"
    assert (score.name, score.value, score.report["acc_num"]) == ("accuracy", 0.8, 4)


def test_numbers(tmp_path: Path) -> None:
    table = table_of(tmp_path, "regression")
    assert table.label_ids is not None
    score = score_rows(table, outputs_of(list(table.label_ids[:, None])), (), ("pearson",))
    assert score.lines == ("total_num 30, mse 0.000000", "Pearson Correlation is 1.000000")


def test_an_entity_may_cross_the_end_of_a_record(tmp_path: Path) -> None:
    first = RecordRow([2, 5, 3], [0] * 3, [IGNORED_LABEL, 1, IGNORED_LABEL])
    second = RecordRow([2, 6, 3], [0] * 3, [IGNORED_LABEL, 2, IGNORED_LABEL])
    names = tuple(LABELS["token_classification"])
    one_hot = np.eye(3, dtype=np.float32)
    values = [one_hot[[0, 1, 0]], one_hot[[0, 0, 0]]]
    found = {}
    for number, continued in enumerate(([1], [])):
        (tmp_path / str(number)).mkdir()
        settings = {"settings": {"continued_rows": continued}}
        table = table_of(tmp_path / str(number), "token_classification", [first, second], **settings)
        found[len(continued)] = score_rows(table, outputs_of(values), names, ("f1",)).value
    # One entity of two words, of which one was found; or two entities, of which one was found.
    assert found == {1: 0.0, 0: pytest.approx(2 / 3)}


def test_what_cannot_be_scored(tmp_path: Path) -> None:
    table = table_of(tmp_path, "classification")
    broken = outputs_of([np.full(2, np.nan, np.float32)] * 3)
    with pytest.raises(TrainingError, match="not finite in 3 of 3 rows"):
        score_rows(table, broken, ("no", "yes"), ("accuracy",))
    with pytest.raises(ConfigError, match="no metric of a classification task"):
        score_rows(table, broken, ("no", "yes"), ("pearson",))
