from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from src.common.cli import run_command
from src.common.errors import AlbertError, ConfigError, DataError, OutputError
from src.data.convert_command import main
from src.data.features import build_pair
from src.data.manifest import read_manifest
from src.data.table import FinetuneTable, read_table
from src.data.tokenization import Tokenizer, load_tokenizer

_WORDS = ["good", "bad", "film", "a", "the", "un", "##able", "EU", "rejects", "call", "##s"]


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS]) + "\n")
    return path


@pytest.fixture
def tokenizer(vocab: Path) -> Tokenizer:
    return load_tokenizer(vocab_file_path=vocab)


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    folder = tmp_path / "glue" / "SST-2"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text("sentence\tlabel\na good film\t1\nbad\t0\nthe film a bad film\t0\n")
    (folder / "dev.tsv").write_text("sentence\tlabel\ngood\t1\n")
    (folder / "test.tsv").write_text("index\tsentence\n0\tthe film\n")
    return folder.parent


def _convert(vocab: Path, out: Path, *extra: object) -> None:
    given = ["--vocab_path", vocab, "--output_dir", out, "--file_format", "tfrecord", "--max_seq_length", 6, *extra]
    assert main([str(value) for value in given]) == 0


def _tokens(table: FinetuneTable, row: int, tokenizer: Tokenizer) -> list[str]:
    return tokenizer.ids_to_tokens(table.token_ids[table.offsets[row] : table.offsets[row + 1]].tolist())


def _labels(table: FinetuneTable) -> list[float]:
    assert table.label_ids is not None
    return table.label_ids.tolist()


def test_glue_task_with_all_its_splits(
    glue: Path, vocab: Path, tmp_path: Path, tokenizer: Tokenizer, capsys: pytest.CaptureFixture[str]
) -> None:
    _convert(vocab, tmp_path / "out", "--task_name", "sst-2", "--input_dir", glue)
    train = read_table(tmp_path / "out" / "sst-2_train.tfrecord")
    assert [_tokens(train, row, tokenizer) for row in range(3)] == [
        ["[CLS]", "a", "good", "film", "[SEP]"],
        ["[CLS]", "bad", "[SEP]"],
        ["[CLS]", "the", "film", "a", "bad", "[SEP]"],
    ]
    assert _labels(train) == [1, 0, 0]
    manifest = read_manifest(tmp_path / "out" / "sst-2_test.tfrecord")
    assert manifest is not None
    assert (manifest.task_name, manifest.split, manifest.labels, manifest.has_labels) == (
        "SST-2",
        "test",
        ["0", "1"],
        False,
    )
    assert read_table(tmp_path / "out" / "sst-2_test.tfrecord").label_ids is None
    printed = capsys.readouterr().out
    summary = next(line for line in printed.splitlines() if line.startswith("train "))
    assert " ".join(summary.split()) == "train 3 1 4.7 6 6 0: 2 (66.7 %), 1: 1 (33.3 %)"


def test_only_the_splits_asked_for(glue: Path, vocab: Path, tmp_path: Path) -> None:
    _convert(vocab, tmp_path / "a", "--task_name", "SST2", "--input_dir", glue / "SST-2", "--do_eval=true")
    assert [path.name for path in (tmp_path / "a").glob("*.tfrecord")] == ["sst2_dev.tfrecord"]
    _convert(vocab, tmp_path / "b", "--task_name", "SST-2", "--input_dir", glue, "--do_pred", "false")
    assert sorted(path.name for path in (tmp_path / "b").glob("*.tfrecord")) == [
        "sst-2_dev.tfrecord",
        "sst-2_train.tfrecord",
    ]
    (glue / "SST-2" / "test.tsv").unlink()
    with pytest.raises(ConfigError, match=r"there is no test file \(looked for test.tsv in"):
        _convert(vocab, tmp_path / "c", "--task_name", "SST-2", "--input_dir", glue, "--do_pred", "1")


def test_existing_output_is_refused_and_replaced_on_demand(glue: Path, vocab: Path, tmp_path: Path) -> None:
    arguments = ["--task_name", "SST-2", "--input_dir", glue, "--do_eval", "true"]
    _convert(vocab, tmp_path / "out", *arguments)
    path = tmp_path / "out" / "sst-2_dev.tfrecord"
    before = path.read_bytes()
    (glue / "SST-2" / "dev.tsv").write_text("sentence\tlabel\nbad\t0\nbad\t0\n")
    with pytest.raises(OutputError, match="exists"):
        _convert(vocab, tmp_path / "out", *arguments)
    assert path.read_bytes() == before
    _convert(vocab, tmp_path / "out", *arguments, "--overwrite", "true")
    assert read_table(path).rows == 2


