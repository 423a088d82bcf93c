"""TFRecord files of other converters, and records that break the rules."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.table import read_table
from tests.data.record_samples import FOREIGN_LENGTH as S
from tests.data.record_samples import foreign_row, write_foreign


def write_meta(path: Path, **changes: Any) -> Path:
    values = {"task_type": "bert_classification", "max_seq_length": S, "num_labels": 2, "train_data_size": 2, **changes}
    path.write_text(json.dumps(values))
    return path


def test_foreign_file_with_integer_labels(tmp_path: Path) -> None:
    extra = {"weight": np.array([0.5], np.float32), "example_id": np.array([7])}
    path = write_foreign(tmp_path / "train.tf_record", [foreign_row(5, 1, **extra), foreign_row(3, 0, **extra)])
    table = read_table(path, kind="classification", num_labels=2)
    assert table.label_ids is not None
    assert table.label_ids.tolist() == [1, 0]
    assert table.lengths.tolist() == [5, 3]
    assert table.token_ids.tolist() == [2, 3, 4, 5, 6, 2, 3, 4]
    assert (table.manifest, table.labels, table.kind) == (None, ("0", "1"), "classification")
    assert read_table(path).kind == "classification"
    assert read_table(path, kind="regression").label_ids.tolist() == [1.0, 0.0]


def test_foreign_file_with_float_labels(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "a", [foreign_row(label=1.0), foreign_row(label=0.0)])
    assert read_table(path).kind == "regression"
    assert read_table(path, kind="classification").label_ids.dtype == np.int32
    path = write_foreign(tmp_path / "a", [foreign_row(label=1.0), foreign_row(label=3.5)])
    assert read_table(path).label_ids.tolist() == [1.0, 3.5]
    with pytest.raises(DataError, match=r"record 1: .*3\.5.*is this a regression"):
        read_table(path, kind="classification")


def test_fillers_of_foreign_files_are_dropped(tmp_path: Path) -> None:
    none = np.zeros(S, np.int64)
    filler = foreign_row(0, 0, input_ids=none, is_real_example=np.array([0]))
    path = write_foreign(tmp_path / "a", [foreign_row(4), filler, foreign_row(6, 0), filler])
    table = read_table(path)
    assert (table.rows, table.dropped_rows) == (2, 2)
    assert table.lengths.tolist() == [4, 6]
    assert read_table(path, meta_data_path=write_meta(tmp_path / "meta")).rows == 2
    assert read_table(path, meta_data_path=write_meta(tmp_path / "meta", train_data_size=4)).rows == 2
    with pytest.raises(DataError, match="all rows are fillers"):
        read_table(write_foreign(tmp_path / "b", [filler, filler]))


def test_gzip_and_token_labels_of_foreign_files(tmp_path: Path) -> None:
    labels = np.array([-100, 1, 0, -100, 0, 0, 0, 0])
    path = write_foreign(tmp_path / "a", [foreign_row(4, label_ids=labels)])
    path.write_bytes(gzip.compress(path.read_bytes()))
    table = read_table(path)
    assert table.kind == "token_classification"
    assert table.label_ids.tolist() == [-100, 1, 0, -100]


def test_foreign_file_without_labels_needs_a_kind(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "a", [foreign_row(label_ids=None)])
    assert read_table(path, kind="classification").label_ids is None
    with pytest.raises(DataError, match="kind of record is not known"):
        read_table(path)


def test_meta_data_gives_the_kind(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "a", [foreign_row(label=1), foreign_row(label=3)])
    meta = write_meta(tmp_path / "meta", task_type="bert_regression", label_type="int")
    table = read_table(path, meta_data_path=meta)
    assert table.kind == "regression"
    assert table.label_ids.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"max_seq_length": 128}, {}, "rows have 8 tokens, the meta data say max_seq_length 128"),
        ({"train_data_size": 5, "eval_data_size": 1}, {}, "has 2 rows, its meta data say .*eval_data_size 1"),
        ({"num_labels": 1}, {}, "record 0: column 'label_ids' holds 1 .*only 1 classes"),
        ({}, {"kind": "regression"}, "the records are for classification, regression expected"),
        ({"num_labels": 3}, {"num_labels": 2}, "have 3 classes, the network only 2"),
    ],
)
def test_meta_data_that_contradict_the_records(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    path = write_foreign(tmp_path / "a", [foreign_row(), foreign_row(label=0)])
    with pytest.raises(DataError, match=message):
        read_table(path, meta_data_path=write_meta(tmp_path / "meta", **changes), **options)


def mask(*values: int) -> np.ndarray:
    return np.array([*values, *[0] * (S - len(values))])


@pytest.mark.parametrize(
    ("bad", "options", "message"),
    [
        (foreign_row(input_mask=mask(1, 0, 1)), {}, "input_mask.*ones, then zeros"),
        (foreign_row(input_mask=mask(1, 2)), {}, "input_mask.*holds 2 at position 1"),
        (foreign_row(input_mask=mask(0, 1)), {}, "input_mask"),
        (foreign_row(input_mask=mask()), {}, "no tokens"),
        (foreign_row(input_ids=mask(2, -1)), {}, "input_ids.*holds -1 at position 1"),
        (foreign_row(input_ids=mask(2, 2**31)), {}, "input_ids.*outside"),
        (foreign_row(input_ids=mask(2, 100)), {"vocab_size": 100}, r"input_ids.*holds 100.*0\.\.99"),
        (foreign_row(segment_ids=mask(0, 2)), {}, "segment_ids.*holds 2"),
        (foreign_row(segment_ids=mask(0, -1)), {}, "segment_ids.*holds -1"),
        (foreign_row(label=-1), {}, "label_ids.*holds -1.*begin at 0"),
        (foreign_row(label=2), {"num_labels": 2}, "label_ids.*holds 2.*only 2 classes"),
        (foreign_row(length=7), {"max_length": 6}, "has 7 tokens, at most 6"),
        (foreign_row(input_ids=None), {}, "column 'input_ids' is missing"),
        (foreign_row(label_ids=None), {}, "column 'label_ids' is missing"),
        (foreign_row(input_ids=np.arange(S + 1)), {}, "9 values, 8 expected"),
        (foreign_row(label_ids=np.arange(2)), {}, "2 values, 1 expected"),
        (foreign_row(input_ids=np.ones(S)), {}, "holds float values"),
        (foreign_row(label_ids=[b"yes"]), {}, "holds bytes values"),
        (foreign_row(is_real_example=np.array([2])), {}, "is_real_example.*holds 2"),
    ],
)
def test_bad_record_is_named(tmp_path: Path, bad: dict[str, Any], options: dict[str, Any], message: str) -> None:
    path = write_foreign(tmp_path / "a.tf_record", [foreign_row(), foreign_row(label=0), bad])
    with pytest.raises(DataError, match=message) as caught:
        read_table(path, **options)
    assert "a.tf_record: record 2" in caught.value.where


def test_bad_scores_are_named(tmp_path: Path) -> None:
    for score in (float("nan"), float("inf")):
        path = write_foreign(tmp_path / "a", [foreign_row(label=1.0), foreign_row(label=score)])
        with pytest.raises(DataError, match=r"record 1: .*finite"):
            read_table(path)


def test_sample_weights_are_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_foreign(tmp_path / "a", [foreign_row(), foreign_row(label=0)])
    with caplog.at_level(logging.WARNING):
        read_table(path, meta_data_path=write_meta(tmp_path / "meta", has_sample_weights=True))
    assert "sample weights" in caplog.text
