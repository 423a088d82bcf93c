"""Moments that are split over two processes give the updates and the checkpoints of whole ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.train import state_slices
from src.train.state_slices import SlicedState, slice_width, sliced_zeros_like

ROOT = Path(__file__).resolve().parents[2]

# Shapes that two processes cannot halve, among them a single number.
WORKER = """
import json
import numpy as np
from mindspore import Parameter, Tensor, nn
from src.common import heartbeat
from src.config.sections import OptimizerConfig
from src.runtime.device import setup_device
from src.runtime.process_group import join_process_group
from src.train.optimizers import build_optimizer
from src.train.state_slices import SlicedState

setup_device("CPU", seed=1)
group = join_process_group(True, 2)
SHAPES = {"dense.weight": (3, 5), "dense.bias": (1,), "layernorm.gamma": (4,), "half": (2, 3)}

class Weights(nn.Cell):
    def __init__(self):
        super().__init__()
        generator = np.random.default_rng(3)
        for index, (name, shape) in enumerate(SHAPES.items()):
            kind = np.float16 if name == "half" else np.float32
            setattr(self, f"weight_{index}", Parameter(Tensor(generator.normal(size=shape).astype(kind)), name=name))

def train(optimizer, steps):
    for step in steps:
        generator = np.random.default_rng(step)
        optimizer(tuple(Tensor(generator.normal(size=shape).astype(np.float32)) for shape in SHAPES.values()))

def difference(first, second):
    pairs = zip(first.get_parameters(), second.get_parameters())
    return max(float(np.abs(a.asnumpy().astype(np.float64) - b.asnumpy()).max()) for a, b in pairs)

results = {}
for name in ("AdamWeightDecay", "Lamb", "Momentum"):
    config = OptimizerConfig(name=name, learning_rate=0.05, warmup_steps=0, weight_decay=0.1)
    whole, sliced, resumed = Weights(), Weights(), Weights()
    expected, optimizer = build_optimizer(whole, config, 20), build_optimizer(sliced, config, 20, group)
    train(expected, range(6))
    train(optimizer, range(3))
    # As a checkpoint does it: the whole state out of one optimizer into another.
    state = SlicedState(optimizer, group).whole()
    moments = {item.name: item for item in expected.get_parameters() if item.name in state}
    again = build_optimizer(resumed, config, 20, group)
    SlicedState(again, group).take(state)
    # Copies: set_data with a parameter would make both the same memory.
    again.global_step.set_data(Tensor(optimizer.global_step.asnumpy()))
    for new, old in zip(resumed.get_parameters(), sliced.get_parameters()):
        new.set_data(Tensor(old.asnumpy()))
    train(again, range(3, 6))
    train(optimizer, range(3, 6))
    final = SlicedState(optimizer, group).whole()
    own = sum(int(item.size) for item in optimizer.get_parameters() if item.name in state)
    results[name] = {
        "weights": difference(whole, sliced),
        "moments": max(float(np.abs(final[key].asnumpy() - item.asnumpy()).max()) for key, item in moments.items()),
        "shapes": all(final[key].shape == item.shape for key, item in moments.items()),
        "resumed": difference(resumed, sliced),
        "held": own / sum(int(item.size) for item in moments.values()),
    }
print("results", json.dumps(results), flush=True)
heartbeat.done(0)
"""


@pytest.mark.slow
def test_two_processes_with_slices_equal_one_with_all(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    launcher = [sys.executable, str(ROOT / "launch.py"), "--device_num", "2", "--log_dir", str(tmp_path / "logs")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MS_", "RANK_"))}
    done = subprocess.run(
        [*launcher, str(script)],
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("results "))
    results = json.loads(line.removeprefix("results "))
    assert set(results) == {"AdamWeightDecay", "Lamb", "Momentum"}
    for figures in results.values():
        # A half-precision weight is rounded to 1/2048 of its value; everything else agrees to 1e-6.
        assert figures["weights"] <= 1e-6
        assert figures["moments"] <= 1e-6
        assert figures["resumed"] == 0
        assert figures["shapes"]
        # 26 numbers of 4 tensors: 8 + 1 + 2 + 3 in each process.
        assert figures["held"] == pytest.approx(14 / 26)


@pytest.mark.parametrize(("count", "size", "width"), [(15, 2, 8), (16, 2, 8), (1, 8, 1), (0, 4, 0)])
def test_slices_are_of_equal_length(count: int, size: int, width: int) -> None:
    assert slice_width(count, size) == width


class Optimizer:
    """As much of an optimizer as the state reads."""

    def __init__(self, group: ProcessGroup) -> None:
        parameters = [Parameter(Tensor(np.zeros((3, 5), np.float32)), name="w")]
        self.moments = sliced_zeros_like(parameters, "adam_m", group)
        self.sliced_shapes = {"adam_m.w": (3, 5)} if group.distributed else {}

    def get_parameters(self) -> list[Parameter]:
        return [*self.moments, Parameter(Tensor(0), name="global_step")]


def test_every_process_takes_its_slice_and_all_of_them_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(15, dtype=np.float32).reshape(3, 5)
    optimizers = [Optimizer(ProcessGroup(rank, 2)) for rank in range(2)]
    states = [SlicedState(optimizer, ProcessGroup(rank, 2)) for rank, optimizer in enumerate(optimizers)]
    for state in states:
        whole = state.blank()
        assert not whole["adam_m.w"].asnumpy().any()
        whole["adam_m.w"].set_data(Tensor(values))
        state.take(whole)
    parts = [optimizer.moments[0].asnumpy() for optimizer in optimizers]
    np.testing.assert_array_equal(np.concatenate(parts), [*range(15), 0])

    def gather(group: ProcessGroup, own: np.ndarray) -> Any:
        np.testing.assert_array_equal(own, parts[group.rank])
        return np.stack(parts)

    monkeypatch.setattr(state_slices, "gather_float32", gather)
    for state in states:
        np.testing.assert_array_equal(state.whole()["adam_m.w"].asnumpy(), values)


def test_one_process_has_nothing_to_gather() -> None:
    state = SlicedState(Optimizer(ONE_PROCESS), ONE_PROCESS)
    assert state.whole() == state.blank() == {}
