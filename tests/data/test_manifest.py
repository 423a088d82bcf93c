from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError
from src.data.manifest import Manifest, describe_file, manifest_path, read_manifest, verify_files, write_manifest
from src.data.meta_data import read_meta_data
from src.data.record_schema import schema_of
from tests.data.record_samples import TOKENIZER, flip


def content(path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "kind": "classification",
        "file_format": "tfrecord",
        "rows": 5,
        "columns": schema_of("classification").describe(16),
        "max_seq_length": 16,
        "task_name": "sample",
        "split": "dev",
        "labels": ["no", "yes"],
        "has_labels": True,
        "tokenizer": TOKENIZER,
        "settings": {"seed": 1, "names": ["a"]},
        "files": [describe_file(path).model_dump()],
        **changes,
    }


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"some records")
    return path


def test_round_trip(record: Path) -> None:
    assert read_manifest(record) is None
    manifest = Manifest.model_validate(content(record))
    write_manifest(record, manifest)
    assert manifest_path(record).name == "a.tfrecord.manifest.json"
    assert read_manifest(record) == manifest
    assert manifest.shard_names == ["a.tfrecord"]
    assert manifest.columns["label_ids"].shape == [1]
    verify_files(record, manifest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format_version"),
        ({"kind": "poetry"}, "kind"),
        ({"file_format": "csv"}, "file_format"),
        ({"rows": 0}, "rows"),
        ({"rows": "5"}, "rows"),
        ({"rows": True}, "rows"),
        ({"columns": {}}, "columns are not those"),
        ({"columns": schema_of("regression").describe(16)}, "columns are not those"),
        ({"max_seq_length": 17}, "columns are not those"),
        ({"labels": []}, "class names are needed"),
        ({"labels": ["a", "a"]}, "occurs twice"),
        ({"labels": "ab"}, "labels"),
        ({"has_labels": 1}, "has_labels"),
        ({"tokenizer": {}}, "tokenizer.type"),
        ({"files": []}, "files"),
        ({"files": [{"name": "../a", "bytes": 1, "sha256": "0" * 64}]}, "without a folder"),
        ({"files": [{"name": "a", "bytes": 1, "sha256": "0"}]}, "files.0.sha256"),
        ({"surprise": 1}, "surprise"),
        ({"kind": "regression", "columns": schema_of("regression").describe(16)}, "no class names"),
    ],
)
def test_wrong_content_is_refused(record: Path, changes: dict[str, Any], message: str) -> None:
    manifest_path(record).write_text(json.dumps(content(record, **changes)))
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(record)
    assert "a.tfrecord.manifest.json" in caught.value.where


@pytest.mark.parametrize("key", ["kind", "rows", "files", "tokenizer", "labels"])
def test_missing_key_is_named(record: Path, key: str) -> None:
    values = content(record)
    del values[key]
    manifest_path(record).write_text(json.dumps(values))
    with pytest.raises(DataError, match=key):
        read_manifest(record)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe{}"])
def test_no_json_is_refused(record: Path, text: bytes) -> None:
    manifest_path(record).write_bytes(text)
    with pytest.raises(DataError, match="manifest"):
        read_manifest(record)


def test_changed_files_are_named(record: Path) -> None:
    manifest = Manifest.model_validate(content(record))
    flip(record, 3)
    with pytest.raises(DataError, match=r"a\.tfrecord: the file is damaged.*sha256"):
        verify_files(record, manifest)
    record.write_bytes(b"some record")
    with pytest.raises(DataError, match=r"a\.tfrecord: the file has 11 bytes, its manifest says 12"):
        verify_files(record, manifest)
    record.unlink()
    with pytest.raises(
        DataError, match=r"a\.tfrecord: this file is missing, .* still there: a\.tfrecord\.manifest\.json"
    ):
        verify_files(record, manifest)


def meta(tmp_path: Path, **changes: Any) -> Path:
    values = {
        "processor_type": "COLA",
        "train_data_size": 100,
        "eval_data_size": 20,
        "max_seq_length": 128,
        "task_type": "bert_classification",
        "num_labels": 2,
        "test_en_data_size": 7,
        **changes,
    }
    path = tmp_path / "meta_data"
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    return path


def test_meta_data_of_classification_and_regression(tmp_path: Path) -> None:
    found = read_meta_data(meta(tmp_path))
    assert (found.kind, found.num_labels, found.max_seq_length) == ("classification", 2, 128)
    assert found.sizes == {"train_data_size": 100, "eval_data_size": 20, "test_en_data_size": 7}
    found = read_meta_data(meta(tmp_path, task_type="bert_regression", num_labels=None, label_type="float"))
    assert (found.kind, found.num_labels, found.label_type) == ("regression", 1, "float")
    assert read_meta_data(meta(tmp_path, task_type="albert_classification")).kind == "classification"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_type": "bert_squad"}, "task_type is 'bert_squad'"),
        ({"task_type": None}, "task_type is None"),
        ({"task_type": 3}, "task_type is 3"),
        ({"max_seq_length": None}, "max_seq_length"),
        ({"max_seq_length": "128"}, "max_seq_length"),
        ({"num_labels": 0}, "num_labels"),
        ({"train_data_size": "many"}, "train_data_size"),
        ({"has_sample_weights": "yes"}, "has_sample_weights"),
    ],
)
def test_wrong_meta_data_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_meta_data(meta(tmp_path, **changes))
    assert "meta_data" in caught.value.where


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff"])
def test_meta_data_without_json_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "meta_data").write_bytes(text)
    with pytest.raises(DataError, match="meta data"):
        read_meta_data(tmp_path / "meta_data")
    with pytest.raises(DataError, match="no such file"):
        read_meta_data(tmp_path / "none")
