from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.data.table import read_table
from src.offline.results import expected_outputs
from tests.entry.runs import LENGTH, call, content_of, read_jsonl
from tests.offline.answers import ROWS, Data, ask, ask_about, labels_first, refused, score, write_results
from tests.offline.samples import check_refused
from tests.tasks import squad_runs


def test_accuracy_is_that_of_the_rows_without_padding(answered: Path) -> None:
    outcome = score(answered)
    assert outcome.status == 0, outcome.err
    assert outcome.last_line == f"acc_num 34 , total_num 37, accuracy {34 / 37:.6f}"
    assert (answered / "acc.log").read_text() == outcome.out
    folder = answered / "predictions" / "sst2"
    assert json.loads((folder / "metrics.json").read_text())["acc_num"] == 34
    records = read_jsonl(folder / "predictions.jsonl")
    assert [row["label"] == row["expected"] for row in records] == [*[False] * 3, *[True] * 34]


def test_the_documented_options(answered: Path, tiny_data: Data) -> None:
    asked = answered / "asked"
    old = ["--batch_size", ROWS, "--label_dir", asked / "03_data", "--result_dir", answered / "answered"]
    old += ["--input1_path", asked / "01_data", "--task_type", "sst2"]
    old += ["--eval_data_file_path", tiny_data["sst-2"].file("dev"), "--eval_json_path", ""]
    outputs = ["--acc_log", answered / "acc.log", "--predictions_dir", answered / "predictions"]
    outcome = call("postprocess", [*old, *outputs])
    assert outcome.status == 0, outcome.err
    assert outcome.last_line.startswith("acc_num 34 ")


def test_another_metric_decides(answered: Path) -> None:
    assert score(answered, "--assessment_method", "Mcc").last_line.startswith("MCC 0.8")
    check_refused(score(answered, "--assessment_method", "pearson"), "pearson is no metric")


def test_halves_are_taken_for_floats(tiny_data: Data, tmp_path: Path) -> None:
    manifest = ask_about(tiny_data["sst-2"], tmp_path)
    write_results(tmp_path / "answered", manifest, labels_first(tiny_data["sst-2"], 1, "float16"))
    assert score(tmp_path).last_line.startswith("acc_num 36 ")


def test_moved_records_are_found_by_their_option(answered: Path, tiny_data: Data) -> None:
    place = answered / "asked" / "manifest.json"
    content = json.loads(place.read_text())
    content["data"]["path"] = "/no/such.mindrecord"
    place.write_text(json.dumps(content))
    refused(answered, what="such.mindrecord")
    assert score(answered, "--eval_data_file_path", tiny_data["sst-2"].file("dev")).status == 0


def test_scores_and_tags(tiny_data: Data, tmp_path: Path) -> None:
    for task, last in (("sts-b", "Pearson Correlation is 1.000000"), ("names", "F1 1.000000")):
        table = read_table(tiny_data[task].file("dev"))
        manifest = ask_about(tiny_data[task], tmp_path / task, "dev", "--vocab_file_path", tiny_data[task].vocabulary)

        def answers(number: int, ids: np.ndarray, table: Any = table, manifest: Any = manifest) -> list[np.ndarray]:
            rows = np.arange(number * ROWS, min((number + 1) * ROWS, table.rows))
            labels = table.batch(rows, ROWS, LENGTH)["label_ids"]
            if table.kind == "regression":
                return [labels.reshape(ROWS, 1)]
            return [np.eye(len(manifest.labels), dtype=np.float32)[np.maximum(labels, 0)]]

        write_results(tmp_path / task / "answered", manifest, answers)
        outcome = score(tmp_path / task)
        assert outcome.status == 0, outcome.err
        assert outcome.last_line == last
    words = (tmp_path / "names" / "predictions" / "names" / "predictions.conll").read_text()
    assert "rome\tB-LOC\tB-LOC\n" in words


def test_tags_without_a_vocabulary_are_scored_and_not_written(tiny_data: Data, tmp_path: Path) -> None:
    manifest = ask_about(tiny_data["names"], tmp_path)
    (_, shape), *_ = expected_outputs(manifest)
    write_results(tmp_path / "answered", manifest, lambda number, ids: [np.zeros(shape, np.float32)])
    outcome = score(tmp_path)
    assert outcome.status == 0, outcome.err
    assert "no tags are written" in outcome.err
    assert [path.name for path in (tmp_path / "predictions" / "names").iterdir()] == ["metrics.json"]


