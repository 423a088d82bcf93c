"""Real data of every kind, from the original files to predictions; a network far too small to learn anything."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.data.manifest import read_manifest
from tests.data.record_samples import foreign_row, write_foreign
from tests.entry.runs import NETWORK, TRAINING, classify, convert, losses_of, read_jsonl, records_of

pytestmark = pytest.mark.slow

LENGTH = 64
SMALL = {
    **NETWORK,
    **TRAINING,
    "albert_net_cfg.seq_length": LENGTH,
    "albert_net_cfg.max_position_embeddings": LENGTH,
    "albert_net_cfg.vocab_size": 30000,
    "albert_net_cfg.embedding_size": 8,
    "albert_net_cfg.hidden_size": 16,
    "albert_net_cfg.intermediate_size": 32,
    "train_steps": 4,
    "eval_batch_size": 128,
}


@dataclass(frozen=True)
class RealTask:
    """A task, the metrics it must report, and the rows of its files."""

    name: str
    metrics: tuple[str, ...]
    rows: tuple[int, int, int]
    last_line: str
    submission: str = ""


GLUE = (
    RealTask("CoLA", ("mcc", "accuracy"), (8551, 1043, 1063), r"MCC -?\d\.\d{6}", "CoLA.tsv"),
    RealTask(
        "STS-B",
        ("pearson", "spearman_correlation", "mse"),
        (5749, 1500, 1379),
        r"Pearson Correlation is -?\d\.\d{6}",
        "STS-B.tsv",
    ),
    RealTask(
        "MRPC",
        ("accuracy", "f1", "precision", "recall"),
        (3668, 408, 1725),
        r"acc_num \d+ , total_num 408, accuracy \d\.\d{6}",
        "MRPC.tsv",
    ),
)


def rows_of(folder: Path, name: str) -> tuple[int, ...]:
    manifests = [read_manifest(folder / f"{name.lower()}_{split}.tfrecord") for split in ("train", "dev", "test")]
    return tuple(manifest.rows for manifest in manifests if manifest is not None)


def train(folder: Path, name: str, vocabulary: dict[str, Any], more: dict[str, Any] | None = None) -> str:
    """Train a few steps, evaluate and predict; return the last line."""
    paths = {
        f"{key}_data_file_path": folder / f"{name.lower()}_{split}.tfrecord"
        for key, split in (("train", "train"), ("eval", "dev"), ("test", "test"))
    }
    flags = {"do_eval": True, "do_predict": True, "run_dir": folder / "run"}
    return classify(SMALL, paths, flags, vocabulary, more or {}).last_line


def report_of(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "run" / "eval" / f"{name.lower()}_dev.json").read_text())
    return content


def convert_to(folder: Path, *argv: Any) -> None:
    convert(["--output_dir", folder, "--file_format", "tfrecord", "--max_seq_length", LENGTH, *argv])


@pytest.mark.shared
@pytest.mark.parametrize("task", GLUE, ids=lambda task: task.name)
def test_glue(task: RealTask, shared_data: Path, tmp_path: Path) -> None:
    model = shared_data / "albert_en" / "30k-clean.model"
    convert_to(tmp_path, "--task_name", task.name, "--input_dir", shared_data / "glue", "--spm_model_file", model)
    assert rows_of(tmp_path, task.name) == task.rows
    line = train(tmp_path, task.name, {"spm_model_file": model})
    assert re.fullmatch(task.last_line, line)
    report = report_of(tmp_path, task.name)
    assert tuple(report["figures"]) == task.metrics
    assert (report["rows"], report["total_num"]) == (task.rows[1], task.rows[1])
    assert list(records_of(tmp_path / "run", "eval")[-1])[4:] == list(task.metrics)
    assert len(losses_of(tmp_path / "run")) == 4
    predictions = tmp_path / "run" / "predictions"
    assert len(read_jsonl(predictions / "predictions.jsonl")) == task.rows[2]
    assert len((predictions / task.submission).read_text().splitlines()) == task.rows[2] + 1
    assert (tmp_path / "run" / "assets" / "30k-clean.model").read_bytes() == model.read_bytes()


@pytest.mark.shared
def test_mnli_answers_for_mismatched_and_diagnostic(shared_data: Path, tmp_path: Path) -> None:
    """One network, three evaluations: each writes the file of the task that its rows are of."""
    model = shared_data / "albert_en" / "30k-clean.model"
    given = ["--input_dir", shared_data / "glue", "--spm_model_file", model]
    for task in ("MNLI", "MNLI-mm", "AX"):
        convert_to(tmp_path, "--task_name", task, *given, *(["--do_eval", "true"] if task == "MNLI-mm" else []))
    files = {
        "train_data_file_path": tmp_path / "mnli_train.tfrecord",
        "eval_data_file_path": tmp_path / "mnli_dev.tfrecord",
        "test_data_file_path": tmp_path / "ax_test.tfrecord",
    }
    keys = {"spm_model_file": model, "do_eval": True, "do_predict": True, "run_dir": tmp_path / "run"}
    assert re.fullmatch(r"acc_num \d+ , total_num 1000, accuracy \d\.\d{6}", classify(SMALL, files, keys).last_line)
    header, *rows = (tmp_path / "run" / "predictions" / "AX.tsv").read_text().splitlines()
    assert len(rows) == 1104
    assert {row.split("\t")[1] for row in rows} <= {"entailment", "neutral", "contradiction"}
    assert header == "index\tprediction"
    assert not (tmp_path / "run" / "predictions" / "MNLI-m.tsv").exists()
    mismatched = {
        "do_eval": True,
        "eval_data_file_path": tmp_path / "mnli-mm_dev.tfrecord",
        "load_finetune_checkpoint_path": tmp_path / "run" / "checkpoints" / "classifier-best.ckpt",
    }
    outcome = classify({key: value for key, value in SMALL.items() if key not in TRAINING}, mismatched)
    assert "total_num 1000" in outcome.last_line
    assert (tmp_path / "run" / "eval" / "mnli-mm_dev.json").is_file()


@pytest.mark.shared
def test_chinese_sentiment_with_wordpiece(shared_data: Path, tmp_path: Path) -> None:
    source, vocabulary = shared_data / "chnsenticorp", shared_data / "albert_zh" / "vocab.txt"
    files = [item for split in ("train", "dev", "test") for item in (f"--{split}_file", source / f"{split}.tsv")]
    columns = ["--text_a_column", 0, "--label_column", 1, "--test_text_a_column", "text_a"]
    convert_to(tmp_path, "--task_name", "chnsenticorp", *files, *columns, "--vocab_path", vocabulary)
    rows = rows_of(tmp_path, "chnsenticorp")
    assert rows == (3778, 1200, 1200)
    entries = len(vocabulary.read_text(encoding="utf-8").splitlines())
    keys = {"albert_net_cfg.vocab_size": entries, "assessment_method": "F1"}
    line = train(tmp_path, "chnsenticorp", {"vocab_file_path": vocabulary}, keys)
    assert re.fullmatch(r"F1 \d\.\d{6}", line)
    report = report_of(tmp_path, "chnsenticorp")
    assert (report["rows"], report["labels"]) == (1200, ["negative", "positive"])
    records = read_jsonl(tmp_path / "run" / "predictions" / "predictions.jsonl")
    assert len(records) == 1200
    assert {record["label"] for record in records} <= {"negative", "positive"}


def sentences_of(path: Path) -> list[list[list[str]]]:
    sentences: list[list[list[str]]] = [[]]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip(" \t"):
            sentences[-1].append(line.split("\t"))
        elif sentences[-1]:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


@pytest.mark.shared
def test_entities_of_wnut17(shared_data: Path, tmp_path: Path) -> None:
    """Records are short, so that sentences fall into several: each comes back as one."""
    source, model = shared_data / "ner" / "wnut17", shared_data / "albert_en" / "30k-clean.model"
    files = {
        "train": source / "train" / "wnut17train.conll",
        "dev": source / "dev" / "emerging.dev.conll",
        "test": source / "test" / "emerging.test.annotated",
    }
    given = [item for split, path in files.items() for item in (f"--{split}_file", path)]
    kind = ["--task_name", "wnut17", "--task_kind", "token_classification", "--spm_model_file", model]
    convert_to(tmp_path, *kind, *given, "--max_seq_length", 32)
    dev, test = sentences_of(files["dev"]), sentences_of(files["test"])
    rows = rows_of(tmp_path, "wnut17")
    assert rows[1] > len(dev) == 1009
    assert rows[2] > len(test) == 1287
    line = train(tmp_path, "wnut17", {"spm_model_file": model}, {"bucket_list": "[]"})
    assert re.fullmatch(r"F1 \d\.\d{6}", line)
    report = report_of(tmp_path, "wnut17")
    assert report["total_num"] == sum(map(len, dev))
    assert set(report["figures"]) == {"f1", "accuracy", "precision", "recall"}
    assert set(report["entities"]) >= {"person", "location", "corporation", "group", "product", "creative-work"}
    records = read_jsonl(tmp_path / "run" / "predictions" / "predictions.jsonl")
    assert [record["expected"] for record in records] == [[cells[-1] for cells in sentence] for sentence in test]
    assert all(len(record["words"]) == len(record["tags"]) for record in records)


def tf_file(path: Path, rows: Sequence[tuple[int, int, int]]) -> Path:
    """Write records as TensorFlow's converters do: (length, label, is_real_example) of each."""
    return write_foreign(
        path,
        [
            foreign_row(length, label, is_real_example=np.array([real]), weight=np.array([1.0], np.float32))
            for length, label, real in rows
        ],
    )


