from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError, DataError
from src.data.conll import read_conll
from src.data.examples import TokenExample, infer_tags


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_sentences_documents_and_line_numbers(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "train.conll",
        "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\n\nPeter NNP B-PER\n",
    )
    split = read_conll("train", path)
    assert list(split.examples) == [
        TokenExample(("EU", "rejects"), ("B-ORG", "O"), 3),
        TokenExample(("Peter",), ("B-PER",), 7),
    ]
    assert infer_tags(split) == ("O", "B-ORG", "B-PER")


def test_hash_and_no_break_space_are_words(tmp_path: Path) -> None:
    split = read_conll("train", _write(tmp_path / "t.conll", "#\tO\nNew\u00a0York\tB-LOC\n"))
    assert split.examples[0].words == ("#", "New\u00a0York")


def test_chosen_columns(tmp_path: Path) -> None:
    split = read_conll("train", _write(tmp_path / "t.conll", "1 EU B-ORG x\n"), word_column="1", tag_column="2")
    assert list(split.examples) == [TokenExample(("EU",), ("B-ORG",), 1)]


def test_test_files_may_hold_words_alone(tmp_path: Path) -> None:
    path = _write(tmp_path / "test.txt", "EU\nrejects\n")
    split = read_conll("test", path)
    assert (split.has_labels, list(split.examples)) == (False, [TokenExample(("EU", "rejects"), None, 1)])
    with pytest.raises(DataError, match=r"test.txt:1: the word and its tag are in one column"):
        read_conll("dev", path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("-DOCSTART- O\n", "there are no sentences"),
        ("EU O\n\nrejects\n", r"t.conll:3: 1 columns where 2"),
        ("EU\tO\n\tO\n", r"t.conll:2: the word or its tag is empty"),
        ("EU\tO\nrejects\t\n", r"t.conll:2: the word or its tag is empty"),
    ],
)
def test_wrong_files(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_conll("train", _write(tmp_path / "t.conll", content))


def test_wrong_columns(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.conll", "EU O\n")
    with pytest.raises(DataError, match="there is no column 2, the row has 2"):
        read_conll("train", path, tag_column="2")
    with pytest.raises(ConfigError, match="--tag_column 'tag' is not a number"):
        read_conll("train", path, tag_column="tag")


@pytest.mark.shared
def test_wnut17(shared_data: Path) -> None:
    folder = shared_data / "ner" / "wnut17"
    files = {
        "train": "train/wnut17train.conll",
        "dev": "dev/emerging.dev.conll",
        "test": "test/emerging.test.annotated",
    }
    splits = {split: read_conll(split, folder / name) for split, name in files.items()}
    assert [len(split.examples) for split in splits.values()] == [3394, 1009, 1287]
    tags = infer_tags(splits["train"])
    assert (len(tags), tags[0]) == (13, "O")
    assert set(infer_tags(splits["dev"])) | set(infer_tags(splits["test"])) == set(tags)
