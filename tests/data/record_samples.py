"""Rows and files that several tests of record files share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from src.data.example_proto import encode_example
from src.data.manifest import Manifest
from src.data.record_schema import IGNORED_LABEL, RecordRow
from src.data.record_writer import write_records
from src.data.tfrecord import TFRecordWriter

TOKENIZER = {
    "type": "sentencepiece",
    "vocab_size": 30000,
    "sha256": "0" * 64,
    "do_lower_case": True,
    "file": "30k.model",
}
FOREIGN_LENGTH = 8
LABELS = {"classification": ["no", "yes"], "regression": [], "token_classification": ["O", "B-x", "I-x"]}


def sample_rows(kind: str = "classification", count: int = 30, longest: int = 16) -> list[RecordRow]:
    generator = np.random.default_rng(count)
    rows = []
    for number in range(count):
        length = longest if number == 1 else int(generator.integers(3, longest + 1))
        ids = [2, *generator.integers(5, 30000, length - 2).tolist(), 3]
        label: Any = {"classification": number % 2, "regression": number / 7}.get(kind)
        if kind == "token_classification":
            label = [IGNORED_LABEL, *generator.integers(0, 3, length - 2).tolist(), IGNORED_LABEL]
        rows.append(RecordRow(ids, [0] * (length // 2) + [1] * (length - length // 2), label))
    return rows


def write_sample(
    path: Path, rows: list[RecordRow] | None = None, kind: str = "classification", **options: Any
) -> Manifest:
    given = {
        "max_seq_length": 16,
        "task_name": "sample",
        "split": "train",
        "tokenizer": TOKENIZER,
        "labels": LABELS[kind],
    }
    file_format = "mindrecord" if "mindrecord" in path.name else "tfrecord"
    return write_records(path, kind, file_format, sample_rows(kind) if rows is None else rows, **{**given, **options})


def assert_rows_equal(table: Any, rows: list[RecordRow]) -> None:
    assert table.rows == len(rows)
    np.testing.assert_array_equal(table.lengths, [len(row.input_ids) for row in rows])
    np.testing.assert_array_equal(table.token_ids, np.concatenate([row.input_ids for row in rows]))
    np.testing.assert_array_equal(table.segment_ids, np.concatenate([row.segment_ids for row in rows]))
    labels = [row.label for row in rows]
    if table.kind == "token_classification":
        np.testing.assert_array_equal(table.label_ids, np.concatenate(labels))
    else:
        dtype = np.float32 if table.kind == "regression" else np.int32
        np.testing.assert_array_equal(table.label_ids, np.array(labels, dtype))
        assert table.label_ids.dtype == dtype


def flip(path: Path, position: int, bits: int = 0x10) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bits
    path.write_bytes(data)


def foreign_row(length: int = 5, label: Any = 1, **columns: Any) -> dict[str, Any]:
    """A row as the converters of Google and of the TensorFlow official models write it."""
    ids = np.zeros(FOREIGN_LENGTH, np.int64)
    ids[:length] = np.arange(2, 2 + length)
    row: dict[str, Any] = {
        "input_ids": ids,
        "input_mask": (np.arange(FOREIGN_LENGTH) < length).astype(np.int64),
        "segment_ids": np.zeros(FOREIGN_LENGTH, np.int64),
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
