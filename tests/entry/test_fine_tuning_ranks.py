"""Fine-tuning in two processes on the CPU, started as users start it, against one process on the same batches."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.entry.runs import (
    NETWORK,
    ROOT,
    TRAINING,
    Outcome,
    TinyData,
    arguments,
    classify,
    content_of,
    losses_of,
    read_jsonl,
    records_of,
    report_of,
)

pytestmark = pytest.mark.slow

# Measured over 12 updates: 3e-7 in the loss, 2e-6 in probabilities.
TOLERANCE = 1e-4
SHORT = {"epoch_num": 2, "bucket_list": "[8]", "optimizer_cfg.AdamWeightDecay.learning_rate": 1e-3}


class Both(NamedTuple):
    """The run directories of one process and of two, and what was printed."""

    one: Path
    two: Path
    alone: Outcome
    done: subprocess.CompletedProcess[str]


def classify_in_two(folder: Path, *keys: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run ``run_classifier.py`` through ``launch.py``; every process takes half of a batch."""
    logs = folder / "logs"
    argv = arguments(NETWORK, TRAINING, {"train_batch_size": 8}, *keys)
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), "--device_num", "2", "--log_dir", logs, "run_classifier.py", *argv],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (logs / "rank_1.log").read_text(encoding="utf-8")
    return done


@pytest.fixture(scope="module")
def both(tiny_data: dict[str, TinyData], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Both]:
    """Return a function that gives a task's run in one process and in two."""

    @functools.cache
    def runs_of(task: str) -> Both:
        folder = tmp_path_factory.mktemp("both")
        data = tiny_data[task].keys("train", "dev", "test")
        alone = classify(NETWORK, TRAINING, data, SHORT, {"run_dir": folder / "one"})
        done = classify_in_two(folder, data, SHORT, {"run_dir": folder / "two"})
        return Both(folder / "one", folder / "two", alone, done)

    return runs_of


@pytest.mark.parametrize("task", ["sst-2", "names"])
def test_two_processes_equal_one(task: str, both: Callable[[str], Both]) -> None:
    one, two, alone, done = both(task)
    assert alone.last_line in done.stdout
    own, theirs = losses_of(two), losses_of(one)
    assert list(own) == list(theirs)
    np.testing.assert_allclose(list(own.values()), list(theirs.values()), rtol=TOLERANCE, atol=TOLERANCE)
    for ours, single in zip(records_of(two, "eval"), records_of(one, "eval"), strict=True):
        assert {name: pytest.approx(value, abs=TOLERANCE) for name, value in single.items() if name != "time"} == {
            name: value for name, value in ours.items() if name != "time"
        }
    assert report_of(two, f"{task}_dev").keys() == report_of(one, f"{task}_dev").keys()
    names = {Path(name).name for name in content_of(one) if "events" not in name}
    assert {Path(name).name for name in content_of(two) if "events" not in name} == names
    rows = [read_jsonl(next((run / "predictions").glob("*.jsonl"))) for run in (one, two)]
    assert len(rows[0]) == len(rows[1]) > 0
    for single, ours in zip(*rows, strict=True):
        assert ours.keys() == single.keys()
        if "probability" in single:
            assert ours["probability"] == pytest.approx(single["probability"], abs=TOLERANCE)


def test_evaluation_alone_is_shared_and_told_once(
    tiny_run: Callable[[str], tuple[Path, Outcome]], tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    run, outcome = tiny_run("sst-2")
    checkpoint = {"load_finetune_checkpoint_path": run / "checkpoints" / "classifier-best.ckpt", "do_train": False}
    data = tiny_data["sst-2"].keys("dev")
    done = classify_in_two(tmp_path, data, checkpoint, {"from_scratch": False, "run_dir": tmp_path / "scores"})
    assert outcome.last_line in done.stdout
    assert outcome.last_line not in (tmp_path / "logs" / "rank_1.log").read_text(encoding="utf-8")
    assert report_of(tmp_path / "scores", "sst-2_dev") == report_of(run, "sst-2_dev")


def test_a_run_of_two_goes_on_in_one(
    both: Callable[[str], Both], tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    """The whole run in one process; the same run begun by two and ended by one."""
    one, two, _, _ = both("sst-2")
    run = shutil.copytree(two, tmp_path / "two")
    # Only the first epoch is kept, as if the run had been stopped there.
    newest = max((run / "checkpoints").glob("classifier-*_*.ckpt"), key=lambda path: path.stat().st_mtime)
    shutil.rmtree(run / "eval")
    newest.unlink()
    resumed = classify(
        NETWORK, TRAINING, tiny_data["sst-2"].keys("train", "dev", "test"), SHORT, {"run_dir": run, "resume": True}
    )
    assert f"resumed at step {len(losses_of(one)) // 2}" in resumed.err
    own, theirs = losses_of(run), losses_of(one)
    assert list(own) == list(theirs)
    np.testing.assert_allclose(list(own.values()), list(theirs.values()), rtol=TOLERANCE, atol=TOLERANCE)
