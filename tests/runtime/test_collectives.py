from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.runtime.collectives import from_main, gather, share_parameters
from src.runtime.process_group import ProcessGroup

ROOT = Path(__file__).resolve().parents[2]
ALONE = ProcessGroup()

WORKER = """
import argparse, math, sys
import numpy as np, mindspore as ms
from mindspore import Parameter, Tensor, nn
from src.common.cli import run_command
from src.runtime.collectives import _PIECE, from_main, gather, gather_arrays, share_parameters
from src.runtime.device import setup_device
from src.runtime.process_group import join_process_group

EXACT = [-0.1, 2.0**53 + 2, -(2.0**1000), 5e-324, math.inf, math.nan, 0.0, 1 / 3]
LARGE = [2**31 - 1, -(2**31), -1, 0, 65535, 65536, -65537, 123456789]

def values_of(rank):
    shift = 100.0 * rank
    random = np.random.default_rng(rank)
    return [
        np.array(shift + 0.1, np.float32),  # a scalar
        random.normal(size=(3, _PIECE // 2)).astype(np.float32),  # more than one message, the last one not full
        random.normal(size=(5, 7)).astype(np.float16),
        np.array(LARGE, np.int32) if rank == 0 else np.arange(8, dtype=np.int32),
        np.array(7 - 10 * rank, np.int32),
        np.array([1.5, -2.5], np.float32) if rank == 0 else np.array([math.nan, math.inf], np.float32),
        np.array([math.nan, math.inf, 3.0], np.float32) if rank == 0 else np.zeros(3, np.float32),
        np.array([True, False]) if rank == 0 else np.array([False, False]),
    ]

class Branches(nn.Cell):
    # As the train step: what a graph with branches has kept must not outlive new values.
    def __init__(self, value):
        super().__init__()
        self.value = value
    def construct(self, x):
        if x.sum() > 0:
            return x * self.value
        return x

def arrays_of(rank, *, flat=False, none=()):
    random = np.random.default_rng(rank)
    shapes = [(length,) if flat else (length, 3) for length in (4, 1, 0, 7)[: 4 - rank]]
    return [] if rank in none else [random.normal(size=shape).astype(np.float32) for shape in shapes]

def check_arrays(group):
    for options in ({}, {"flat": True}, {"none": (0,)}, {"none": (1,), "flat": True}, {"none": (0, 1)}):
        found = gather_arrays(group, arrays_of(group.rank, **options))
        expected = [item for rank in range(group.size) for item in arrays_of(rank, **options)]
        assert [item.shape for item in found] == [item.shape for item in expected], options
        for item, other in zip(found, expected):
            np.testing.assert_array_equal(item, other)
    large = [np.full(_PIECE - 1, group.rank, np.float32), np.full(2, 5, np.float32)]
    assert [float(item.sum()) for item in gather_arrays(group, large)] == [0.0, 10.0, _PIECE - 1.0, 10.0]

def main(argv):
    parser = argparse.ArgumentParser()
    for name in ("--distribute", "--device_num", "--device_target"):
        parser.add_argument(name)
    size = int(parser.parse_args(argv).device_num)
    setup_device("CPU", seed=1)
    group = join_process_group(True, size)
    assert group.size == size
    found = gather(group, [value + group.rank for value in EXACT])
    expected = np.array([[value + rank for value in EXACT] for rank in range(size)])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float64 and found.tobytes() == expected.tobytes()
    check_arrays(group)
    for value in (-1.0, 2.0**53 + 2, 0.0):
        assert from_main(group, value if group.is_main else 5.0) == value
    assert math.isnan(from_main(group, math.nan if group.is_main else 1.0))
    parameters = [Parameter(Tensor(value), name=f"p{n}") for n, value in enumerate(values_of(group.rank))]
    network = Branches(Parameter(Tensor(2.0 + group.rank, ms.float32), name="factor"))
    assert float(network(Tensor([1.0], ms.float32)).asnumpy()[0]) == 2.0 + group.rank
    share_parameters(group, [*parameters, network.value])
    for parameter, value in zip(parameters, values_of(0)):
        shared = parameter.asnumpy()
        assert (shared.dtype, shared.shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(shared, value)
    assert float(network(Tensor([1.0], ms.float32)).asnumpy()[0]) == 2.0
    print(f"rank {group.rank}: all is as it should be")
    return 0

if __name__ == "__main__":
    sys.exit(run_command(main))
"""


def test_one_process_gathers_its_own() -> None:
    found = gather(ALONE, [1.5, -2.0, 2.0**53 + 2])
    assert found.dtype == np.float64
    assert found.tolist() == [[1.5, -2.0, 2.0**53 + 2]]
    assert gather(ALONE, np.array([7], np.int64)).tolist() == [[7.0]]


def test_one_process_is_the_main_one() -> None:
    assert from_main(ALONE, -0.25) == -0.25
    assert np.isnan(from_main(ALONE, float("nan")))


def test_one_process_shares_with_nobody() -> None:
    parameter = Parameter(Tensor([1.0, float("nan")], ms.float32), name="p")
    share_parameters(ALONE, [parameter])
    np.testing.assert_array_equal(parameter.asnumpy(), [1.0, np.nan])


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    done = subprocess.run(
        [sys.executable, str(ROOT / "launch.py"), "--device_num", "2", "--log_dir", "logs", "worker.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    logs = [(tmp_path / "logs" / f"rank_{rank}.log").read_text() for rank in range(2)]
    assert done.returncode == 0, "\n".join([done.stderr, *logs])
    for rank in range(2):
        assert f"rank {rank}: all is as it should be" in logs[rank]
