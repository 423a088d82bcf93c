from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from src.common.cli import run_command
from src.common.errors import AlbertError, DataError, OutputError
from src.common.run_directory import RunDirectory
from src.tasks.run_summary import main, run_summary, warm_step_ms
from src.train.metrics_log import EVAL, TRAIN, MetricsLog

CONFIG = "train_batch_size: 4\naccumulation_steps: 2\ndevice_target: Ascend\n"


def make_run(folder: Path, times_ms: list[float], reports: dict[str, dict[str, Any]] | None = None) -> Path:
    with RunDirectory.create(folder, config_text=CONFIG, environment={}) as run, MetricsLog(run.metrics_file) as log:
        for step, time_ms in enumerate(times_ms, 1):
            log.write(TRAIN, step / 10, step, {"loss": 1 / step, "ms_per_step": time_ms})
            log.write(EVAL, step / 10, step, {"accuracy": 0.1})
        for age, (name, report) in enumerate((reports or {}).items()):
            path = run.eval / f"{name}.json"
            path.write_text(json.dumps(report))
            os.utime(path, (1000 + age, 1000 + age))
    return folder


def test_the_summary_of_a_full_training(tmp_path: Path) -> None:
    reports = {
        "other": {"figures": {"accuracy": 0.5}},
        "MNLI_eval": {"figures": {"accuracy": 0.84211}},
        # Of an evaluation during the training.
        "step_20": {"figures": {"accuracy": 0.9}},
    }
    run = make_run(tmp_path / "run", [9000.0, 20.0, 30.0, 40.0], reports)
    assert run_summary(run, "albert_v2_base", "full", 2, 77) == {
        "Network": "albert_v2_base",
        "RankSize": "2",
        "BatchSize": "4",
        "DeviceType": "Ascend",
        "CaseName": "albert_v2_base_bs4_2p_acc",
        # 4 rows x 2 micro-batches x 2 processes in 30 ms.
        "ActualFPS": "533.33",
        "TrainingTime": "30.00",
        "TrainAccuracy": "0.842110",
        "ActualLoss": "0.250000",
        "E2ETrainingTime": "77",
    }


def test_the_performance_variant_has_no_accuracy(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [50.0, 20.0], {"MNLI_eval": {"figures": {"accuracy": 0.8}}})
    summary = run_summary(run, "n", "performance", 1, 3)
    assert (summary["TrainAccuracy"], summary["CaseName"], summary["ActualFPS"]) == ("none", "n_bs4_1p_perf", "400.00")


def test_a_task_without_accuracy_names_its_metric(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [20.0], {"x": {"main_metric": "mcc", "figures": {"mcc": 0.5}}})
    assert run_summary(run, "n", "full", 1, 3)["TrainAccuracy"] == "0.500000 (mcc)"
    run = make_run(tmp_path / "none", [20.0])
    assert run_summary(run, "n", "full", 1, 3)["TrainAccuracy"] == "none"


@pytest.mark.parametrize(
    ("times_ms", "expected"),
    [
        ([100.0, 7.0], 7.0),
        # The compilation of the first and of a resumed start.
        ([100.0, 7.0, 8.0, 90.0, 9.0, 7.5], 8.0),
    ],
)
def test_the_time_of_a_warm_step(times_ms: list[float], expected: float) -> None:
    records = [{"step": step, "ms_per_step": time_ms} for step, time_ms in enumerate(times_ms, 1)]
    found = warm_step_ms(records)
    assert found is not None
    assert math.isclose(found, expected)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        # One line for the whole training: 10 updates in 1000 ms, the first of them took 910.
        ([(10, 100.0, 910.0)], 10.0),
        # A line for each update: the first has nothing but the compilation.
        ([(1, 910.0, 910.0), (2, 12.0, None), (3, 10.0, None)], 11.0),
        # A resumed start compiles once more.
        ([(4, 250.0, 970.0), (8, 251.0, 968.0)], 11.0),
        ([(1, 910.0, 910.0)], None),
        # Of an older run, which did not tell.
        ([(10, 100.0, None)], None),
    ],
)
def test_the_first_update_of_a_process_is_left_out(
    records: list[tuple[int, float, float | None]], expected: float | None
) -> None:
    lines = [
        {"step": step, "ms_per_step": mean_ms, **({} if first_ms is None else {"first_update_ms": first_ms})}
        for step, mean_ms, first_ms in records
    ]
    assert warm_step_ms(lines) == pytest.approx(expected)


def test_a_training_of_one_update_has_no_warm_step(tmp_path: Path) -> None:
    summary = run_summary(make_run(tmp_path / "run", [20.0]), "n", "full", 1, 3)
    for name in ("ActualFPS", "TrainingTime"):
        assert summary[name] == "none (only one update, with the compilation in it)"


def test_runs_that_cannot_be_summarised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OutputError, match="not a run directory"):
        run_summary(tmp_path, "n", "full", 1, 3)
    with pytest.raises(DataError, match="recorded no training"):
        run_summary(make_run(tmp_path / "empty", []), "n", "full", 1, 3)
    for name, report, expected in (("a", {"figures": {}}, "names no score"), ("b", [1], "holds no figures")):
        run = make_run(tmp_path / name, [1.0], {"x": report})  # type: ignore[dict-item]
        with pytest.raises(AlbertError, match=expected):
            run_summary(run, "n", "full", 1, 3)
    words = ["--run_dir", tmp_path / "a", "--folder", tmp_path, "--network", "n", "--elapsed_s", "3"]
    for damaged in ("{", "[" * 100_000):
        (tmp_path / "a" / "eval" / "x.json").write_text(damaged)
        assert run_command(main, [str(word) for word in words]) == 2
        assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'a' / 'eval' / 'x.json'}: the report is no JSON")
    assert not list(tmp_path.glob("*.log"))
    assert run_command(main, [str(word) for word in words[:-1]] + ["-3"]) == 2
