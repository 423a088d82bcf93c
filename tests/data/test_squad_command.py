from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.cli import run_command
from src.common.errors import ConfigError, DataError, OutputError
from src.data import record_writer, squad_command
from src.data.manifest import manifest_path, read_manifest
from src.data.squad import read_squad
from src.data.squad_cache import features_of
from src.data.squad_command import main
from src.data.squad_features import SquadSettings
from src.data.squad_manifest import info_of
from src.data.squad_table import read_squad_table
from src.data.tokenization import load_tokenizer
from tests.data import record_samples
from tests.data.squad_record_samples import TEXT, asked, foreign_row, squad_json, write_foreign, write_vocabulary

Run = Callable[..., None]


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocab.txt")


@pytest.fixture
def convert(tmp_path: Path, vocab: Path) -> Run:
    """Run the command with small settings; output is TFRecord below ``out``."""

    def run(*more: object, format_given: bool = True) -> None:
        given = ["--vocab_path", vocab, "--max_seq_length", 16, "--max_query_length", 6, "--doc_stride", 4]
        if "--output_dir" not in more:
            given += ["--output_dir", tmp_path / "out"]
        if format_given:
            given += ["--file_format", "tfrecord"]
        assert main([str(value) for value in (*given, *more)]) == 0

    return run


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    capsys.readouterr()
    assert main([str(value) for value in ("--inspect", *arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def test_train_and_eval(tmp_path: Path, convert: Run, vocab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, dev = squad_json(tmp_path / "train.json"), squad_json(tmp_path / "dev.json", version="v2.0")
    convert("--train_file", train, "--eval_file", dev)
    out = tmp_path / "out"
    assert _names(out) == [
        "squad_v1.1_train.tfrecord",
        "squad_v1.1_train.tfrecord.manifest.json",
        "squad_v2.0_dev.features.npz",
    ]
    manifest = read_manifest(out / "squad_v1.1_train.tfrecord")
    assert manifest is not None
    info = info_of(manifest, "")
    assert (manifest.max_seq_length, info.max_query_length, info.doc_stride, info.questions) == (16, 6, 4, 3)
    table = read_squad_table(out / "squad_v1.1_train.tfrecord", vocab_size=manifest.tokenizer.vocab_size)
    assert table.rows == info.windows
    printed = capsys.readouterr()
    figures = next(line for line in printed.out.splitlines() if line.startswith("train "))
    assert figures.split()[:4] == ["train", "3", "0", str(table.rows)]
    share = f"{info.impossible_windows} ({100 * info.impossible_windows / info.windows:.1f} %)"
    assert figures.endswith(share)
    assert "squad_v2.0_dev.features.npz: there is no cache yet; the features are made anew" in printed.err
    # Evaluation takes these features.
    cache = out / "squad_v2.0_dev.features.npz"
    before = cache.stat().st_mtime_ns
    tokenizer = load_tokenizer(vocab_file_path=vocab)
    features_of(read_squad(dev), tokenizer, SquadSettings(16, 6, 4), cache)
    assert cache.stat().st_mtime_ns == before


def test_the_answers_are_where_the_records_say(
    tmp_path: Path, convert: Run, vocab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--train_file", squad_json(tmp_path / "train.json"))
    path = tmp_path / "out" / "squad_v1.1_train.tfrecord"
    lines = _shown(capsys, 99, "--input", path, "--vocab_path", vocab)
    table = read_squad_table(path)
    assert lines[0] == (f"{path}: squad_v1.1 train of train.json, 3 questions, {table.rows} windows of up to 16 tokens")
    assert lines[2:6] == [
        f"record 0 of {table.rows}: 16 tokens",
        "  question: who made tea ?",
        "  window: ann made green tea . because of leaves it",
        "  answer: ann (token 6)",
    ]
    answers = [line.removeprefix("  answer: ").split(" (")[0] for line in lines if line.startswith("  answer: ")]
    assert len(answers) == table.rows
    assert set(answers) == {"ann", "because of leaves", "none in this window"}
    assert len(_shown(capsys, 1, "--input", path, "--vocab_path", vocab)) == 6


def test_questions_that_cannot_be_used_are_listed(
    tmp_path: Path, convert: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    good = asked("good", "who made tea ?", "Ann", 0)
    bad = [asked(f"bad{number}", "who ?", "Bob", 0) for number in range(6)]
    convert("--train_file", squad_json(tmp_path / "train.json", [bad[0], good, *bad[1:]]))
    listed = json.loads((tmp_path / "out" / "squad_v1.1_train.tfrecord.skipped.json").read_text())
    assert [question["id"] for question in listed["questions"]] == [f"bad{number}" for number in range(6)]
    assert all("'Bob' is not at character 0" in question["why"] for question in listed["questions"])
    printed = capsys.readouterr().out
    assert "train: questions that cannot be used: 6, all listed in " in printed
    assert "  bad4: the answer 'Bob'" in printed
    assert "bad5" not in printed
    assert "  ... and 1 more" in printed


def test_impossible_questions_and_cut_answers_are_told(
    tmp_path: Path, convert: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    qas = [
        asked("long", "who ?", TEXT, 0, is_impossible=False),
        asked("none", "who ?", None, is_impossible=True),
    ]
    convert("--train_file", squad_json(tmp_path / "train.json", qas, version=""))
    printed = capsys.readouterr().out
    assert "train: questions without answer (is_impossible): 1" in printed
    assert "train: questions whose answer fits in no window, used as without answer: 1" in printed
    assert (tmp_path / "out" / "squad_v2.0_train.tfrecord").exists()


def test_packed_json_shards_and_mindrecord(tmp_path: Path, convert: Run) -> None:
    content = squad_json(tmp_path / "train.json").read_bytes()
    (tmp_path / "train.json.gz").write_bytes(gzip.compress(content))
    convert("--train_file", tmp_path / "train.json.gz", "--shard_num", 2, format_given=False)
    assert _names(tmp_path / "out") == [
        "squad_v1.1_train.mindrecord.manifest.json",
        "squad_v1.1_train.mindrecord0",
        "squad_v1.1_train.mindrecord0.db",
        "squad_v1.1_train.mindrecord1",
        "squad_v1.1_train.mindrecord1.db",
    ]
    convert("--train_file", tmp_path / "train.json", "--output_dir", tmp_path / "one")
    many = read_squad_table(tmp_path / "out" / "squad_v1.1_train.mindrecord")
    one = read_squad_table(tmp_path / "one" / "squad_v1.1_train.tfrecord")
    np.testing.assert_array_equal(many.token_ids, one.token_ids)
    np.testing.assert_array_equal(many.start_positions, one.start_positions)


def test_options_of_the_model_zoo(tmp_path: Path, convert: Run) -> None:
    train, dev = squad_json(tmp_path / "train.json"), squad_json(tmp_path / "dev.json")
    old = ["--task_name", "SQuAD", "--do_train", "true", "--train_feature_file", tmp_path / "mine.tf_record"]
    convert("--train_file", train, *old, "--shard_num", 0, format_given=False)
    assert read_squad_table(tmp_path / "mine.tf_record").rows
    assert _names(tmp_path / "out") == []
    more = ["--predict_file", dev, "--predict_feature_left_file", tmp_path / "left"]
    convert("--train_file", train, "--do_train", "false", *more)
    assert _names(tmp_path / "out") == []
    assert (tmp_path / "left").exists()
    with pytest.raises(ConfigError, match=r"'RTE' is not SQuAD; other tasks are for create_finetuning_data\.py"):
        convert("--task_name", "RTE", "--train_file", train)


def test_an_old_pickle_is_refused_before_any_work(tmp_path: Path, convert: Run) -> None:
    (tmp_path / "left").write_bytes(b"\x80\x03]q\x00.")
    files = ["--train_file", squad_json(tmp_path / "a.json"), "--eval_file", squad_json(tmp_path / "b.json")]
    with pytest.raises(DataError, match="left: this is a pickle file of the old code"):
        convert(*files, "--predict_feature_left_file", tmp_path / "left")
    assert _names(tmp_path / "out") == []


def test_existing_output_is_refused_and_replaced_on_demand(tmp_path: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json")
    convert("--train_file", train, "--eval_file", train)
    path = tmp_path / "out" / "squad_v1.1_train.tfrecord"
    before = path.read_bytes()
    squad_json(train, [asked("q", "who made tea ?", "Ann", 0)])
    with pytest.raises(OutputError, match=r"squad_v1\.1_train\.tfrecord: the output exists already -> say --overwrite"):
        convert("--train_file", train)
    assert path.read_bytes() == before
    convert("--train_file", train, "--overwrite", "true")
    assert read_squad_table(path).rows == 3
    # Features are a cache: made anew without asking.
    convert("--eval_file", train)


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
    assert _names(tmp_path / "out") == []


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
    assert _names(tmp_path / "out") == []


def test_an_empty_context(tmp_path: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json", [asked("a", "who ?", "Ann")], context=" ")
    with pytest.raises(DataError, match=r"paragraphs\[0\]: context is empty"):
        convert("--train_file", train)


def test_a_bad_file_for_evaluation_leaves_no_records(tmp_path: Path, convert: Run) -> None:
    (tmp_path / "dev.json").write_text("{")
    with pytest.raises(DataError, match=r"dev\.json"):
        convert("--train_file", squad_json(tmp_path / "train.json"), "--eval_file", tmp_path / "dev.json")
    assert _names(tmp_path / "out") == []


def test_questions_for_evaluation_that_fill_the_windows_leave_no_records(tmp_path: Path, convert: Run) -> None:
    train = squad_json(tmp_path / "train.json", [asked("a", "who ?", "Ann")])
    files = ("--train_file", train, "--eval_file", squad_json(tmp_path / "dev.json"))
    with pytest.raises(ConfigError, match="has no room for a passage"):
        convert(*files, "--max_seq_length", 7)
    assert _names(tmp_path / "out") == []


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


def test_windows_that_do_not_overlap_are_told(tmp_path: Path, convert: Run, capsys: pytest.CaptureFixture[str]) -> None:
    train = squad_json(tmp_path / "train.json", [asked("a", "who ?", "Ann")])
    convert("--train_file", train, "--max_seq_length", 10, "--doc_stride", 5)
    assert "warning: windows of 1 questions do not overlap" in capsys.readouterr().err
    convert("--train_file", train, "--max_seq_length", 10, "--doc_stride", 4, "--overwrite", "true")
    assert "overlap" not in capsys.readouterr().err


def test_a_length_without_room_for_the_passage(tmp_path: Path, convert: Run) -> None:
    for option in ("--train_file", "--eval_file"):
        with pytest.raises(ConfigError, match="max_seq_length 7 has no room for a passage: the question has 5 tokens"):
            convert(option, squad_json(tmp_path / "train.json"), "--max_seq_length", 7)
    assert _names(tmp_path / "out") == []


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
    assert _names(tmp_path / "out") == []


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
    assert _names(tmp_path / "out") == []


def test_inspect_of_other_files(tmp_path: Path, convert: Run, vocab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert("--train_file", squad_json(tmp_path / "train.json"))
    path = tmp_path / "out" / "squad_v1.1_train.tfrecord"
    other = write_vocabulary(tmp_path / "other.txt", "more")
    with pytest.raises(DataError, match=r"the file was made with vocab\.txt .* -> give vocab\.txt"):
        _shown(capsys, 1, "--input", path, "--vocab_path", other)
    manifest_path(path).unlink()
    assert _shown(capsys, 1, "--input", path, "--vocab_path", vocab)[0].startswith(f"{path}: no manifest, ")
    foreign = write_foreign(tmp_path / "google.tf_record", [foreign_row(input_ids=np.full(16, 99))])
    with pytest.raises(DataError, match="id 99 is outside the vocabulary"):
        _shown(capsys, 1, "--input", foreign, "--vocab_path", vocab)
    record_samples.write_sample(tmp_path / "glue.tfrecord")
    with pytest.raises(DataError, match=r"glue\.tfrecord: the records are for classification"):
        _shown(capsys, 1, "--input", tmp_path / "glue.tfrecord", "--vocab_path", vocab)


def test_many_windows_are_announced(
    tmp_path: Path, convert: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(squad_command, "_MANY_ROWS", 1)
    convert("--train_file", squad_json(tmp_path / "train.json"))
    assert "writing " in capsys.readouterr().err


@pytest.mark.shared
def test_records_of_the_sample_are_those_of_the_reference(tmp_path: Path, shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden" / "squad_train_v2_128.json").read_text())
    config, rows = golden["config"], golden["features"]
    names = ("max_seq_length", "max_query_length", "doc_stride")
    lengths = [value for name in names for value in (f"--{name}", config[name])]
    given = ["--train_file", shared_data / "golden" / "squad_sample" / config["source"], "--output_dir", tmp_path]
    model = shared_data / "albert_en" / "30k-clean.model"
    assert main([str(value) for value in (*given, *lengths, "--spm_model_file", model)]) == 0
    table = read_squad_table(tmp_path / "squad_v2.0_train.mindrecord", vocab_size=30000, max_length=128)
    batch = table.batch(np.arange(table.rows), table.rows, config["max_seq_length"])
    assert table.rows == len(rows)
    for name in ("input_ids", "input_mask", "segment_ids"):
        assert batch[name].tolist() == [row[name] for row in rows]
    assert batch["start_positions"].tolist() == [row["start_position"] or 0 for row in rows]
    assert batch["end_positions"].tolist() == [row["end_position"] or 0 for row in rows]
    assert batch["is_impossible"].astype(bool).tolist() == [row["is_impossible"] for row in rows]