def test_a_bad_row_in_the_last_split_leaves_no_file(glue: Path, vocab: Path, tmp_path: Path) -> None:
    (glue / "SST-2" / "dev.tsv").write_text("sentence\tlabel\ngood\t1\nbad\tx\n")
    with pytest.raises(DataError, match=r"dev\.tsv:3: unknown label 'x', known are '0', '1'"):
        _convert(vocab, tmp_path / "out", "--task_name", "SST-2", "--input_dir", glue)
    assert not list(tmp_path.glob("out/*"))


def test_regression_bounds_and_values(vocab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "STS-B"
    folder.mkdir()
    (folder / "dev.tsv").write_text("index\tsentence1\tsentence2\tscore\n0\tgood\tbad\t3.75\n")
    _convert(vocab, tmp_path / "out", "--task_name", "sts-b", "--input_dir", tmp_path)
    table = read_table(tmp_path / "out" / "sts-b_dev.tfrecord")
    assert (table.kind, _labels(table)) == ("regression", [3.75])
    assert table.segment_ids.tolist() == [0, 0, 0, 1, 1]
    (folder / "dev.tsv").write_text("index\tsentence1\tsentence2\tscore\n0\tgood\tbad\t5.5\n")
    with pytest.raises(DataError, match=r"dev\.tsv:2: the score 5\.5 lies outside 0\.\.5"):
        _convert(vocab, tmp_path / "out", "--task_name", "sts-b", "--input_dir", tmp_path, "--overwrite", "true")


def test_own_csv_with_inferred_labels(vocab: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "train.csv").write_text("q,a,y\ngood film,bad,yes\nbad,good,no\n")
    (tmp_path / "dev.csv").write_text("q,a,y\n,bad,no\n")
    own = ["--task_name", "Mine", "--train_file", tmp_path / "train.csv", "--dev_file", tmp_path / "dev.csv"]
    columns = ["--text_a_column", "q", "--text_b_column", "a", "--label_column", "y"]
    _convert(vocab, tmp_path / "out", *own, *columns)
    train = read_table(tmp_path / "out" / "mine_train.tfrecord")
    assert (train.labels, _labels(train)) == (("no", "yes"), [1, 0])
    dev = read_table(tmp_path / "out" / "mine_dev.tfrecord")
    assert _tokens(dev, 0, tokenizer) == ["[CLS]", "[SEP]", "bad", "[SEP]"]
    manifest = read_manifest(tmp_path / "out" / "mine_dev.tfrecord")
    assert manifest is not None
    assert (manifest.settings["empty_texts"], manifest.settings["source"]["file"]) == (1, "dev.csv")


def test_own_data_of_one_split_needs_labels(vocab: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text("good\tb\nbad\ta\n")
    own = ["--task_name", "mine", "--dev_file", tmp_path / "dev.tsv", "--text_a_column", 0, "--label_column", 1]
    with pytest.raises(ConfigError, match="--labels"):
        _convert(vocab, tmp_path / "out", *own)
    _convert(vocab, tmp_path / "out", *own, "--labels", "b,a")
    assert _labels(read_table(tmp_path / "out" / "mine_dev.tfrecord")) == [0, 1]


def test_conll_long_sentences_become_windows(vocab: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    lines = ["EU\tB-ORG", "rejects\tO", "unable\tB-X", "calls\tI-X", "a\tO", "\u0301\tO"]
    (tmp_path / "train.conll").write_text("\n".join(lines) + "\n\ngood\tO\n", encoding="utf-8")
    _convert(
        vocab, tmp_path / "out", "--task_name", "ner", "--task_kind", "token_classification", "--do_lower_case",
        "false", "--train_file", tmp_path / "train.conll",
    )  # fmt: skip
    table = read_table(tmp_path / "out" / "ner_train.tfrecord")
    assert table.labels == ("O", "B-ORG", "B-X", "I-X")
    assert [_tokens(table, row, tokenizer)[1:-1] for row in range(table.rows)] == [
        ["EU", "rejects"],
        ["un", "##able", "call", "##s"],
        ["a", "[UNK]"],
        ["good"],
    ]
    assert _labels(table) == [-100, 1, 0, -100, -100, 2, -100, 3, -100, -100, -100, 0, 0, -100, -100, 0, -100]
    manifest = read_manifest(tmp_path / "out" / "ner_train.tfrecord")
    assert manifest is not None
    assert (manifest.settings["continued_rows"], manifest.settings["examples"]) == ([1, 2], 2)


def test_names_of_the_tf_converter(glue: Path, vocab: Path, tmp_path: Path) -> None:
    arguments = [
        f"--input_data_dir={glue}/SST-2/",
        f"--vocab_file={vocab}",
        f"--train_data_output_path={tmp_path}/out/x_train.tf_record",
        f"--eval_data_output_path={tmp_path}/out/x_eval.tf_record",
        f"--meta_data_file_path={tmp_path}/out/x_meta_data",
        "--fine_tuning_task_type=classification",
        "--max_seq_length=6",
        "--classification_task_name=SST-2",
        "--tokenization=WordPiece",
    ]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "out" / "x_meta_data").read_text()) == {
        "task_type": "bert_classification",
        "processor_type": "SST-2",
        "num_labels": 2,
        "train_data_size": 3,
        "eval_data_size": 1,
        "max_seq_length": 6,
    }
    assert read_table(tmp_path / "out" / "x_eval.tf_record").rows == 1
    with pytest.raises(ConfigError, match="SentencePiece is asked for"):
        main([*arguments, "--tokenization=SentencePiece", "--overwrite=1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the task has no name"),
        (["--task_name", "SST-2"], "no input is given"),
        (["--task_name", "SST-3", "--input_dir", "."], r"none of GLUE's tasks .* did you mean SST-2"),
        (["--task_name", "a/b", "--train_file", "x.tsv"], "cannot begin a file name"),
        (["--task_name", "SST-2", "--input_dir", "nowhere"], "nowhere: the input folder does not exist"),
        (["--task_name", "SST-2", "--input_dir", "empty"], "no file of any split was found"),
        (["--task_name", "SST-2", "--input_dir", "empty", "--labels", "a,b"], "--labels: the option does not apply"),
        (["--task_name", "SST-2", "--input_dir", "empty", "--task_kind", "regression"], "SST-2 is classification"),
        (
            ["--task_name", "SST-2", "--input_dir", "empty", "--do_train=0", "--do_eval=0", "--do_pred=0"],
            "all three splits are switched off",
        ),
        (["--task_name", "x", "--train_file", "none.tsv"], r"none\.tsv: file not found"),
        (["--task_name", "x", "--train_file", "none.tsv", "--tag_column", "1"], "--tag_column: the option does not"),
        (["--task_name", "x", "--train_file", "none.tsv", "--input_dir", "."], "for GLUE tasks only"),
        (["--task_name", "x", "--task_kind", "y"], "invalid choice: 'y'"),
        (["--task_nam", "x"], "unknown option --task_nam -> did you mean --task_name"),
        (["--do_train", "yes"], "'yes' is neither true nor false"),
        (["--max_seq_length", "2"], "not a length of at least 3"),
        (["--labels", "a,a"], "not a list of two or more different labels"),
        (["--input", "x.mindrecord"], "it is for --inspect"),
    ],
)
def test_wrong_options(
    arguments: list[str], message: str, vocab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AlbertError, match=message) as raised:
        main(["--vocab_path", str(vocab), "--output_dir", "out", *arguments])
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_missing_output_and_vocabulary(glue: Path, vocab: Path) -> None:
    with pytest.raises(ConfigError, match="no place for the output"):
        main(["--task_name", "SST-2", "--input_dir", str(glue), "--vocab_path", str(vocab)])
    with pytest.raises(DataError, match="no vocabulary is given"):
        main(["--task_name", "SST-2", "--input_dir", str(glue), "--output_dir", str(glue)])


