"""Pre-training in one process: what it leaves, what it scores, how it stops."""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from src.config.sections import NetworkConfig
from src.data.pretraining.settings import needed_predictions
from src.model.flops import backbone_products, pretraining_products, train_flops
from src.model.weights import read_checkpoint
from tests.entry import runs
from tests.entry.bad_input.support import snapshot
from tests.entry.pretraining_support import (
    NETWORK,
    PEAK_TFLOPS,
    STEPS,
    TRAINING,
    WHOLE,
    PretrainData,
    largest_difference,
    losses_of,
    pretrain,
)
from tests.entry.runs import (
    LENGTH,
    ROOT,
    VOCABULARY,
    Outcome,
    TinyData,
    arguments,
    call,
    classify,
    manifest_of,
    records_of,
    report_of,
)
from tests.measured import run_measured

pytestmark = pytest.mark.slow

Pretrained = tuple[Path, Outcome]
FIGURES = ("loss", "mlm_loss", "mlm_accuracy", "perplexity", "sop_loss", "sop_accuracy")
SHORT = {"train_steps": 20, "save_checkpoint_steps": 100}


def test_run_directory_is_complete(pretrained: Pretrained, pretrain_data: PretrainData) -> None:
    run, outcome = pretrained
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names >= {"config.yaml", "environment.json", "train.log", "metrics.jsonl", "loss.png", "metric.png"}
    assert {name for name in names if name.startswith("eval/")} == {
        *(f"eval/step_{step}.json" for step in (20, 40, 50)),
        "eval/held_out.json",
    }
    assert {name for name in names if name.startswith("assets/")} == {"assets/task.json", "assets/vocab.txt"}
    task = json.loads((run / "assets" / "task.json").read_text())
    assert (task["kind"], task["network"]["vocab_size"], task["buckets"]) == ("pretraining", len(VOCABULARY), [10, 16])
    assert yaml.safe_load((run / "config.yaml").read_text())["data_dir"] == str(pretrain_data.train)
    manifest = manifest_of(run)
    steps = [entry["position"]["global_step"] for entry in manifest["checkpoints"]]
    assert steps == [40, 50]
    assert manifest["best"]["weights"]["name"] == "checkpoint_albert-best.ckpt"
    assert outcome.last_line in (run / "train.log").read_text(encoding="utf-8")


def test_the_checkpoint_holds_backbone_and_heads(pretrained: Pretrained) -> None:
    entries = read_checkpoint(pretrained[0] / "checkpoints" / "checkpoint_albert-best.ckpt")
    parts = {".".join(name.split(".")[:2]) for name in entries}
    assert parts == {"albert.albert", "albert.cls1", "albert.cls2"}


def test_figures_of_the_metrics_log(pretrained: Pretrained) -> None:
    records = records_of(pretrained[0])
    assert [record["step"] for record in records] == list(range(1, STEPS + 1))
    wanted = {"mlm_accuracy", "sop_accuracy", "loss_scale", "overflow_steps", "ms_per_step", "tokens_per_s"}
    assert set(records[0]) >= wanted
    for record in records:
        assert record["loss"] == pytest.approx(record["mlm_loss"] + record["sop_loss"], abs=1e-5)
        assert 0 <= record["mlm_accuracy"] <= 1.0001
        assert 0 <= record["sop_accuracy"] <= 1.0001
    evaluations = records_of(pretrained[0], "eval")
    assert [record["step"] for record in evaluations] == [20, 40, 50]
    assert set(evaluations[0]) >= set(FIGURES)
    for record in evaluations:
        assert record["perplexity"] == pytest.approx(math.exp(record["mlm_loss"]))


