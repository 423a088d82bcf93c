"""Texts that the converter, the vocabulary trainer and the fetcher of film reviews must refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import Fails, cut, snapshot, write

HEAD = "text\tlabel\n"
REGRESSION = ["--task_kind", "regression"]

# Name: content, further options, fragments of the error; ":3" is line 3 of the file.
TABLES: dict[str, tuple[str | bytes, list[Any], list[str]]] = {
    "too many columns": (HEAD + "a\tgood\nb\tbad\tmore\n", [], [":3:", "3 columns where 2 are expected", "correct"]),
    "too few columns": (HEAD + "a\tgood\nb\n", [], [":3:", "1 columns where 2"]),
    "empty file": ("", [], ["the file is empty", "at least one example"]),
    "header only": (HEAD, [], ["no rows below the header"]),
    "missing column": ("sentence\tlabel\na\tgood\n", [], [":1:", "no column 'text'", "'sentence'", "--text_a_column"]),
    "missing label column": ("text\tx\na\tgood\n", [], ["no column 'label'", "--label_column"]),
    "column twice": ("text\ttext\tlabel\na\tb\tgood\n", [], [":1:", "'text' occurs twice", "rename"]),
    "bad label": (HEAD + "a\tgood\nb\tugly\n", ["--labels", "good,bad"], [":3:", "'ugly'", "'good', 'bad'"]),
    "label missing": (HEAD + "a\tgood\nb\t\n", [], [":3:", "the label is missing"]),
    "one label only": (HEAD + "a\tgood\nb\tgood\n", [], ["same label 'good'", "--label_column"]),
    "not UTF-8": (b"text\tlabel\na\tgood\n\xff\tbad\n", [], [":3:", "not UTF-8: byte 0xff", "save the file"]),
    "UTF-16": ((HEAD + "a\tgood\n").encode("utf-16"), [], [":1:", "not UTF-8"]),
    "NUL": (HEAD + "a\tgood\nb\0\tbad\n", [], [":3:", "NUL byte", "damaged"]),
    "score NaN": (HEAD + "a\t1\nb\tnan\n", REGRESSION, [":3:", "'nan' is not finite", "give a number"]),
    "score beyond float32": (HEAD + "a\t1\nb\t1e60\n", REGRESSION, [":3:", "'1e60'", "too large"]),
    "score is a word": (HEAD + "a\t1\nb\tgood\n", REGRESSION, [":3:", "'good' is not a number"]),
}

# A score, a label and a column that GLUE's own tasks do not know.
GLUE: dict[str, tuple[str, str, list[str]]] = {
    "score out of range": ("STS-B", "sentence1\tsentence2\tscore\na\tb\t1\na\tb\t5.5\n", [":3:", "5.5", "0..5"]),
    "label": ("SST-2", "sentence\tlabel\na\t1\nb\t2\n", [":3:", "unknown label '2'", "original files of SST-2"]),
    "columns": ("MRPC", "Quality\ta\n1\tb\n", [":1:", "no column '#1 String'", "original file"]),
}

OTHER_FORMS: dict[str, tuple[str, str, list[str]]] = {
    "csv quotes": ("t.csv", 'text,label\n"a,good\nb,bad\n', [":2:", "not valid CSV", "quotation marks"]),
    "broken json": ("t.jsonl", '{"text": "a", "label": "good"}\n{"text":\n', [":2:", "not valid JSON"]),
    "json without label": ("t.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', [":2:", "no key 'label'"]),
    "json list": ("t.jsonl", "[]\n", [":1:", "object is expected", "one object a line"]),
    "spreadsheet": ("t.xlsx", "x", ["'.xlsx' are not known", "give .tsv, .csv or .jsonl"]),
}

CONLL: dict[str, tuple[str | bytes, list[Any], list[str]]] = {
    "tag missing": ("a O\nb\n\n", [], [":2:", "1 columns where 2", "give every word its tag"]),
    "no sentence": ("-DOCSTART- -X- O\n", [], ["there are no sentences"]),
    "not UTF-8": (b"a O\n\xff O\n", [], [":2:", "not UTF-8"]),
    "no such column": ("a O\nb B-x\n", ["--tag_column", 7], [":1:", "no column 7", "--tag_column"]),
    "table's option": ("a O\nb B-x\n", ["--text_a_column", "text"], ["--text_a_column", "does not apply", "leave"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_table(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    content, options, fragments = TABLES[name]
    path = write(tmp_path / "my data" / "films.tsv", content)
    fails("convert", samples.convert(tmp_path / "out", path, *options), path, *fragments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", GLUE)
def test_glue_file(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    task, content, fragments = GLUE[name]
    path = write(tmp_path / "glue" / task / "train.tsv", content)
    argv = ["--task_name", task, "--input_dir", tmp_path / "glue", "--output_dir", tmp_path / "out"]
    fails("convert", [*argv, "--spm_model_file", samples.model], path, *fragments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_other_form(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    file_name, content, fragments = OTHER_FORMS[name]
    path = write(tmp_path / file_name, content)
    fails("convert", samples.convert(tmp_path / "out", path), path, *fragments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", CONLL)
def test_conll(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    content, options, fragments = CONLL[name]
    path = write(tmp_path / "words.conll", content)
    argv = ["--task_name", "ner", "--task_kind", "token_classification", "--train_file", path]
    argv += ["--output_dir", tmp_path / "out", "--spm_model_file", samples.model, *options]
    fails("convert", argv, *fragments)
    assert not (tmp_path / "out").exists()


def test_input_that_is_not_there(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fails("convert", samples.convert(out, tmp_path / "none.tsv"), "none.tsv", "file not found", "check the path")
    fails("convert", samples.convert(out, tmp_path), tmp_path, "a folder stands where a file is needed")
    glue = ["--task_name", "SST-2", "--output_dir", out, "--spm_model_file", samples.model, "--input_dir"]
    fails("convert", [*glue, tmp_path / "none"], "none: the input folder does not exist", "--input_dir")
    fails("convert", [*glue, tmp_path], "--input_dir", "no file of any split was found", "check the folder")
    fails("convert", ["--task_name", "SST3", *glue[2:], tmp_path], "'SST3' is none of GLUE's", "did you mean SST-2?")
    assert not out.exists()


def test_label_of_dev_that_train_does_not_know(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    dev = write(tmp_path / "dev.tsv", HEAD + "a\tugly\n")
    fails(
        "convert", samples.convert(tmp_path / "out", samples.text, "--dev_file", dev), f"{dev}:2", "'ugly'", "--labels"
    )
    assert not (tmp_path / "out").exists()


def test_vocabulary_file(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    model = samples.model.read_bytes()
    out = samples.convert(tmp_path / "out", samples.text)
    given = [*out, "--spm_model_file"]
    fails("convert", [*given, tmp_path / "none"], "none", "No such file", "check spm_model_file")
    garbage = write(tmp_path / "garbage.model", b"\x07garbage" * 50)
    fails("convert", [*given, garbage], garbage, "not a SentencePiece model", "fetch it again")
    fails("convert", [*given, cut(write(tmp_path / "cut.model", model), len(model) // 2)], "cut.model", "damaged")
    fails("convert", [*given, samples.folder / "tiny.vocab"], "tiny.vocab", "not a SentencePiece model")
    without = [word for word in out if word not in ("--spm_model_file", samples.model)]
    fails("convert", without, "no vocabulary is given", "set spm_model_file")
    fails("convert", [*without, "--vocab_path", samples.folder / "tiny.vocab"], "tiny.vocab:1", "spm_model_file")
    assert not (tmp_path / "out").exists()


def test_text_for_a_vocabulary(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    argv = ["--output_prefix", tmp_path / "v", "--input"]
    before = snapshot(tmp_path)
    fails("vocabulary", [*argv, tmp_path / "none.txt"], "none.txt", "no file matches", "check --input")
    fails("vocabulary", [*argv, samples.text, "--vocab_size", 9999], "too large for this text", "smaller --vocab_size")
    fails("vocabulary", [*argv, samples.text, "--vocab_size", 15], "too small", "larger --vocab_size")
    assert snapshot(tmp_path) == before
    empty, other = write(tmp_path / "empty.txt", ""), write(tmp_path / "other.txt", b"a\n\xff\n")
    fails("vocabulary", [*argv, empty], empty, "the file is empty", "remove it")
    fails("vocabulary", [*argv, other], f"{other}:2", "not UTF-8", "convert the file")
    fails("vocabulary", [*argv, write(tmp_path / "x.gz", "plain")], "x.gz", "damaged gzip", "fetch it again")
    assert not list(tmp_path.glob("v*"))


def test_archive_of_film_reviews(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    argv = ["--output_dir", tmp_path / "films", "--archive"]
    fails("films", [*argv, tmp_path / "none.tar.gz"], "none.tar.gz: no such file", "vaderSentiment")
    fails("films", [*argv, samples.text], samples.text, "sha256", "get the file again")
    assert not (tmp_path / "films").exists()