def test_a_mistake_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["--task_name", "SST-2", "--vocab_path", str(tmp_path / "none.txt")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_file_in_the_place_of_the_output_folder(glue: Path, vocab: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        _convert(vocab, tmp_path / "out", "--task_name", "SST-2", "--input_dir", glue)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(glue: Path, vocab: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="no permission"):
        _convert(vocab, tmp_path / "out", "--task_name", "SST-2", "--input_dir", glue)


@pytest.mark.shared
@pytest.mark.parametrize("task", ["CoLA", "MNLI-mm"])
def test_real_task_to_mindrecord(shared_data: Path, tmp_path: Path, task: str) -> None:
    model = shared_data / "albert_en" / "30k-clean.model"
    arguments = [
        "--task_name",
        task,
        "--input_dir",
        shared_data / "glue",
        "--output_dir",
        tmp_path,
        "--do_eval",
        "true",
    ]
    assert main([str(value) for value in [*arguments, "--spm_model_file", model, "--max_seq_length", 64]]) == 0
    table = read_table(tmp_path / f"{task.lower()}_dev.mindrecord")
    assert table.rows == {"CoLA": 1043, "MNLI-mm": 1000}[task]
    assert table.lengths.max() <= 64
    assert (tmp_path / f"{task.lower()}_dev.mindrecord").stat().st_size < 2_000_000
    if task == "CoLA":
        tokenizer = load_tokenizer(spm_model_file=model)
        ids = tokenizer.encode("The sailors rode the breeze clear of the rocks.")
        features = build_pair(ids, None, 64, tokenizer)
        assert table.token_ids[: table.offsets[1]].tolist() == features.input_ids
