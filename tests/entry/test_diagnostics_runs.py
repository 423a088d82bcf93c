"""A training that is looked into: its numbers stay, and what it left behind says what it should."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.entry.runs import NETWORK, TRAINING, Outcome, TinyData, arguments, classify, losses_of, records_of, start

pytestmark = pytest.mark.slow

STEPS = 7
# Dropout shows whether the random numbers of the training stay the same.
HALF = {
    "albert_net_cfg.compute_type": "float16",
    "albert_net_cfg.hidden_dropout_prob": 0.1,
    "loss_scale_value": 2.0**30,
    "train_steps": STEPS,
    "do_eval": False,
}
LOOKS = {"over_dump": True, "profiling": True, "profile_steps": "5,2"}
Pair = tuple[Path, Path, Outcome]


@pytest.fixture(scope="module")
def pair(tiny_data: dict[str, TinyData], tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a run, the same run looked into, and what the latter printed."""
    folder = tmp_path_factory.mktemp("looks")
    keys = [NETWORK, TRAINING, HALF, tiny_data["sst-2"].keys("train")]
    classify(*keys, {"run_dir": folder / "plain"})
    paths = {"over_dump_path": folder / "overflows", "profiling_dump_path": folder / "profiles"}
    outcome = classify(*keys, {"run_dir": folder / "looked"}, LOOKS, paths)
    return folder / "plain", folder / "looked", outcome


def test_looking_changes_no_number(pair: Pair) -> None:
    plain, looked, _ = pair
    assert losses_of(looked) == losses_of(plain)
    scales = [[record["loss_scale"] for record in records_of(run)] for run in (plain, looked)]
    assert scales[0] == scales[1]
    assert scales[0][0] > scales[0][-1]


def test_every_overflow_has_a_report(pair: Pair) -> None:
    _, looked, outcome = pair
    skipped = [record["step"] for record in records_of(looked) if record["overflow_steps"]]
    folder = looked.parent / "overflows" / "rank_0"
    assert {path.stem for path in folder.glob("*.json")} == {f"step_{step}" for step in skipped}
    first = json.loads((folder / "step_1.json").read_text())
    assert first["loss_scale"] == 2.0**30
    assert "gradient of" in first["began_in"]
    assert f"overflow in step 1 (loss scale 1.07374e+09) began in {first['began_in']}" in outcome.err
    assert f"overflow in step 1 (loss scale 1.07374e+09) began in {first['began_in']}" in (
        looked / "train.log"
    ).read_text(encoding="utf-8")


def test_the_profile_adds_up(pair: Pair) -> None:
    _, looked, outcome = pair
    profile = json.loads((looked / "profile.json").read_text())
    assert profile["updates"] == [6, 7]
    names = {item["operator"] for item in profile["operators"]}
    assert {"MatMul", "BatchMatMul", "LayerNorm", "SigmoidGrad"} <= names
    inside, outside = profile["ms_in_operators"], profile["ms_outside_operators"]
    assert inside + outside == pytest.approx(profile["ms_per_update"])
    # Operators may run beside each other; times are rounded to nanoseconds.
    assert inside <= sum(item["ms_per_update"] for item in profile["operators"]) + 1e-3
    assert (looked / "profile.txt").read_text() in outcome.err.replace("\nprofile: ", "\n\nprofile: ") + "\n"
    assert list((looked.parent / "profiles" / "rank_0").rglob("trace_view.json"))
    # All that was given a place of its own is there and nowhere else.
    assert {"over_dump", "profiling"}.isdisjoint(path.name for path in looked.iterdir())
    # What the profiler itself prints is no result.
    assert "Parsing" not in outcome.out + outcome.err


def test_a_dump_holds_the_update_that_was_asked_for(tiny_data: dict[str, TinyData], tmp_path: Path) -> None:
    """In a process of its own: MindSpore takes a dump before its first graph only.

    The update behind the evaluation is dumped, where MindSpore's own count of iterations goes astray.
    """
    keys = [NETWORK, TRAINING, tiny_data["sst-2"].keys("train", "dev")]
    more = {"run_dir": tmp_path / "run", "train_steps": 4, "eval_steps": 2, "data_dump_flag": True}
    dump = {"data_dump_step": "0|2", "data_dump_path": tmp_path / "dump"}
    process = start("run_classifier.py", arguments(*keys, more, dump), tmp_path / "log")
    assert process.wait(300) == 0, (tmp_path / "log").read_text()
    folder = tmp_path / "dump" / "rank_0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "index.csv",
        "index.txt",
        "update_0",
        "update_2",
    ]
    rows = list(csv.DictReader((folder / "index.csv").read_text().splitlines()))
    records = {record["step"]: record for record in records_of(tmp_path / "run")}
    for update in (0, 2):
        scalars = [
            float(np.load(folder / row["file"]))
            for row in rows
            if row["update"] == str(update) and row["shape"] == "scalar" and row["dtype"] == "float32"
        ]
        assert any(value == pytest.approx(records[update + 1]["loss"], rel=1e-6) for value in scalars)
    assert {row["nan"] for row in rows} == {"0"}
    # Nothing else is left, beside the run directory either.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dump", "log", "run"]
    assert not (tmp_path / "run" / "data_dump").exists()
