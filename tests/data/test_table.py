from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.example_proto import encode_example
from src.data.manifest import manifest_path
from src.data.record_schema import RecordRow
from src.data.table import iterate_rows, read_table
from src.data.tfrecord import TFRecordWriter
from tests.data.record_samples import TOKENIZER, assert_rows_equal, flip, sample_rows, write_sample

S = 8


def foreign_row(length: int = 5, label: Any = 1, **columns: Any) -> dict[str, Any]:
    """A row as the converters of Google and of the TensorFlow official models write it."""
    ids = np.zeros(S, np.int64)
    ids[:length] = np.arange(2, 2 + length)
    row: dict[str, Any] = {
        "input_ids": ids,
        "input_mask": (np.arange(S) < length).astype(np.int64),
        "segment_ids": np.zeros(S, np.int64),
        "label_ids": np.array([label]),
        "is_real_example": np.array([1]),
        **columns,
    }
    return {name: value for name, value in row.items() if value is not None}


def write_foreign(path: Path, rows: list[dict[str, Any]]) -> Path:
    with TFRecordWriter(path) as writer:
        for row in rows:
            writer.write(encode_example(row))
    return path


def write_meta(path: Path, **changes: Any) -> Path:
    values = {"task_type": "bert_classification", "max_seq_length": S, "num_labels": 2, "train_data_size": 2, **changes}
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize("kind", ["classification", "regression", "token_classification"])
def test_round_trip_with_manifest(tmp_path: Path, kind: str) -> None:
    rows = sample_rows(kind, 1030)
    manifest = write_sample(tmp_path / "a.tfrecord", rows, kind)
    table = read_table(tmp_path / "a.tfrecord", vocab_size=30000, num_labels=3, max_length=16, kind=kind)
    assert_rows_equal(table, rows)
    assert (table.kind, table.manifest, table.max_seq_length) == (kind, manifest, 16)
    assert table.labels == tuple(manifest.labels)
    assert (table.token_ids.dtype, table.segment_ids.dtype, table.offsets.dtype) == (np.int32, np.int8, np.int64)
    assert table.lengths.dtype == np.int32


def test_split_without_labels(tmp_path: Path) -> None:
    for kind in ("classification", "regression", "token_classification"):
        rows = [RecordRow(row.input_ids, row.segment_ids) for row in sample_rows(kind)]
        write_sample(tmp_path / f"{kind}.tfrecord", rows, kind, has_labels=False)
        table = read_table(tmp_path / f"{kind}.tfrecord", num_labels=3)
        assert table.label_ids is None
        labels = table.batch([0, 1], 3, 16)["label_ids"]
        expected = np.full((3, 16), -100) if kind == "token_classification" else np.zeros(3)
        np.testing.assert_array_equal(labels, expected)


def test_batch_pads_and_fills(tmp_path: Path) -> None:
    rows = [RecordRow([2, 9, 3], [0, 0, 0], 1), RecordRow([2, 7, 8, 6, 3], [0, 0, 0, 1, 1], 0)]
    write_sample(tmp_path / "a.tfrecord", rows)
    batch = read_table(tmp_path / "a.tfrecord").batch(np.array([1, 0]), 3, 6)
    assert batch["input_ids"].tolist() == [[2, 7, 8, 6, 3, 0], [2, 9, 3, 0, 0, 0], [2, 0, 0, 0, 0, 0]]
    assert batch["input_mask"].tolist() == [[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert batch["segment_ids"].tolist() == [[0, 0, 0, 1, 1, 0], [0] * 6, [0] * 6]
    assert batch["label_ids"].tolist() == [0, 1, 0]
    assert batch["row_weight"].tolist() == [1, 1, 0]
    dtypes = {name: str(values.dtype) for name, values in batch.items()}
    assert dtypes.pop("row_weight") == "float32"
    assert set(dtypes.values()) == {"int32"}


def test_batch_of_token_labels_and_of_scores(tmp_path: Path) -> None:
    write_sample(tmp_path / "t.tfrecord", [RecordRow([2, 9, 3], [0] * 3, [-100, 2, -100])], "token_classification")
    batch = read_table(tmp_path / "t.tfrecord").batch([0], 2, 4)
    assert batch["label_ids"].tolist() == [[-100, 2, -100, -100], [-100] * 4]
    write_sample(tmp_path / "r.tfrecord", [RecordRow([2, 9, 3], [0] * 3, 2.5)], "regression")
    batch = read_table(tmp_path / "r.tfrecord").batch([0], 2, 3)
    assert batch["label_ids"].dtype == np.float32
    assert batch["label_ids"].tolist() == [2.5, 0]


def test_batch_of_fillers_only_and_one_that_does_not_fit(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord")
    table = read_table(tmp_path / "a.tfrecord")
    batch = table.batch([], 2, 4)
    assert batch["row_weight"].tolist() == [0, 0]
    assert batch["input_mask"].sum() == 2
    with pytest.raises(ValueError, match="do not fit"):
        table.batch([1], 1, 15)
    with pytest.raises(ValueError, match="do not fit"):
        table.batch([0, 1], 1, 16)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "regression"}, "the records are for classification"),
        ({"kind": "poetry"}, "unknown kind"),
        ({"num_labels": 1}, "have 2 classes, the network only 1 -> set num_class to 2"),
        ({"vocab_size": 50}, r"record 0: column 'input_ids'.*0\.\.49"),
        ({"max_length": 4}, "at most 4 are possible"),
    ],
)
def test_network_and_records_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_sample(tmp_path / "a.tfrecord")
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "a.tfrecord", **options)


