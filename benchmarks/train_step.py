"""One measurement of ``benchmarks.recompute_memory``: some train steps of pre-training in a process of their own.

Prints a line of JSON. The weights follow the seed and the batch is drawn from it, so two processes differ in
``recompute`` alone; there is no dropout. Both consist of MindSpore's operators, because with compiled kernels nothing
is recomputed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from mindspore import Tensor

from benchmarks.machine import reset_peak, status_mb
from benchmarks.train_case import Case, Measured
from src.common.cli import run_command
from src.common.seeds import child_generator
from src.config.sections import LossScaleConfig, NetworkConfig, OptimizerConfig
from src.model.compiled import portable
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.runtime.device import setup_device
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer

SEED = 1
_PREDICTED_SHARE = 0.15


def measure(case: Case) -> Measured:
    """Compile the train step, then run it; only the running counts."""
    setup_device("CPU", seed=SEED)
    config = NetworkConfig(**case.network)
    with portable():
        network = AlbertPreTraining(AlbertPreTrainingModel(config))
    optimizer = build_optimizer(network, OptimizerConfig(name="Lamb", learning_rate=1e-3), case.steps)
    cell = TrainStepCell(network, optimizer, LossScaleConfig(), max_grad_norm=1.0)
    inputs = [Tensor(values) for values in _batch(case, config.vocab_size)]
    cell.set_train()
    cell.compile(*inputs)
    reset_peak()
    before_mb = status_mb("VmRSS")
    losses, norms, step_s = [], [], 0.0
    for _ in range(case.steps):
        started = time.monotonic()
        loss, norm, *_ = cell(*inputs)
        losses.append(float(loss.asnumpy()))
        norms.append(float(norm.asnumpy()))
        step_s = time.monotonic() - started
    count = sum(item.size for item in network.trainable_params())
    return Measured(count, before_mb, status_mb("VmHWM") - before_mb, step_s, losses, norms)


def _batch(case: Case, vocab_size: int) -> list[np.ndarray]:
    """Return the inputs of ``AlbertPreTraining``; all rows are full."""
    random = child_generator(SEED, "benchmark batch")
    shape = (case.batch, case.length)
    slots = max(1, round(_PREDICTED_SHARE * case.length))
    positions = np.tile(np.linspace(0, case.length - 1, slots).astype(np.int32), (case.batch, 1))
    ids = random.integers(0, vocab_size, shape)
    labels = random.integers(0, vocab_size, positions.shape)
    order = random.integers(0, 2, (case.batch, 1))
    segments = np.broadcast_to(np.arange(case.length) >= case.length // 2, shape)
    whole = [ids, np.ones(shape), segments, order, positions, labels]
    normalizers = np.array([positions.size, case.batch], np.float32)
    return [
        *(values.astype(np.int32) for values in whole),
        *(np.ones(size, np.float32) for size in (positions.shape, case.batch)),
        normalizers,
    ]


def main(argv: Sequence[str]) -> int:
    """Measure the case that the only argument describes in JSON."""
    print(json.dumps(asdict(measure(Case(**json.loads(argv[0]))))))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
