"""run_squad_v1.py in two processes on the CPU, started as users start it, against one process on the same batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.entry.runs import ROOT, arguments, content_of, losses_of, records_of, report_of
from tests.entry.squad_support import NETWORK, TRAINING, answer, answers_of, gold_of, make_squad_data

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4
# The dev questions make an odd number of batches, the test questions one: then rank 1 has none.
KEYS = {
    "epoch_num": 3,
    "eval_steps": 20,
    "bucket_list": "[12]",
    "eval_batch_size": 32,
    "optimizer_cfg.AdamWeightDecay.learning_rate": 1e-3,
}


def same(one: dict[str, float], other: dict[str, float]) -> None:
    assert {name: pytest.approx(value, abs=TOLERANCE) for name, value in one.items()} == other


def test_two_processes_equal_one(tmp_path: Path) -> None:
    files = make_squad_data(tmp_path)
    cache = tmp_path / "features"
    cache.mkdir()
    data = {**files.keys("v2 beam", "train", "dev", "test"), **KEYS}
    one, two, logs = tmp_path / "one", tmp_path / "two", tmp_path / "logs"
    alone = answer(TRAINING, data, {"run_dir": one})
    argv = arguments(
        NETWORK, TRAINING, data, {"train_batch_size": 8, "run_dir": two, "predict_feature_left_file": cache}
    )
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), "--device_num", "2", "--log_dir", logs, "run_squad_v1.py", *argv],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=400,
        check=False,
    )
    other = (logs / "rank_1.log").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr + other
    assert alone.last_line in done.stdout
    own, theirs = losses_of(two), losses_of(one)
    assert list(own) == list(theirs)
    np.testing.assert_allclose(list(own.values()), list(theirs.values()), rtol=TOLERANCE, atol=TOLERANCE)
    for ours, single in zip(records_of(two, "eval"), records_of(one, "eval"), strict=True):
        del ours["time"], single["time"]
        same(single, ours)
    # Only rank 0 prints and writes, and it writes what one process writes.
    assert '"exact_match"' not in other
    names = {name for name in content_of(one) if "events" not in name}
    assert {name for name in content_of(two) if "events" not in name} == names
    assert len(list(cache.iterdir())) == 2
    for split in ("dev", "test"):
        ours, single = (answers_of(run / "predictions" / f"{split}-v2.0") for run in (two, one))
        assert ours.keys() == single.keys()
        # Every question is answered once.
        assert list(ours["predictions.json"]) == list(gold_of(files.questions("v2.0", split)))
        assert ours["predictions.json"] == single["predictions.json"]
        same(single["null_odds.json"], ours["null_odds.json"])
    assert report_of(two, "dev-v2.0")["f1"] == report_of(one, "dev-v2.0")["f1"]
