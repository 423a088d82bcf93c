from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from src.common.errors import DeviceError
from src.runtime import device
from src.runtime.device import overflow_may_saturate, seed_everything, setup_device

ROOT = Path(__file__).resolve().parents[2]


def test_cpu_and_modes() -> None:
    setup_device("CPU", seed=1, pynative=True)
    assert ms.get_context("mode") == ms.PYNATIVE_MODE
    setup_device("CPU", seed=1)
    assert ms.get_context("mode") == ms.GRAPH_MODE


def test_same_device_again_after_something_was_computed() -> None:
    code = "from mindspore import nn, ops; print(ops.ones((2,)) + 1)\n" + REAL_TARGETS
    assert run_python(code, "CPU") == "there"


def test_seed_gives_the_initialisation() -> None:
    def weights(seed: int, *indices: int) -> np.ndarray:
        seed_everything(seed, *indices)
        return nn.Dense(8, 8).weight.asnumpy()

    first = weights(5)
    assert (weights(5) == first).all()
    assert not (weights(6) == first).any()
    assert not (weights(5, 100) == first).any()


@pytest.mark.parametrize(("target", "expected"), [("CPU", False), ("GPU", False), ("Ascend", True)])
def test_overflow_may_saturate_on_ascend_alone(monkeypatch: pytest.MonkeyPatch, target: str, expected: bool) -> None:
    monkeypatch.setattr(device.ms, "get_context", {"device_target": target}.__getitem__)
    assert overflow_may_saturate() is expected


def test_unknown_target() -> None:
    with pytest.raises(DeviceError, match=r"unknown device target 'TPU'.*use one of CPU, GPU, Ascend"):
        setup_device("TPU")


def test_negative_device() -> None:
    with pytest.raises(DeviceError, match="device_id -1 is negative"):
        setup_device("CPU", -1)


@pytest.mark.parametrize(("target", "advice"), [("GPU", "CUDA"), ("Ascend", "CANN")])
def test_missing_device(monkeypatch: pytest.MonkeyPatch, target: str, advice: str) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError(f"Unsupported device target {target}. This process only supports ['CPU'].\n- C++ Call Stack")

    monkeypatch.setattr(device.ms, "set_device", refuse)
    with pytest.raises(DeviceError) as caught:
        setup_device(target)
    assert f"{target} cannot be used: Unsupported device target {target} ->" in str(caught.value)
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


REAL_TARGETS = """
import sys
from src.common.errors import DeviceError
from src.runtime.device import setup_device
try:
    setup_device(sys.argv[1])
    print("there")
except DeviceError as error:
    print("error:", error)
"""

DROPOUT = """
import hashlib, sys
import numpy as np
from mindspore import Tensor, nn
from src.runtime.device import setup_device
setup_device("CPU", seed=int(sys.argv[1]))
cell = nn.Dropout(p=0.1)
cell.set_train()
x = Tensor(np.ones((512, 768), np.float32))
digest = hashlib.sha256()
for _ in range(12):
    digest.update(cell(x).asnumpy().tobytes())
print(digest.hexdigest())
"""


def run_python(code: str, argument: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, argument]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return result.stdout.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["GPU", "Ascend"])
def test_real_device_or_one_line(target: str) -> None:
    line = run_python(REAL_TARGETS, target)
    assert line == "there" or line.startswith(f"error: device_target: {target} cannot be used: ")


@pytest.mark.slow
def test_dropout_repeats_in_another_process() -> None:
    digests = [run_python(DROPOUT, seed) for seed in ("1", "1", "2")]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


@pytest.mark.slow
def test_no_graph_comes_from_mindspores_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That cache gives graphs of other shapes and constants, too."""
    monkeypatch.setenv("MS_COMPILER_CACHE_ENABLE", "1")
    monkeypatch.setenv("MS_COMPILER_CACHE_PATH", str(tmp_path / "cache"))
    assert run_python(DROPOUT, "1")
    assert not (tmp_path / "cache").exists()
