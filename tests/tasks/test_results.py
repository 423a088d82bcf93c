from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.config.sections import NetworkConfig
from src.tasks.base import Score
from src.tasks.results import finish, log_summary, log_table

SCORE = Score(
    "accuracy", 0.75, {"accuracy": 0.75}, {"rows": 4}, ("table", "acc_num 3 , total_num 4, accuracy 0.750000")
)


class FinishedTask:
    """As much of a task as the end of a run needs."""

    def evaluate(self, inference: Any) -> Score:
        return SCORE

    def evaluation_name(self) -> str:
        return "dev"

    def predict(self, inference: Any, directory: Path) -> list[Path]:
        print("a line of the prediction")
        return [directory / "predictions.jsonl"]


def end(folder: Path, **flags: bool) -> None:
    finish(FinishedTask(), None, SimpleNamespace(**{"evaluate": True, "predict": True, **flags}), folder)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "step", "told"),
    [
        ("", 0, "random weights"),
        ("a.ckpt", 0, "a.ckpt"),
        ("", 20, "resumed at step 20"),
        ("a.ckpt", 20, "resumed at step 20"),
    ],
)
def test_the_summary_says_where_a_training_begins(
    weights: str, step: int, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "src")
    plan = SimpleNamespace(start_weights=weights, batch_size=4, sink_steps=0)
    values = SimpleNamespace(device_target="CPU", run_plan=lambda: plan, optimizer_name=lambda: "Lamb")
    task: Any = SimpleNamespace(
        name="tagging", summary=dict, steps_per_epoch=lambda: 5, train_flops=lambda rows, length: 10**6 * rows * length
    )
    setup: Any = SimpleNamespace(
        settings=SimpleNamespace(total_steps=40, accumulation_steps=1, peak_tflops=0.18 if step else 0.0),
        networks=SimpleNamespace(loss=SimpleNamespace(trainable_params=list)),
        groups=(),
    )
    loaded: Any = SimpleNamespace(values=values, network=NetworkConfig)
    log_summary(task, loaded, setup, resumed_step=step)
    (line,) = [line for line in caplog.text.splitlines() if line.startswith("  start ")]
    assert line.split(maxsplit=1)[1] == told
    assert "0.512 GFLOP to train on a row of 512 tokens" in caplog.text
    assert ("CPU, 0.18 TFLOP/s at most" in caplog.text) == bool(step)


def test_the_score_is_printed_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end(tmp_path)
    assert capsys.readouterr().out.splitlines() == ["a line of the prediction", *SCORE.lines]
    assert json.loads((tmp_path / "eval" / "dev.json").read_text()) == {"rows": 4}


def test_data_named_like_an_evaluation_during_training_do_not_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FinishedTask, "evaluation_name", lambda task: "step_20")
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "step_20.json").write_text("during training")
    end(tmp_path)
    assert (tmp_path / "eval" / "step_20.json").read_text() == "during training"
    assert json.loads((tmp_path / "eval" / "data_step_20.json").read_text()) == {"rows": 4}


def test_what_is_not_asked_for_is_not_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end(tmp_path, evaluate=False)
    assert "acc_num" not in capsys.readouterr().out
    assert not (tmp_path / "eval").exists()
    end(tmp_path, predict=False)
    assert capsys.readouterr().out.splitlines() == list(SCORE.lines)


def test_columns_of_a_summary(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="src"):
        log_table("title:", {"a": 1, "longer": "two"})
    assert caplog.messages == ["title:\n  a       1\n  longer  two"]
