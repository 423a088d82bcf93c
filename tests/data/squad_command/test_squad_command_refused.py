"""What create_squad_data.py refuses, and that it leaves nothing then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.cli import run_command
from src.common.errors import ConfigError, DataError, OutputError
from src.data import record_writer
from src.data.manifest import manifest_path
from src.data.squad_command import main
from tests.data import record_samples
from tests.data.squad_command.support import Run, names_in, shown
from tests.data.squad_record_samples import asked, foreign_row, squad_json, write_foreign, write_vocabulary


def test_an_old_pickle_is_refused_before_any_work(tmp_path: Path, convert: Run) -> None:
    (tmp_path / "left").write_bytes(b"\x80\x03]q\x00.")
    files = ["--train_file", squad_json(tmp_path / "a.json"), "--eval_file", squad_json(tmp_path / "b.json")]
    with pytest.raises(DataError, match="left: this is a pickle file of the old code"):
        convert(*files, "--predict_feature_left_file", tmp_path / "left")
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [', r"train\.json:1, column 11: not valid json"),
        (b"", r"train\.json: the file is empty"),
        (b"[]", r"train\.json: the file holds a list, not an object"),
        (b'{"data": []}', r"train\.json: the file has no questions"),
        (b"\x1f\x8b\x08\x00damaged", r"train\.json: the gzip data are damaged"),
    ],
)
def test_bad_json(tmp_path: Path, convert: Run, content: bytes, message: str) -> None:
    (tmp_path / "train.json").write_bytes(content)
    for option in ("--train_file", "--eval_file"):
        with pytest.raises(DataError, match=message):
            convert(option, tmp_path / "train.json")
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("qas", "message"),
    [
        ([asked("a", "who ?", "Ann"), asked("a", "why ?", "Ann")], r"qas\[1\].*id 'a' is at"),
        ([asked("a", "  ", "Ann")], r"qas\[0\].*question is empty"),
        ([asked("a", "who ?", "Bob")], "none of the 1 questions can be used for training; the first one: the answer"),
        ([asked("a", "who ?", None)], "the question has no answers and is not marked is_impossible"),
    ],
)
def test_bad_questions_for_training(tmp_path: Path, convert: Run, qas: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert("--train_file", squad_json(tmp_path / "train.json", qas))
    assert names_in(tmp_path / "out") == []


def test_an_empty_context(tmp_path: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json", [asked("a", "who ?", "Ann")], context=" ")
    with pytest.raises(DataError, match=r"paragraphs\[0\]: context is empty"):
        convert("--train_file", train)


def test_a_bad_file_for_evaluation_leaves_no_records(tmp_path: Path, convert: Run) -> None:
    (tmp_path / "dev.json").write_text("{")
    with pytest.raises(DataError, match=r"dev\.json"):
        convert("--train_file", squad_json(tmp_path / "train.json"), "--eval_file", tmp_path / "dev.json")
    assert names_in(tmp_path / "out") == []


def test_questions_for_evaluation_that_fill_the_windows_leave_no_records(tmp_path: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json", [asked("a", "who ?", "Ann")])
    files = ("--train_file", train, "--eval_file", squad_json(tmp_path / "dev.json"))
    with pytest.raises(ConfigError, match="has no room for a passage"):
        convert(*files, "--max_seq_length", 7)
    assert names_in(tmp_path / "out") == []


def test_an_output_is_no_input_and_no_other_output(tmp_path: Path, vocab: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json")
    content = train.read_bytes(), vocab.read_bytes()
    for path in (train, vocab):
        with pytest.raises(OutputError, match=f"{path.name}: the file is an input or another output, too"):
            convert("--train_file", train, "--train_feature_file", path, "--overwrite", "true")
    both = ("--train_feature_file", tmp_path / "one.npz", "--eval_feature_file", tmp_path / "one.npz")
    with pytest.raises(OutputError, match=r"one\.npz: the file is an input or another output"):
        convert("--train_file", train, "--eval_file", train, *both)
    assert (train.read_bytes(), vocab.read_bytes()) == content
    assert not (tmp_path / "one.npz").exists()


def test_a_name_that_contradicts_the_format(tmp_path: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json")
    with pytest.raises(ConfigError, match=r"x\.mindrecord has the name of a mindrecord file"):
        convert("--train_file", train, "--train_feature_file", tmp_path / "x.mindrecord")


def test_a_length_without_room_for_the_passage(tmp_path: Path, convert: Run) -> None:
    for option in ("--train_file", "--eval_file"):
        with pytest.raises(ConfigError, match="max_seq_length 7 has no room for a passage: the question has 5 tokens"):
            convert(option, squad_json(tmp_path / "train.json"), "--max_seq_length", 7)
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--train_file, --eval_file: no input is given"),
        (["--do_train", "true"], "--do_train: there is nothing to make records of"),
        (["--train_file", "no.json"], r"no\.json: file not found"),
        (["--train_file", "t.json", "--max_query_length", "0"], "'0' is not a number of at least 1"),
        (["--train_file", "t.json", "--max_seq_length", "2"], "'2' is not a length of at least 3"),
        (["--train_file", "t.json", "--overwrite", "maybe"], "'maybe' is neither true nor false"),
        (["--input", "a.mindrecord"], "--input: it is for --inspect"),
        (["--inspect", "1"], "--input: no file is given"),
        (["--train_files", "a"], r"unknown option --train_files -> did you mean --train_file\?"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    squad_json(tmp_path / "t.json")
    with pytest.raises((ConfigError, DataError), match=message):
        main(arguments)


def test_no_place_and_no_vocabulary(tmp_path: Path, vocab: Path) -> None:
    train = squad_json(tmp_path / "train.json")
    for option in ("--train_file", "--eval_file"):
        with pytest.raises(ConfigError, match="--output_dir: no place for the output"):
            main([option, str(train), "--vocab_path", str(vocab)])
        with pytest.raises(DataError, match="no vocabulary is given"):
            main([option, str(train), "--output_dir", str(tmp_path / "out")])


def test_too_many_shards(tmp_path: Path, convert: Run) -> None:
    with pytest.raises(DataError, match="do not fill 99 shards"):
        convert("--train_file", squad_json(tmp_path / "train.json"), "--shard_num", 99)
    assert names_in(tmp_path / "out") == []


def test_an_interrupt_is_one_line_and_leaves_nothing(
    tmp_path: Path, vocab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(record_writer, "write_manifest", interrupted)
    given = ["--train_file", squad_json(tmp_path / "train.json"), "--output_dir", tmp_path / "out"]
    options = [*given, "--vocab_path", vocab, "--file_format", "tfrecord"]
    assert run_command(main, [str(value) for value in options]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert names_in(tmp_path / "out") == []


def test_inspect_of_other_files(tmp_path: Path, convert: Run, vocab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert("--train_file", squad_json(tmp_path / "train.json"))
    path = tmp_path / "out" / "squad_v1.1_train.tfrecord"
    other = write_vocabulary(tmp_path / "other.txt", "more")
    with pytest.raises(DataError, match=r"the file was made with vocab\.txt .* -> give vocab\.txt"):
        shown(capsys, 1, "--input", path, "--vocab_path", other)
    manifest_path(path).unlink()
    assert shown(capsys, 1, "--input", path, "--vocab_path", vocab)[0].startswith(f"{path}: no manifest, ")
    foreign = write_foreign(tmp_path / "google.tf_record", [foreign_row(input_ids=np.full(16, 99))])
    with pytest.raises(DataError, match="id 99 is outside the vocabulary"):
        shown(capsys, 1, "--input", foreign, "--vocab_path", vocab)
    record_samples.write_sample(tmp_path / "glue.tfrecord")
    with pytest.raises(DataError, match=r"glue\.tfrecord: the records are for classification"):
        shown(capsys, 1, "--input", tmp_path / "glue.tfrecord", "--vocab_path", vocab)
