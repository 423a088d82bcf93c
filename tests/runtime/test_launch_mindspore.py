from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runtime.launch_support import ROOT, is_alive, wait_until

ENTRY = """
import os, sys, time
import numpy as np
from mindspore import Tensor, nn, ops
from src.common import heartbeat
from src.runtime.device import setup_device
from src.runtime.process_group import join_process_group

setup_device("CPU", seed=1)
group = join_process_group(True, 2)

class Sum(nn.Cell):
    def __init__(self):
        super().__init__()
        self.reduce = ops.AllReduce()

    def construct(self, x):
        return self.reduce(x)

cell = Sum()
steps = int(os.environ["STEPS"])
for step in range(steps):
    heartbeat.beat(step)
    total = cell(Tensor([group.rank + 1.0, step]))
    if step < 3:
        print("sum", total.asnumpy().tolist(), flush=True)
    time.sleep(0.01)
heartbeat.done(0)
"""


def start(folder: Path, steps: int) -> subprocess.Popen[str]:
    (folder / "entry.py").write_text(ENTRY)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MS_", "RANK_"))}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch.py"), "--device_num", "2", "--log_dir", "logs", "entry.py"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "STEPS": str(steps)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_ranks_compute_together_and_the_scheduler_ends(tmp_path: Path) -> None:
    output, errors = (process := start(tmp_path, 3)).communicate(timeout=240)
    assert process.returncode == 0, errors
    expected = [f"sum [3.0, {2.0 * step}]" for step in range(3)]
    for rank in (0, 1):
        lines = (tmp_path / "logs" / f"rank_{rank}.log").read_text().splitlines()
        assert [line for line in lines if line.startswith("sum")] == expected
    assert output.splitlines()[: len(expected)] == expected
    # Ended by itself: MindSpore says that both have left.
    assert (tmp_path / "logs" / "scheduler.log").read_text().count("has unregistered") == 2


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_job_within_15_s(tmp_path: Path) -> None:
    process = start(tmp_path, 10**6)
    log = tmp_path / "logs" / "rank_1.log"
    wait_until(lambda: log.exists() and "sum [3.0, 4.0]" in log.read_text(), 200)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    scheduler, _, second = (int(pid) for pid in children)  # in the order of their start
    os.kill(second, signal.SIGKILL)
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 15
    assert process.returncode == 137
    assert "error: rank 1: killed by SIGKILL (9)" in errors
    assert not is_alive(scheduler)
