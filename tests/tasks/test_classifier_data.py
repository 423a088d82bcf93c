from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.common.errors import ConfigError, DataError
from src.config.load import load_config
from src.tasks.classifier_data import ClassifierData, load_classifier_data
from tests.data.record_samples import TOKENIZER, foreign_row, sample_rows, write_foreign, write_sample


def load(*argv: Any) -> ClassifierData:
    small = ["--albert_net_cfg.seq_length", "16", "--from_scratch", "true", "--run_dir", "nowhere"]
    loaded = load_config("classifier", [*small, *map(str, argv)])
    return load_classifier_data(loaded.values, loaded.network())


def splits(train: Path | None = None, dev: Path | None = None, test: Path | None = None) -> list[Any]:
    argv: list[Any] = []
    for path, flag, key in ((train, "train", "train"), (dev, "eval", "eval"), (test, "predict", "test")):
        argv += [] if path is None else [f"--do_{flag}", "true", f"--{key}_data_file_path", path]
    return argv


@pytest.fixture
def train(tmp_path: Path) -> Path:
    write_sample(tmp_path / "train.tfrecord")
    return tmp_path / "train.tfrecord"


def test_only_the_splits_that_are_needed_are_read(train: Path, tmp_path: Path) -> None:
    data = load(*splits(train), "--eval_data_file_path", tmp_path / "missing.tfrecord")
    assert data.train is not None
    assert (data.train.rows, data.evaluation, data.test) == (30, None, None)
    assert (data.kind, data.labels, data.num_outputs, data.task_name) == ("classification", ("no", "yes"), 2, "sample")
    assert (data.length, data.tokenizer.vocab_size if data.tokenizer else 0) == (16, 30000)


def test_the_longest_split_decides_the_length(train: Path, tmp_path: Path) -> None:
    dev = tmp_path / "dev.tfrecord"
    write_sample(dev, sample_rows(count=5, longest=8), max_seq_length=8)
    assert load(*splits(dev=dev), "--load_finetune_checkpoint_path", "x.ckpt").length == 8
    assert load(*splits(train, dev)).length == 16


def test_regression_has_one_output(tmp_path: Path) -> None:
    path = tmp_path / "scores.tfrecord"
    write_sample(path, kind="regression")
    data = load(*splits(path), "--num_class", "1")
    assert (data.kind, data.labels, data.num_outputs) == ("regression", (), 1)
    with pytest.raises(ConfigError, match="regression has 1 output, not 2"):
        load(*splits(path), "--num_class", "2")


def test_classes_of_the_data_and_num_class(train: Path) -> None:
    assert load(*splits(train), "--num_class", "2").labels == ("no", "yes")
    with pytest.raises(ConfigError, match="2 classes"):
        load(*splits(train), "--num_class", "3")


def test_records_without_class_names(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "foreign.tfrecord", [foreign_row(label=label) for label in (0, 2, 1)])
    with pytest.raises(
        ConfigError, match=r"num_class: the records .* no meta data -> name MNLI_meta_data .*_file_path"
    ):
        load(*splits(path), "--task_kind", "classification")
    data = load(*splits(path), "--task_kind", "classification", "--num_class", "3")
    assert (data.labels, data.task_name, data.tokenizer) == (("0", "1", "2"), "", None)


def test_the_given_task_name_goes_first(train: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "binary.tfrecord", labels=["0", "1"])
    assert load(*splits(tmp_path / "binary.tfrecord"), "--task_name", "CoLA").task_name == "CoLA"
    with pytest.raises(ConfigError, match="CoLA has the classes 0, 1"):
        load(*splits(train), "--task_name", "CoLA")


def test_splits_of_different_kinds(train: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "dev.tfrecord", kind="regression")
    with pytest.raises(DataError, match=r"kind is regression, that of .*train\.tfrecord is classification"):
        load(*splits(train, tmp_path / "dev.tfrecord"))


def test_splits_with_different_classes(train: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "dev.tfrecord", labels=["yes", "no"])
    with pytest.raises(DataError, match="list of labels"):
        load(*splits(train, tmp_path / "dev.tfrecord"))


def test_splits_of_different_tokenizers(train: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "dev.tfrecord", tokenizer={**TOKENIZER, "sha256": "1" * 64})
    with pytest.raises(DataError, match="sha256") as caught:
        load(*splits(train, tmp_path / "dev.tfrecord"))
    assert caught.value.where == str(tmp_path / "dev.tfrecord")


@pytest.mark.parametrize(("flag", "place"), [("do_train", 0), ("do_eval", 1)])
def test_rows_without_labels_can_only_be_predicted(train: Path, tmp_path: Path, flag: str, place: int) -> None:
    rows = [type(row)(row.input_ids, row.segment_ids) for row in sample_rows()]
    write_sample(tmp_path / "bare.tfrecord", rows, has_labels=False)
    paths: list[Path | None] = [train, None, None]
    paths[place] = tmp_path / "bare.tfrecord"
    with pytest.raises(DataError, match=flag):
        load(*splits(*paths))
    test = load(*splits(train, test=tmp_path / "bare.tfrecord")).test
    assert test is not None
    assert test.label_ids is None


def test_rows_longer_than_the_network(train: Path) -> None:
    with pytest.raises(DataError, match="16"):
        load(*splits(train), "--albert_net_cfg.seq_length", "12")


def test_another_vocabulary_size_is_worth_a_warning(train: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(*splits(train), "--albert_net_cfg.vocab_size", "30001")
    assert "30000 entries, the network's vocab_size is 30001" in caplog.text
