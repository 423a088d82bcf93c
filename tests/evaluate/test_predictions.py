from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import DataError, OutputError, TrainingError
from src.evaluate.predictions import prediction_records, softmax, write_predictions, write_tag_predictions

TWO = ("negative", "positive")
LOGITS = np.array([[2.0, -1.0], [0.0, 1.0], [1e4, -1e4]], np.float32)


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_softmax_is_float64_and_does_not_overflow() -> None:
    shares = softmax(LOGITS)
    assert shares.dtype == np.float64
    assert np.allclose(shares.sum(-1), 1, atol=1e-15)
    assert shares[0, 0] == pytest.approx(1 / (1 + np.exp(-3.0)), abs=1e-15)
    assert shares[2].tolist() == [1.0, 0.0]


def test_classification_files(tmp_path: Path) -> None:
    jsonl, tsv = write_predictions(tmp_path / "out", "classification", LOGITS, TWO, expected=np.array([0, 0, 1]))
    records = read_jsonl(jsonl)
    assert [(r["index"], r["label"], r["expected"]) for r in records] == [
        (0, "negative", "negative"),
        (1, "positive", "negative"),
        (2, "negative", "positive"),
    ]
    assert records[1]["probabilities"]["positive"] == records[1]["probability"] == softmax(LOGITS)[1, 1]
    rows = [line.split("\t") for line in tsv.read_text().splitlines()]
    assert rows[0] == ["index", "label", "probability", "probability_negative", "probability_positive", "expected"]
    assert rows[2] == ["1", "positive", "0.731059", "0.268941", "0.731059", "negative"]


def test_regression_files(tmp_path: Path) -> None:
    jsonl, tsv = write_predictions(tmp_path, "regression", np.array([[1.25], [-0.5]], np.float32))
    assert read_jsonl(jsonl) == [{"index": 0, "score": 1.25}, {"index": 1, "score": -0.5}]
    assert tsv.read_text() == "index\tscore\n0\t1.250000\n1\t-0.500000\n"


def test_an_empty_table_has_its_header(tmp_path: Path) -> None:
    jsonl, tsv = write_predictions(tmp_path, "classification", np.zeros((0, 2)), TWO)
    assert jsonl.read_text() == ""
    assert tsv.read_text() == "index\tlabel\tprobability\tprobability_negative\tprobability_positive\n"


def test_labels_with_tabs_do_not_break_the_columns(tmp_path: Path) -> None:
    _, tsv = write_predictions(tmp_path, "classification", LOGITS, ("a\tb", "a b"))
    assert {len(line.split("\t")) for line in tsv.read_text().splitlines()} == {5}


def test_nothing_is_written_when_outputs_are_bad(tmp_path: Path) -> None:
    write_predictions(tmp_path, "classification", LOGITS, TWO)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TrainingError, match="row 0"):
        write_predictions(tmp_path, "classification", np.full((2, 2), np.nan), TWO)
    with pytest.raises(DataError, match="logits of 3"):
        write_predictions(tmp_path, "classification", LOGITS, ("a", "b", "c"))
    with pytest.raises(DataError, match="3 rows of outputs for 2 labels"):
        write_predictions(tmp_path, "classification", LOGITS, TWO, expected=np.array([0, 1]))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file stands where a folder"):
        write_predictions(tmp_path / "file", "classification", LOGITS, TWO)


def test_kinds_and_ids_without_logits_are_refused() -> None:
    with pytest.raises(DataError, match="tag_records"):
        list(prediction_records("token_classification", LOGITS, TWO))
    with pytest.raises(DataError, match="logits"):
        list(prediction_records("classification", np.array([0, 1]), TWO))


TAGS = ("O", "B-PER")
WORDS = [["Anna", "went", "home"], ["张三"]]
WORD_LOGITS = [np.array([[0.0, 2.0], [1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)]


def test_tag_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        jsonl, conll = write_tag_predictions(tmp_path, WORDS, WORD_LOGITS, TAGS)
    assert conll.read_text(encoding="utf-8") == "Anna\tB-PER\nwent\tO\nhome\tO\n\n张三\tB-PER\n\n"
    first = read_jsonl(jsonl)[0]
    assert first["tags"] == ["B-PER", "O", "O"]
    assert first["probabilities"][0] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert first["probabilities"][2] is None
    assert "1 words lie beyond max_seq_length" in caplog.text


def test_tag_files_with_labels_and_without_sentences(tmp_path: Path) -> None:
    _, conll = write_tag_predictions(tmp_path, [["a"]], WORD_LOGITS[1:], TAGS, expected=[["O"]])
    assert conll.read_text() == "a\tO\tB-PER\n\n"
    jsonl, conll = write_tag_predictions(tmp_path, [], [], TAGS)
    assert (jsonl.read_text(), conll.read_text()) == ("", "")


def test_a_sentence_of_which_nothing_fits(tmp_path: Path) -> None:
    _, conll = write_tag_predictions(tmp_path, [["a"]], [np.zeros((0, 2))], TAGS)
    assert conll.read_text() == "a\tO\n\n"


def test_tags_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sentence 1: 2 outputs for 1 words"):
        write_tag_predictions(tmp_path, WORDS, [WORD_LOGITS[0], np.zeros((2, 2))], TAGS)
    with pytest.raises(DataError, match="1 sentences of outputs for 2"):
        write_tag_predictions(tmp_path, WORDS, WORD_LOGITS[:1], TAGS)