def test_the_utilisation_follows_rows_and_length_of_each_batch(pretrained: Pretrained) -> None:
    run, _ = pretrained
    config = NetworkConfig(**{key.partition(".")[2]: value for key, value in NETWORK.items() if "." in key})
    slots = needed_predictions(LENGTH, 0.15)
    flops_of = {}
    for length in (10, LENGTH):
        products = (*backbone_products(config, 1, length, slots + 1), *pretraining_products(config, 1, slots))
        flops_of[length] = train_flops(products)
    seen = set()
    for record in records_of(run):
        assert record["mfu"] == pytest.approx(record["tflops"] / PEAK_TFLOPS)
        step_flops = record["tflops"] * 1e12 * record["ms_per_step"] / 1000
        rows = {length: step_flops / flops for length, flops in flops_of.items()}
        whole = [length for length, count in rows.items() if count == pytest.approx(round(count), abs=1e-6)]
        assert len(whole) == 1
        assert 1 <= round(rows[whole[0]]) <= TRAINING["batch_size"]
        seen.add((whole[0], round(rows[whole[0]]) == TRAINING["batch_size"]))
    # Full and partial batches of either length.
    assert {length for length, _ in seen} == set(flops_of)
    assert {full for _, full in seen} == {True, False}
    assert re.search(r"tokens/s: \d+, TFLOP/s: [\d.e-]+, mfu: \d+\.\d%, elapsed", (run / "train.log").read_text())


def test_the_loss_begins_where_it_must_and_falls(pretrained: Pretrained) -> None:
    losses = [loss for loss, *_ in losses_of(pretrained[0]).values()]
    assert losses[0] == pytest.approx(math.log(len(VOCABULARY)) + math.log(2), abs=0.15)
    assert np.mean(losses[-10:]) < losses[0] - 0.3
    evaluations = records_of(pretrained[0], "eval")
    assert evaluations[-1]["loss"] < evaluations[0]["loss"] < losses[0]


def test_the_last_line_tells_the_best_score(pretrained: Pretrained) -> None:
    run, outcome = pretrained
    best = min(records_of(run, "eval"), key=lambda record: record["loss"])
    assert outcome.last_line == ", ".join(f"{name} {best[name]:.6f}" for name in FIGURES)
    report = report_of(run, "held_out")
    *_, counts, baseline, _ = outcome.out.splitlines()
    assert counts == f"{report['rows']:,} records, {report['predictions']:,} predictions"
    assert baseline.startswith(f"sop_baseline {report['sop_baseline']:.6f}, ")
    assert manifest_of(run)["best"]["metric"] == {"name": "negative_loss", "value": -best["loss"]}


@pytest.mark.parametrize("form", ["config alone", "named"])
def test_evaluation_gives_the_figures_of_the_training(
    form: str, pretrained: Pretrained, pretrain_data: PretrainData, tmp_path: Path
) -> None:
    run, outcome = pretrained
    if form == "config alone":
        moved = shutil.copytree(run, tmp_path / "moved")
        shutil.rmtree(moved / "eval")
        again = call("pretrain_eval", ["--config_path", moved / "config.yaml"])
        assert again.out == outcome.out, again.err
        assert report_of(moved, "held_out") == report_of(run, "held_out")
        return
    keys = {"eval_ckpt": run / "checkpoints" / manifest_of(run)["checkpoints"][0]["weights"]["name"]}
    keys |= {"eval_data_dir": pretrain_data.held_out, "run_dir": tmp_path / "scores", "bucket_list": "[10]"}
    # Other batches, the last ones with fillers: the same figures.
    again = call("pretrain_eval", arguments(NETWORK, keys, {"eval_batch_size": 7}))
    assert again.status == 0, again.err
    expected = json.loads((run / "eval" / "step_40.json").read_text())
    found = report_of(tmp_path / "scores", "held_out")
    assert {name: found[name] for name in found} == pytest.approx({name: expected[name] for name in found}, rel=2e-5)
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["eval"]


