from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from src.common.files import sha256_of
from src.data.table import read_table
from src.train.checkpoint_files import BestEntry
from tests.entry.bad_input.support import snapshot
from tests.entry.runs import (
    NETWORK,
    TRAINING,
    Outcome,
    TinyData,
    arguments,
    call,
    classify,
    content_of,
    losses_of,
    manifest_of,
    read_jsonl,
    records_of,
    report_of,
)

pytestmark = pytest.mark.slow

Data = dict[str, TinyData]
Runs = Callable[[str], tuple[Path, Outcome]]
DEV_ROWS, TEST_ROWS = 37, 21


def test_classification_prints_the_line_that_users_look_for(tiny_run: Runs) -> None:
    run, outcome = tiny_run("sst-2")
    match = re.fullmatch(r"acc_num (\d+) , total_num (\d+), accuracy (\d\.\d{6})", outcome.last_line)
    assert match
    right, total, accuracy = int(match[1]), int(match[2]), float(match[3])
    report = report_of(run, "sst-2_dev")
    assert (report["acc_num"], report["total_num"], report["rows"]) == (right, total, DEV_ROWS)
    assert accuracy == pytest.approx(right / total, abs=1e-6)
    assert accuracy > 0.9


def test_training_learns(tiny_run: Runs) -> None:
    losses = [loss for loss, _, _ in losses_of(tiny_run("sst-2")[0]).values()]
    assert np.mean(losses[-6:]) < 0.2 * np.mean(losses[:6])


@pytest.mark.parametrize(
    ("task", "form"),
    [
        ("rte", r"acc_num \d+ , total_num 37, accuracy \d\.\d{6}"),
        ("sts-b", r"Pearson Correlation is -?\d\.\d{6}"),
        ("names", r"F1 \d\.\d{6}"),
    ],
)
def test_other_kinds(tiny_run: Runs, task: str, form: str) -> None:
    run, outcome = tiny_run(task)
    assert re.fullmatch(form, outcome.last_line)
    report = report_of(run, f"{task}_dev")
    assert report["figures"][report["main_metric"]] > 0.5
    assert f"{report['figures'][report['main_metric']]:.6f}" in outcome.last_line


def test_every_label_counts(tiny_run: Runs, tiny_data: Data) -> None:
    table = read_table(tiny_data["names"].file("dev"))
    assert table.label_ids is not None
    report = report_of(tiny_run("names")[0], "names_dev")
    assert report["total_num"] == (table.label_ids >= 0).sum()
    # The last sentence takes four records and counts once.
    assert (table.rows, report["rows"]) == (DEV_ROWS + 3, DEV_ROWS)
    assert report_of(tiny_run("sts-b")[0], "sts-b_dev")["total_num"] == DEV_ROWS


def test_run_directory_is_complete(tiny_run: Runs, tiny_data: Data) -> None:
    run, outcome = tiny_run("sst-2")
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    best = "checkpoints/classifier-best.ckpt"
    assert names >= {"config.yaml", "environment.json", "train.log", "metrics.jsonl", "loss.png", "metric.png", best}
    assert names >= {f"eval/step_{6 * epoch}.json" for epoch in range(1, 7)} | {"eval/sst-2_dev.json"}
    assert {name for name in names if name.startswith("predictions/")} == {
        "predictions/predictions.jsonl",
        "predictions/predictions.tsv",
        "predictions/SST-2.tsv",
    }
    assert any(name.startswith("tensorboard/events.out.tfevents") for name in names)
    assert {name for name in names if name.startswith("assets/")} == {"assets/task.json", "assets/vocab.txt"}
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["albert_net_cfg"]["hidden_size"] == 32
    assert config["train_data_file_path"] == str(tiny_data["sst-2"].file("train"))
    log = (run / "train.log").read_text(encoding="utf-8")
    assert "36 (6 per epoch)" in log
    assert "step: 36, loss: " in log
    assert outcome.last_line in log
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_steps_and_epochs_of_the_metrics_log(tiny_run: Runs) -> None:
    run, _ = tiny_run("rte")
    records = records_of(run)
    assert [record["step"] for record in records] == list(range(1, 25))
    assert records[5]["epoch"] == 1.0
    assert set(records[0]) >= {"loss", "accuracy", "learning_rate", "grad_norm", "loss_scale", "tokens_per_s"}
    assert [record["step"] for record in records_of(run, "eval")] == [6, 12, 18, 24]


