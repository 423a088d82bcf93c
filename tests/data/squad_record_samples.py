"""SQuAD features made by hand, record files and json files that several tests share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from src.data.example_proto import encode_example
from src.data.manifest import Manifest
from src.data.squad import Answer, SquadFile, SquadQuestion
from src.data.squad_features import SquadFeatures, SquadSettings
from src.data.squad_positions import SkippedQuestion
from src.data.squad_records import write_squad_records
from src.data.tfrecord import TFRecordWriter

TOKENIZER = {
    "type": "wordpiece",
    "vocab_size": 100,
    "sha256": "0" * 64,
    "do_lower_case": True,
    "file": "vocab.txt",
}
LENGTH = 16
TEXT = "Ann made green tea . Because of leaves it is green . Ann did it ."
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = ["who", "made", "tea", "why", "is", "it", "green", "ann", "did", "because", "of", "leaves", "?", "."]


def sample_file(questions: int = 3, version: str = "v2.0") -> SquadFile:
    """Questions of one context; the last one is impossible."""
    rows = tuple(
        SquadQuestion(f"id{number}", "who made tea ?", 0, (Answer("Ann", 0),), False) for number in range(questions - 1)
    )
    last = SquadQuestion(f"id{questions - 1}", "who made tea ?", 0, (), True)
    return SquadFile(Path("sample.json"), "a" * 64, version, (TEXT,), (*rows, last))


def sample_features(questions: int = 3, skipped: tuple[SkippedQuestion, ...] = (), **changes: Any) -> SquadFeatures:
    """Two windows of 8 and 5 tokens for each question, of 2 tokens, made by hand; the first one holds the answer."""
    rows = 2 * questions
    window = np.tile([0, 1], questions).astype(np.int32)
    doc_length = np.where(window == 0, 8, 5).astype(np.int32)
    offsets = np.concatenate(([0], np.cumsum(doc_length + 5))).astype(np.int64)
    token_ids = np.concatenate([[2, 5, 6, 3, *range(7, 7 + length), 3] for length in doc_length]).astype(np.int32)
    question = np.repeat(np.arange(questions), 2).astype(np.int32)
    impossible = (window == 1) | (question == questions - 1)
    values: dict[str, Any] = {
        "settings": SquadSettings(LENGTH, 4, 4),
        "token_ids": token_ids,
        "offsets": offsets,
        "question": question,
        "window": window,
        "context": np.zeros(rows, np.int32),
        "doc_begin": np.full(rows, 4, np.int32),
        "doc_length": doc_length,
        "first_token": window * 4,
        "max_context": np.ones(int(doc_length.sum()), bool),
        "doc_offsets": np.concatenate(([0], np.cumsum(doc_length))).astype(np.int64),
        "start_position": np.where(impossible, 0, 5).astype(np.int32),
        "end_position": np.where(impossible, 0, 6).astype(np.int32),
        "is_impossible": impossible,
        "token_starts": np.arange(12, dtype=np.int32),
        "token_ends": np.arange(12, dtype=np.int32),
        "context_offsets": np.array([0, 12]),
        "skipped": skipped,
    }
    return SquadFeatures(**{**values, **changes})


def write_sample(path: Path, features: SquadFeatures | None = None, questions: int = 3, **options: Any) -> Manifest:
    file_format = "mindrecord" if "mindrecord" in path.name else "tfrecord"
    made = sample_features(questions) if features is None else features
    given: dict[str, Any] = {"tokenizer": TOKENIZER, **options}
    return write_squad_records(path, file_format, sample_file(questions), made, **given)


def foreign_row(**columns: Any) -> dict[str, Any]:
    """A row as google-research/albert writes it: 2 tokens of a question, 4 of a window, 7 of padding."""
    length, begin = 9, 4
    places = np.arange(LENGTH)
    allowed = (places == 0) | ((places >= begin) & (places < length - 1))
    row: dict[str, Any] = {
        "unique_ids": np.array([1000000000]),
        "input_ids": np.where(places < length, places + 2, 0),
        "input_mask": (places < length).astype(np.int64),
        "segment_ids": ((places >= begin) & (places < length)).astype(np.int64),
        "p_mask": (~allowed).astype(np.int64),
        "start_positions": np.array([4]),
        "end_positions": np.array([7]),
        "is_impossible": np.array([0]),
        **columns,
    }
    return {name: value for name, value in row.items() if value is not None}


def write_foreign(path: Path, rows: list[dict[str, Any]]) -> Path:
    with TFRecordWriter(path) as writer:
        for row in rows:
            writer.write(encode_example(row))
    return path


def squad_json(path: Path, qas: list[dict[str, Any]] | None = None, version: str = "1.1", context: str = TEXT) -> Path:
    """Write a SQuAD file of one context; without ``qas`` of three questions."""
    if qas is None:
        qas = [
            asked("q0", "who made tea ?", "Ann", 0),
            asked("q1", "why is it green ?", "Because of leaves", TEXT.index("Because")),
            asked("q2", "who did it ?", "Ann", TEXT.rindex("Ann")),
        ]
    paragraphs = [{"context": context, "qas": qas}]
    path.write_text(json.dumps({"version": version, "data": [{"title": "tea", "paragraphs": paragraphs}]}))
    return path


def asked(name: str, text: str, answer: str | None, start: int = 0, **more: Any) -> dict[str, Any]:
    answers = [] if answer is None else [{"text": answer, "answer_start": start}]
    return {"id": name, "question": text, "answers": answers, **more}


def write_vocabulary(path: Path, *more: str) -> Path:
    path.write_text("\n".join([*_SPECIAL, *_WORDS, *more]) + "\n")
    return path
