"""Small folders of pre-training records with random tokens, made without text or vocabulary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from src.data.example_proto import encode_example
from src.data.manifest import describe_file
from src.data.mindrecord import file_geometry, write_mindrecord
from src.data.pretraining.manifest import describe_columns
from src.data.pretraining.records import columns_of, schema_json
from src.data.record_schema import Column
from src.data.tfrecord import TFRecordWriter

CLS, SEP, MASK = 2, 3, 4
FIRST_WORDS = (6, 7)
Record = dict[str, np.ndarray]


def pretrain_record(
    generator: np.random.Generator, seq_length: int, slots: int, vocab_size: int, shortest: int = 6
) -> Record:
    """Return one record: ``[CLS] a [SEP] b [SEP]``, up to ``slots`` places masked, a random order.

    Ids from 8 on are words; half of them are drawn from the first eighth, so that there is something to learn. So is
    the order: the first word is ``FIRST_WORDS[label]``, and is never masked.
    """
    length = int(generator.integers(shortest, seq_length + 1))
    label = int(generator.integers(0, 2))
    words = generator.integers(8, vocab_size, length)
    few = generator.integers(8, max(9, vocab_size // 8), length)
    words = np.where(generator.random(length) < 0.5, few, words)
    words[1] = FIRST_WORDS[label]
    second = int(generator.integers(3, length - 1))
    words[0], words[second - 1], words[-1] = CLS, SEP, SEP
    places = np.setdiff1d(np.arange(2, length), [second - 1, length - 1])
    count = min(slots, max(1, round(0.15 * length)), len(places))
    masked = np.sort(generator.choice(places, count, replace=False))
    record = {name: np.zeros(seq_length, np.int64) for name in ("input_ids", "input_mask", "segment_ids")}
    record["masked_lm_positions"] = np.zeros(slots, np.int64)
    record["masked_lm_ids"] = np.zeros(slots, np.int64)
    record["masked_lm_weights"] = np.zeros(slots, np.float32)
    record["masked_lm_positions"][:count] = masked
    record["masked_lm_ids"][:count] = words[masked]
    record["masked_lm_weights"][:count] = 1
    record["input_ids"][:length] = words
    record["input_ids"][masked] = MASK
    record["input_mask"][:length] = 1
    record["segment_ids"][second:length] = 1
    record["next_sentence_labels"] = np.array([label])
    return record


def pretrain_records(rows: int, seq_length: int, slots: int, vocab_size: int, seed: int = 0) -> list[Record]:
    """Return random records; the same arguments give the same ones."""
    generator = np.random.default_rng(seed)
    return [pretrain_record(generator, seq_length, slots, vocab_size) for _ in range(rows)]


def write_tfrecord(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Write records as they are."""
    with TFRecordWriter(path) as writer:
        for record in records:
            writer.write(encode_example(record))
    return path


def write_pretrain_folder(
    path: Path,
    rows: int = 40,
    *,
    seq_length: int = 16,
    slots: int = 4,
    vocab_size: int = 100,
    files: int = 2,
    manifest: bool = True,
    file_format: str = "tfrecord",
    seed: int = 0,
    name: str = "pretrain",
) -> list[Record]:
    """Write a folder of records, as this project's writer leaves it or without manifest, and return the records.

    Row r of the table that is read from it is record r.
    """
    path.mkdir(parents=True, exist_ok=True)
    records = pretrain_records(rows, seq_length, slots, vocab_size, seed)
    columns = columns_of(seq_length, slots)
    bounds = np.linspace(0, rows, files + 1).astype(int)
    described = []
    for number, (begin, end) in enumerate(pairwise(bounds.tolist())):
        part = records[begin:end]
        place = path / f"{name}-{number:05d}.{file_format}"
        written = [place]
        if file_format == "tfrecord":
            write_tfrecord(place, part)
        else:
            chunk = {column.name: np.stack([record[column.name] for record in part]) for column in columns}
            kinds = [Column(column.name, column.dtype, per_token=column.width > 1) for column in columns]
            written = write_mindrecord(place, kinds, iter([chunk]), file_geometry(len(part), seq_length + slots))
        for index, file in enumerate(written):
            described.append({**describe_file(file).model_dump(), "rows": 0 if index else len(part)})
    if manifest:
        content = manifest_content(described, rows, seq_length, slots, vocab_size, file_format)
        (path / f"{name}.manifest.json").write_text(json.dumps(content), encoding="utf-8")
        if file_format == "tfrecord":
            (path / "schema.json").write_text(json.dumps(schema_json(columns, rows)), encoding="utf-8")
    return records


def manifest_content(
    files: Sequence[Mapping[str, Any]], rows: int, seq_length: int, slots: int, vocab_size: int, file_format: str
) -> dict[str, Any]:
    """Return the manifest of some files as JSON."""
    tokenizer = {
        "type": "sentencepiece",
        "vocab_size": vocab_size,
        "sha256": "0" * 64,
        "do_lower_case": True,
        "file": "tiny.model",
    }
    return {
        "format_version": 1,
        "kind": "pretraining",
        "file_format": file_format,
        "rows": rows,
        "columns": describe_columns(columns_of(seq_length, slots)),
        "max_seq_length": seq_length,
        "max_predictions_per_seq": slots,
        "tokenizer": tokenizer,
        "settings": {},
        "shard_index": 0,
        "num_shards": 1,
        "sources": [],
        "files": list(files),
        "statistics": {},
    }