def test_checkpoints_and_the_best_one(tiny_run: Runs) -> None:
    run, _ = tiny_run("sst-2")
    manifest = manifest_of(run)
    assert [entry["weights"]["name"] for entry in manifest["checkpoints"]] == [
        "classifier-5_6.ckpt",
        "classifier-6_6.ckpt",
    ]
    best = BestEntry.model_validate(manifest["best"])
    scores = {record["step"]: record["accuracy"] for record in records_of(run, "eval")}
    assert len(scores) == 6
    assert best.metric.value == max(scores.values())
    # Of equal scores the first is kept.
    assert best.position.global_step == min(step for step, score in scores.items() if score == best.metric.value)
    assert sha256_of(run / "checkpoints" / best.weights.name) == best.weights.sha256
    assert report_of(run, "sst-2_dev")["figures"]["accuracy"] == best.metric.value


@pytest.mark.parametrize("task", ["sst-2", "rte", "sts-b"])
def test_predictions_and_submission(tiny_run: Runs, task: str) -> None:
    folder = tiny_run(task)[0] / "predictions"
    records = read_jsonl(folder / "predictions.jsonl")
    assert [record["index"] for record in records] == list(range(TEST_ROWS))
    header, *rows = (folder / f"{task.upper()}.tsv").read_text().splitlines()
    assert header == "index\tprediction"
    if task == "sts-b":
        expected = [f"{min(max(record['score'], 0.0), 5.0):.3f}" for record in records]
    else:
        expected = [record["label"] for record in records]
        assert all(sum(record["probabilities"].values()) == pytest.approx(1) for record in records)
        assert all(record["probability"] == record["probabilities"][record["label"]] for record in records)
    assert rows == [f"{number}\t{text}" for number, text in enumerate(expected)]


def test_sst2_predictions_are_right(tiny_run: Runs) -> None:
    records = read_jsonl(tiny_run("sst-2")[0] / "predictions" / "predictions.jsonl")
    assert sum(record["label"] == str(record["index"] % 2) for record in records) > 0.8 * TEST_ROWS


def test_tags_are_those_of_whole_sentences(tiny_run: Runs, tiny_data: Data) -> None:
    folder = tiny_run("names")[0] / "predictions"
    text = (tiny_data["names"].folder / "test.conll").read_text().strip("\n")
    given = [[line.split("\t") for line in block.splitlines()] for block in text.split("\n\n")]
    records = read_jsonl(folder / "predictions.jsonl")
    assert len(records) == len(given) == TEST_ROWS
    assert read_table(tiny_data["names"].file("test")).rows > TEST_ROWS
    for record, rows in zip(records, given, strict=True):
        assert record["words"] == [word for word, _ in rows]
        assert record["expected"] == [tag for _, tag in rows]
        assert len(record["tags"]) == len(record["probabilities"]) == len(rows)
    blocks = (folder / "predictions.conll").read_text().strip("\n").split("\n\n")
    assert [[line.split("\t")[:2] for line in block.splitlines()] for block in blocks] == given


