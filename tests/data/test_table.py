from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.manifest import manifest_path
from src.data.record_schema import RecordRow
from src.data.table import read_table
from tests.data.record_samples import TOKENIZER, assert_rows_equal, flip, sample_rows, write_sample


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