def drop_last_record(path: Path) -> None:
    write_sample(path.with_name("short.tfrecord"), sample_rows()[:-1])
    path.write_bytes(path.with_name("short.tfrecord").read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: flip(path, 0), "sha256 differs"),
        (lambda path: flip(path, 500), "sha256 differs"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "manifest says"),
        (lambda path: path.write_bytes(b""), "has 0 bytes"),
        (lambda path: path.unlink(), "missing"),
        (drop_last_record, "manifest says"),
        (lambda path: path.rename(path.with_name("b.tfrecord")), "missing"),
        (lambda path: manifest_path(path).write_text("{"), "manifest is not valid"),
    ],
)
def test_damage_is_noticed_by_the_manifest(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "a.tfrecord"
    write_sample(path)
    damage(path)
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_manifest_with_a_wrong_row_count(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_sample(path)
    values = json.loads(manifest_path(path).read_text())
    manifest_path(path).write_text(json.dumps({**values, "rows": 29}))
    with pytest.raises(DataError, match="has 30 rows, its manifest says 29"):
        read_table(path)


def test_damage_without_manifest_is_noticed_by_the_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_sample(path)
    manifest_path(path).unlink()
    good = path.read_bytes()
    for position in range(0, len(good), 97):
        path.write_bytes(good)
        flip(path, position)
        with pytest.raises(DataError, match=r"a\.tfrecord"):
            read_table(path)
        path.write_bytes(good[:position])
        with pytest.raises(DataError, match=r"a\.tfrecord"):
            read_table(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"input_ids,label\n1,2\n" * 10, b"\x1f\x8bnot really gzip"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match="a: "):
        read_table(tmp_path / "a")


def test_paths_that_name_nothing(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none", "no such file"),
        (tmp_path / "none*", "no record file matches"),
        (tmp_path, "cannot read"),
        (f"{tmp_path}/a,", "no file is named"),
    ):
        with pytest.raises(DataError, match=message):
            read_table(path)


def test_several_files_by_list_and_pattern(tmp_path: Path) -> None:
    rows = sample_rows(count=25)
    write_sample(tmp_path / "a.tfrecord", rows[:10])
    write_sample(tmp_path / "b.tfrecord", rows[10:])
    for path in (f"{tmp_path}/a.tfrecord,{tmp_path}/b.tfrecord", f"{tmp_path}/*.tfrecord*"):
        table = read_table(path)
        assert_rows_equal(table, rows)
        assert table.manifest is None
        assert table.labels == ("no", "yes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["yes", "no"]}, "different class names"),
        ({"tokenizer": {**TOKENIZER, "sha256": "1" * 64}}, "different tokenizers"),
        ({"kind": "regression", "rows": sample_rows("regression")}, "different kinds"),
        ({"has_labels": False, "rows": [RecordRow([2, 3], [0, 0])]}, "different presence of labels"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_sample(tmp_path / "a.tfrecord")
    write_sample(tmp_path / "b.tfrecord", **options)
    with pytest.raises(DataError, match=message):
        read_table(f"{tmp_path}/a.tfrecord,{tmp_path}/b.tfrecord")


def test_shards_are_read_in_order(tmp_path: Path) -> None:
    rows = sample_rows(count=31)
    manifest = write_sample(tmp_path / "a.tfrecord", rows, shard_num=4)
    assert manifest.shard_names == [f"a.tfrecord-0000{number}-of-00004" for number in range(4)]
    assert_rows_equal(read_table(tmp_path / "a.tfrecord"), rows)
    table = read_table(f"{tmp_path}/a.tfrecord-*-of-00004")
    assert_rows_equal(table, rows)
    assert table.manifest == manifest
    with pytest.raises(DataError, match=r"some shards are not named: .*-00001-of-00004"):
        read_table(tmp_path / "a.tfrecord-00000-of-00004")
    flip(tmp_path / "a.tfrecord-00002-of-00004", 60)
    with pytest.raises(DataError, match=r"00002-of-00004.*sha256"):
        read_table(tmp_path / "a.tfrecord")


def test_rows_one_by_one(tmp_path: Path) -> None:
    for kind in ("classification", "regression", "token_classification"):
        rows = sample_rows(kind)
        write_sample(tmp_path / f"{kind}.tfrecord", rows, kind)
        found = list(iterate_rows(tmp_path / f"{kind}.tfrecord"))
        assert [row.input_ids.tolist() for row in found] == [row.input_ids for row in rows]
        assert [row.segment_ids.tolist() for row in found] == [row.segment_ids for row in rows]
        if kind == "token_classification":
            assert [row.label.tolist() for row in found] == [row.label for row in rows]
        else:
            assert [row.label for row in found] == pytest.approx([row.label for row in rows])


def test_sample_weights_are_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_foreign(tmp_path / "a", [foreign_row(), foreign_row(label=0)])
    with caplog.at_level(logging.WARNING):
        read_table(path, meta_data_path=write_meta(tmp_path / "meta", has_sample_weights=True))
    assert "sample weights" in caplog.text