def test_another_network_is_refused(pretrained: Pretrained) -> None:
    """All layers share one set of weights: a network with one more loads them, and gives other numbers."""
    run = pretrained[0]
    before = snapshot(run)
    own = ["--config_path", run / "config.yaml", "--custom_net_cfg.num_hidden_layers", 2]
    best = run / "checkpoints" / "checkpoint_albert-best.ckpt"
    for script, *more in (
        ("run_pretrain", "--resume", "true"),
        ("pretrain_eval",),
        ("pretrain_eval", "--eval_ckpt", best),
    ):
        again = call(script, [*own, *more])
        assert (again.status, again.out) == (2, "")
        (line,) = [line for line in again.err.splitlines() if line.startswith("error: ")]
        assert "the weights are those of another network: network.num_hidden_layers was 1, is 2 ->" in line
        assert "another setting" not in again.err
    assert snapshot(run) == before


def test_fine_tuning_begins_with_the_whole_backbone(
    pretrained: Pretrained, tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    checkpoint = pretrained[0] / "checkpoints" / "checkpoint_albert-best.ckpt"
    keys = {"load_pretrain_checkpoint_path": checkpoint, "from_scratch": False, "train_steps": 2}
    data = tiny_data["sst-2"].keys("train")
    outcome = classify(runs.NETWORK, runs.TRAINING, data, keys, {"run_dir": tmp_path / "run"})
    line = next(line for line in outcome.err.splitlines() if "loaded" in line and str(checkpoint) in line)
    assert "loaded 25 parameters" in line
    assert "not used: albert.cls1" in line or "not used: cls1" in line, line


def test_training_from_weights_takes_the_heads_too(
    pretrained: Pretrained, pretrain_data: PretrainData, tmp_path: Path
) -> None:
    checkpoint = pretrained[0] / "checkpoints" / "checkpoint_albert-best.ckpt"
    keys = {"load_checkpoint_path": checkpoint, "train_steps": 1, "seed": 3, "run_dir": tmp_path / "run"}
    outcome = pretrain(pretrain_data.keys(), keys)
    assert f"loaded {len(read_checkpoint(checkpoint))} parameters from {checkpoint}" in outcome.err
    fresh = losses_of(pretrained[0])[1][0]
    assert losses_of(tmp_path / "run")[1][0] < fresh - 0.3


def test_accumulation_equals_the_big_batch(pretrained: Pretrained, pretrain_data: PretrainData, tmp_path: Path) -> None:
    pretrain(WHOLE, pretrain_data.keys(), {"batch_size": 4, "accumulation_steps": 4, "run_dir": tmp_path / "run"})
    # Measured over 50 steps: 3.0e-7.
    assert largest_difference(tmp_path / "run", pretrained[0]) < 1e-4


def test_nothing_is_saved_where_that_is_switched_off(
    pretrain_data: PretrainData, stop_at: Callable[[int], None], tmp_path: Path
) -> None:
    """With Lamb, whose loss falls too; a signal says that there is nothing to go on from."""
    stop_at(30)
    lamb = {"optimizer": "Lamb", "Lamb.learning_rate": 0.01, "Lamb.warmup_steps": 0}
    keys = {**lamb, "enable_save_ckpt": False, "save_checkpoint_steps": 2, "run_dir": tmp_path / "run"}
    argv = arguments(NETWORK, TRAINING, pretrain_data.keys(), keys, {"train_steps": 40})
    outcome = call("run_pretrain", argv)
    assert outcome.status == 128 + signal.SIGTERM
    assert "SIGTERM received: nothing is saved, as configured" in outcome.err
    assert list((tmp_path / "run" / "checkpoints").glob("*")) == []
    losses = [loss for loss, *_ in losses_of(tmp_path / "run").values()]
    assert len(losses) == 30
    assert np.mean(losses[-5:]) < losses[0] - 0.2


def test_checkpoints_elsewhere_and_length_by_epochs(pretrain_data: PretrainData, tmp_path: Path) -> None:
    """With Momentum, whose loss falls too."""
    momentum = {"optimizer": "Momentum", "Momentum.learning_rate": 0.1}
    keys = {**momentum, "epoch_size": 2, "save_checkpoint_path": tmp_path / "weights", "run_dir": tmp_path / "run"}
    outcome = pretrain(pretrain_data.keys(), keys)
    steps = max(losses_of(tmp_path / "run"))
    assert f"{steps} ({steps // 2} per epoch)" in outcome.err
    names = sorted(path.name for path in (tmp_path / "weights").glob("*.ckpt"))
    stem = f"checkpoint_albert-2_{steps // 2}"
    assert names == [f"{stem}.ckpt", f"{stem}.state.ckpt"]
    assert list((tmp_path / "run" / "checkpoints").glob("*.ckpt")) == []
    losses = [loss for loss, *_ in losses_of(tmp_path / "run").values()]
    assert np.mean(losses[-5:]) < losses[0] - 0.2


def test_sixteen_bit_with_loss_scale(pretrain_data: PretrainData, tmp_path: Path) -> None:
    keys = {**SHORT, "custom_net_cfg.compute_type": "float16", "scale_window": 5, "loss_scale_value": 2.0**40}
    pretrain(pretrain_data.keys(), keys, {"train_steps": 40, "run_dir": tmp_path / "run"})
    records = records_of(tmp_path / "run")
    skipped = sum(record["overflow_steps"] for record in records)
    assert skipped > 5
    assert records[0]["loss_scale"] == 2.0**40
    assert records[-1]["loss_scale"] < 2.0**36
    assert np.mean([record["loss"] for record in records[-5:]]) < records[0]["loss"] - 0.1


def test_a_loss_that_is_not_finite_stops_with_step_and_records(pretrain_data: PretrainData, tmp_path: Path) -> None:
    keys = {**SHORT, "AdamWeightDecay.learning_rate": 1e30, "run_dir": tmp_path / "run"}
    outcome = call("run_pretrain", arguments(NETWORK, TRAINING, pretrain_data.keys(), keys))
    assert outcome.status == 2
    error = outcome.err.splitlines()[-1]
    form = (
        r"error: step (\d+): .* not finite, .* its 16 records: .*/pretrain-0000\d\.tfrecord: record \d+, .*, \.\.\. ->"
    )
    match = re.match(form, error)
    assert match, outcome.err
    assert list(losses_of(tmp_path / "run")) == list(range(1, int(match[1])))
    log = (tmp_path / "run" / "train.log").read_text()
    assert len(re.findall(r"^/.*tfrecord: record \d+$", log, re.MULTILINE)) == 16
    assert list((tmp_path / "run" / "checkpoints").glob("*.ckpt")) == []


def test_dry_run_writes_nothing(pretrain_data: PretrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = pretrain(WHOLE, pretrain_data.keys(evaluate=True), {"run_dir": tmp_path / "run"}, extra=["--dry_run"])
    match = re.search(r"loss of the first batch: (\d\.\d{4})", outcome.err)
    assert match
    assert float(match[1]) == pytest.approx(math.log(2 * len(VOCABULARY)), abs=0.3)
    assert "nothing was written" in outcome.err
    assert outcome.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", ["run_pretrain.py", "pretrain_eval.py"])
@pytest.mark.parametrize("word", ["--help", "--print_config"])
def test_questions_are_answered_without_mindspore(script: str, word: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-X",
        "importtime",
        str(ROOT / script),
        word,
        *(["--batch_size", "7"] * (word != "--help")),
    ]
    done, used_s = run_measured(command, cwd=tmp_path, timeout=60)
    assert done.returncode == 0
    assert " mindspore" not in done.stderr
    assert ("batch_size: 7" if word == "--print_config" else "--save_checkpoint_steps") in done.stdout
    assert used_s < 1.5
    assert list(tmp_path.iterdir()) == []