def test_records_of_tensorflow_converters(tmp_path: Path) -> None:
    """Length decides the label; fillers (is_real_example 0) count nowhere."""
    train_rows = [(3, 0, 1), (7, 1, 1)] * 16
    dev_rows = [(3, 0, 1), (4, 0, 1), (7, 1, 1), (8, 1, 1), (6, 1, 1)] * 3 + [(1, 0, 0)] * 4
    meta = {"task_type": "bert_classification", "processor_type": "own", "num_labels": 2, "max_seq_length": 8}
    (tmp_path / "meta.json").write_text(json.dumps({**meta, "train_data_size": 32, "eval_data_size": 19}))
    files = {
        "train_data_file_path": tf_file(tmp_path / "train.tf_record", train_rows),
        "eval_data_file_path": tf_file(tmp_path / "eval.tf_record", dev_rows),
        "test_data_file_path": tf_file(tmp_path / "test.tf_record", dev_rows),
        "meta_data_file_path": tmp_path / "meta.json",
    }
    keys = {
        "do_eval": True,
        "do_predict": True,
        "epoch_num": 10,
        "train_batch_size": 8,
        "task_name": "WNLI",
        "run_dir": tmp_path / "run",
    }
    outcome = classify(NETWORK, TRAINING, files, keys)
    match = re.fullmatch(r"acc_num (\d+) , total_num 15, accuracy \d\.\d{6}", outcome.last_line)
    assert match
    assert int(match[1]) >= 12
    assert "4 filler rows" in outcome.err
    records = read_jsonl(tmp_path / "run" / "predictions" / "predictions.jsonl")
    assert [record["expected"] for record in records] == ["0", "0", "1", "1", "1"] * 3
    assert len((tmp_path / "run" / "predictions" / "WNLI.tsv").read_text().splitlines()) == 16
