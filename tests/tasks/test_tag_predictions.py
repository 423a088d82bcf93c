from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src.data.manifest import read_manifest
from src.data.record_schema import RecordRow
from src.data.table import read_table
from src.data.tokenization import Tokenizer, load_tokenizer
from src.data.word_windows import WordEncoder
from src.tasks.inference import Outputs
from src.tasks.tag_predictions import write_tags
from tests.data.record_samples import write_sample

LABELS = ("O", "B-x", "I-x")
WORDS = ["anna", "sings", "in", "oslo", "anna", "sings"]
TAGS = [1, 0, 0, 1, 1, 0]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    path = tmp_path / "vocab.txt"
    pieces = ["anna", "sing", "##s", "in", "os", "##lo"]
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]) + "\n")
    return load_tokenizer(vocab_file_path=path)


def write_sentences(path: Path, tokenizer: Tokenizer, length: int, labelled: bool = True, manifest: bool = True) -> int:
    """Write the sentence twice, in records of a length; return the number of records."""
    rows: list[RecordRow] = []
    continued = []
    for _ in range(2):
        for number, window in enumerate(WordEncoder(tokenizer, length).encode(WORDS)):
            continued += [len(rows)] if number else []
            label = window.token_labels(TAGS) if labelled else None
            rows.append(RecordRow(window.input_ids, [0] * len(window.input_ids), label))
    write_sample(
        path,
        rows,
        "token_classification",
        has_labels=labelled,
        settings={"continued_rows": continued} if manifest else {},
    )
    return len(rows)


def predictions(path: Path, tokenizer: Tokenizer, folder: Path) -> list[dict]:
    """Tag every piece by its number within its row: the word's first piece must decide."""
    table = read_table(path)
    values = [np.eye(3, dtype=np.float32)[np.arange(length) % 3] * 9 for length in table.lengths]
    files = write_tags(folder, table, Outputs(np.arange(table.rows), values), LABELS, tokenizer)
    assert [file.name for file in files] == ["predictions.jsonl", "predictions.conll"]
    return [json.loads(line) for line in files[0].read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("length", [5, 6, 16])
def test_sentences_are_whole_again(tokenizer: Tokenizer, tmp_path: Path, length: int) -> None:
    rows = write_sentences(tmp_path / "tags.tfrecord", tokenizer, length)
    assert (rows > 2) == (length < 16)
    records = predictions(tmp_path / "tags.tfrecord", tokenizer, tmp_path / "out")
    assert [record["index"] for record in records] == [0, 1]
    for record in records:
        assert record["words"] == WORDS
        assert record["expected"] == [LABELS[tag] for tag in TAGS]
        assert len(record["tags"]) == len(record["probabilities"]) == len(WORDS)
    blocks = (tmp_path / "out" / "predictions.conll").read_text().strip("\n").split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [6, 6]


def test_a_word_has_the_tag_of_its_first_piece(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_sentences(tmp_path / "tags.tfrecord", tokenizer, 16)
    record = predictions(tmp_path / "tags.tfrecord", tokenizer, tmp_path)[0]
    # [CLS] anna sing ##s in os ##lo anna sing ##s [SEP]: the words begin at 1, 2, 4, 5, 7 and 8.
    assert record["tags"] == [LABELS[place % 3] for place in (1, 2, 4, 5, 7, 8)]


def test_without_labels_pieces_tell_where_words_begin(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_sentences(tmp_path / "tags.tfrecord", tokenizer, 6, labelled=False)
    records = predictions(tmp_path / "tags.tfrecord", tokenizer, tmp_path)
    assert [record["words"] for record in records] == [WORDS, WORDS]
    assert "expected" not in records[0]


def test_without_the_list_of_continued_rows_records_stand_alone(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = write_sentences(tmp_path / "tags.tfrecord", tokenizer, 6, manifest=False)
    manifest = read_manifest(tmp_path / "tags.tfrecord")
    assert manifest is not None
    assert "continued_rows" not in manifest.settings
    records = predictions(tmp_path / "tags.tfrecord", tokenizer, tmp_path)
    assert len(records) == rows
    assert [word for record in records for word in record["words"]] == WORDS + WORDS