def test_evaluation_of_a_checkpoint_gives_the_same_score(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    run, outcome = tiny_run("sst-2")
    best = {"load_finetune_checkpoint_path": run / "checkpoints" / "classifier-best.ckpt"}
    keys = {"bucket_list": "[8]", "eval_batch_size": 7, "run_dir": tmp_path / "evaluation"}
    again = classify(NETWORK, tiny_data["sst-2"].keys("dev"), best, keys)
    assert again.out == outcome.out
    assert report_of(tmp_path / "evaluation", "sst-2_dev") == report_of(run, "sst-2_dev")
    assert sorted(path.name for path in (tmp_path / "evaluation").iterdir()) == ["eval"]


@pytest.mark.parametrize("use", ["resume", "score", "start"])
def test_another_network_than_that_of_the_run_is_refused(
    tiny_run: Runs, tiny_data: Data, use: str, tmp_path: Path
) -> None:
    run, _ = tiny_run("sst-2")
    before = snapshot(run)
    best, data = run / "checkpoints" / "classifier-best.ckpt", tiny_data["sst-2"]
    given: dict[str, dict[str, Any]] = {
        "resume": {"config_path": run / "config.yaml", "resume": True},
        "score": {**NETWORK, "load_finetune_checkpoint_path": best, **data.keys("dev")},
        "start": {**NETWORK, "load_pretrain_checkpoint_path": best, **data.keys("train"), "run_dir": tmp_path / "new"},
    }
    again = call("run_classifier", arguments(given[use], {"albert_net_cfg.num_attention_heads": 4}))
    assert again.status == 2
    assert "the weights are those of another network: network.num_attention_heads was 2, is 4" in again.err
    assert snapshot(run) == before
    assert list(tmp_path.iterdir()) == []


def test_results_go_to_the_run_of_the_checkpoint(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run("names")[0], tmp_path / "run")
    shutil.rmtree(run / "eval")
    shutil.rmtree(run / "predictions")
    keys = {
        "load_finetune_checkpoint_path": run / "checkpoints" / "classifier-best.ckpt",
        "assessment_method": "accuracy",
    }
    outcome = classify(NETWORK, tiny_data["names"].keys("dev", "test"), keys)
    report = report_of(run, "names_dev")
    assert outcome.last_line == (
        f"acc_num {report['acc_num']} , total_num {report['total_num']}, accuracy {report['figures']['accuracy']:.6f}"
    )
    before = tiny_run("names")[0] / "predictions" / "predictions.conll"
    assert (run / "predictions" / "predictions.conll").read_text() == before.read_text()


def test_predictions_of_a_labelled_split_show_what_was_expected(
    tiny_run: Runs, tiny_data: Data, tmp_path: Path
) -> None:
    data = tiny_data["sst-2"]
    checkpoint = tiny_run("sst-2")[0] / "checkpoints" / "classifier-best.ckpt"
    keys = {"load_finetune_checkpoint_path": checkpoint, "do_predict": True, "run_dir": tmp_path}
    classify(NETWORK, keys, {"test_data_file_path": data.file("dev")})
    records = read_jsonl(tmp_path / "predictions" / "predictions.jsonl")
    assert [record["expected"] for record in records] == [str(number % 2) for number in range(DEV_ROWS)]


def test_dry_run_writes_nothing(tiny_data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = tiny_data["sst-2"].keys("train", "dev")
    outcome = classify(NETWORK, TRAINING, data, {"run_dir": tmp_path / "run"}, extra=["--dry_run"])
    assert re.search(r"loss of the first batch: \d\.\d{4}", outcome.err)
    assert "nothing was written" in outcome.err
    assert outcome.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_not_overwritten(tiny_run: Runs, tiny_data: Data) -> None:
    run, _ = tiny_run("sst-2")
    before = content_of(run)
    outcome = call("run_classifier", arguments(NETWORK, TRAINING, tiny_data["sst-2"].keys("train"), {"run_dir": run}))
    assert outcome.status == 2
    assert "the directory is not empty" in outcome.err.splitlines()[-1]
    assert content_of(run) == before


def test_overwrite_begins_anew_and_spares_foreign_files(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run("rte")[0], tmp_path / "run")
    (run / "notes.txt").write_text("mine")
    keys = {"run_dir": run, "overwrite": True, "train_steps": 2}
    classify(NETWORK, TRAINING, tiny_data["rte"].keys("train"), keys)
    assert (run / "notes.txt").read_text() == "mine"
    assert list(losses_of(run)) == [1, 2]
    assert manifest_of(run)["best"] is None
    assert not (run / "predictions").exists()
