"""What create_squad_data.py makes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import ConfigError, OutputError
from src.data import squad_command
from src.data.manifest import read_manifest
from src.data.squad import read_squad
from src.data.squad_cache import features_of
from src.data.squad_command import main
from src.data.squad_features import SquadSettings
from src.data.squad_manifest import info_of
from src.data.squad_table import read_squad_table
from src.data.tokenization import load_tokenizer
from tests.data.squad_command.support import Run, names_in, shown
from tests.data.squad_record_samples import TEXT, asked, squad_json


def test_train_and_eval(tmp_path: Path, convert: Run, vocab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, dev = squad_json(tmp_path / "train.json"), squad_json(tmp_path / "dev.json", version="v2.0")
    convert("--train_file", train, "--eval_file", dev)
    out = tmp_path / "out"
    assert names_in(out) == [
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
    lines = shown(capsys, 99, "--input", path, "--vocab_path", vocab)
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
    assert len(shown(capsys, 1, "--input", path, "--vocab_path", vocab)) == 6


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
    assert names_in(tmp_path / "out") == [
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
    assert names_in(tmp_path / "out") == []
    more = ["--predict_file", dev, "--predict_feature_left_file", tmp_path / "left"]
    convert("--train_file", train, "--do_train", "false", *more)
    assert names_in(tmp_path / "out") == []
    assert (tmp_path / "left").exists()
    with pytest.raises(ConfigError, match=r"'RTE' is not SQuAD; other tasks are for create_finetuning_data\.py"):
        convert("--task_name", "RTE", "--train_file", train)


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


def test_cut_questions_are_counted(tmp_path: Path, convert: Run, capsys: pytest.CaptureFixture[str]) -> None:
    qas = [asked("short", "who ?", "Ann", 0), asked("long", "who made tea ?", "Ann", 0)]
    train, dev = squad_json(tmp_path / "train.json", qas), squad_json(tmp_path / "dev.json", qas)
    convert("--train_file", train, "--eval_file", dev, "--max_query_length", 3)
    # The second time the features come from the cache.
    for more in ((), ("--overwrite", "true")):
        if more:
            convert("--train_file", train, "--eval_file", dev, "--max_query_length", 3, *more)
        lines = capsys.readouterr().out.splitlines()
        for split in ("train", "dev"):
            assert f"{split}: questions cut to --max_query_length 3: 1" in lines
    convert("--train_file", train, "--overwrite", "true")
    assert "questions cut" not in capsys.readouterr().out


def test_windows_that_do_not_overlap_are_told(tmp_path: Path, convert: Run, capsys: pytest.CaptureFixture[str]) -> None:
    train = squad_json(tmp_path / "train.json", [asked("a", "who ?", "Ann")])
    convert("--train_file", train, "--max_seq_length", 10, "--doc_stride", 5)
    assert "warning: windows of 1 questions do not overlap" in capsys.readouterr().err
    convert("--train_file", train, "--max_seq_length", 10, "--doc_stride", 4, "--overwrite", "true")
    assert "overlap" not in capsys.readouterr().err


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