def test_rows_without_labels_are_predicted_and_not_scored(tiny_data: Data, tmp_path: Path) -> None:
    manifest = ask_about(tiny_data["sst-2"], tmp_path, "test")
    write_results(tmp_path / "answered", manifest, lambda number, ids: [np.zeros((ROWS, 2), np.float32)])
    outcome = score(tmp_path)
    assert outcome.out == "total_num 21, no labels: nothing to compare with\n"
    folder = tmp_path / "predictions" / "sst2"
    assert len(read_jsonl(folder / "predictions.jsonl")) == 21
    assert not (folder / "metrics.json").exists()


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    """Return a folder with questions whose gold answer is always "was"."""
    vocabulary = squad_runs.write_vocabulary(tmp_path / "vocab.txt")
    squad_runs.write_squad(tmp_path / "dev.json")
    cut = ["--seq_length", squad_runs.LENGTH, "--max_query_length", squad_runs.QUERY_LENGTH]
    cut += ["--doc_stride", squad_runs.STRIDE, "--eval_batch_size", ROWS, "--vocab_file_path", vocabulary]
    manifest = ask(tmp_path, "--eval_json_path", tmp_path / "dev.json", *cut)
    word = vocabulary.read_text().splitlines().index("was")

    def answers(number: int, ids: np.ndarray) -> list[np.ndarray]:
        stem = manifest.stems[number]
        inside = np.fromfile(tmp_path / "asked" / "02_data" / f"{stem}.bin", "<i4").reshape(ids.shape)
        logits = np.where((ids == word) & (inside == 1), 9.0, -9.0).astype(np.float32)
        return [np.stack((logits, logits), axis=-1)]

    write_results(tmp_path / "answered", manifest, answers)
    return tmp_path


def test_answers_to_questions(squad: Path) -> None:
    outcome = score(squad, "--task_type", "squad_v1.1")
    assert outcome.status == 0, outcome.err
    assert outcome.last_line == '{"exact_match": 100.0, "f1": 100.0}'
    names = {path.name for path in (squad / "predictions" / "squadv1").iterdir()}
    assert names == {"predictions.json", "nbest_predictions.json", "metrics.json", "errors.json"}


def test_questions_without_gold_answers_are_answered_and_not_scored(squad: Path) -> None:
    content = json.loads((squad / "dev.json").read_text())
    for paragraph in content["data"][0]["paragraphs"]:
        for row in paragraph["qas"]:
            row["answers"] = []
    (squad / "bare").mkdir()
    (squad / "bare" / "dev.json").write_text(json.dumps(content))
    given = ["--eval_json_path", squad / "bare" / "dev.json", "--seq_length", 24, "--max_query_length", 6]
    given += ["--doc_stride", 5, "--vocab_file_path", squad / "vocab.txt"]
    manifest = ask(squad / "bare", *given)
    (_, shape), *_ = expected_outputs(manifest)
    write_results(squad / "bare" / "answered", manifest, lambda number, ids: [np.zeros(shape, np.float32)])
    outcome = score(squad / "bare")
    assert outcome.status == 0, outcome.err
    assert outcome.out == "total_num 6, 6 without an answer to compare with: not scored\n"
    assert (squad / "bare" / "predictions" / "squadv1" / "predictions.json").is_file()


def test_another_json_file_or_vocabulary(squad: Path) -> None:
    other = squad / "other.json"
    other.write_text((squad / "dev.json").read_text() + " ")
    refused(squad, "--eval_json_path", other, what="this is not the file that the batches were made of")
    words = squad / "asked" / "tokenizer" / "vocab.txt"
    words.write_text(words.read_text() + "more\n")
    refused(squad, what="the vocabulary is not the one")
    words.unlink()
    refused(squad, what="vocab.txt")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--task_type", "squadv2"], "preprocess.py wrote files for squadv1, not for squadv2"),
        (["--task_type", "mnli"], "preprocess.py wrote files for squadv1"),
        (["--assessment_method", "f1"], "SQuAD has its own metrics"),
    ],
)
def test_options_that_contradict_questions(given: list[str], what: str, squad: Path) -> None:
    refused(squad, *given, what=what)


def test_other_records(answered: Path, tiny_data: Data) -> None:
    for split in ("train", "test"):
        refused(answered, "--eval_data_file_path", tiny_data["sst-2"].file(split), what="checksums differ")
    refused(answered, "--eval_data_file_path", tiny_data["rte"].file("dev"), what="checksums differ")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--batch_size", 1], "batches of 8 rows, not 1"),
        (["--task_type", "mrpc"], "files for sst2, not for mrpc"),
        (["--task_type", "squadv1"], "files for sst2, not for squadv1"),
        (["--label_dir", "elsewhere/03_data"], "different folders"),
    ],
)
def test_options_that_contradict_the_manifest(given: list[object], what: str, answered: Path) -> None:
    refused(answered, *given, what=what)


def test_outputs_do_not_go_among_the_inputs(answered: Path) -> None:
    records = answered / "dev.mindrecord"
    records.write_bytes(b"records")
    before = content_of(answered)
    for option, place in (
        ("--acc_log", records),
        ("--acc_log", answered / "answered" / "acc.log"),
        ("--acc_log", answered / "asked"),
        ("--predictions_dir", answered / "asked" / "03_data"),
        ("--predictions_dir", answered / "asked" / "manifest.json"),
    ):
        refused(answered, option, place, what=option)
    assert content_of(answered) == before


def test_old_results_are_told(answered: Path) -> None:
    assert "is older than" not in score(answered).err
    os.utime(answered / "answered" / "results.json", (1, 1))
    outcome = score(answered)
    assert outcome.status == 0
    assert "is older than" in outcome.err


def test_an_unknown_option() -> None:
    check_refused(call("postprocess", ["--result_path", "x"]), "--result_dir")
