"""Our side of a contest: the network, train cell and optimizer that the commands use, on the CPU."""

from __future__ import annotations

import sys

import numpy as np
from mindspore import Tensor, nn

from benchmarks.contest.cases import FORWARD, PRETRAIN, SEED, Batch, StepCase, batch_of
from benchmarks.contest.worker import Step, serve
from src.common.environment import package_versions
from src.config.presets import preset
from src.config.sections import LossScaleConfig, NetworkConfig, OptimizerConfig
from src.model.heads import AlbertCLSModel, AlbertInference
from src.model.losses import AlbertCLS
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.runtime.device import setup_device
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer

_LEARNING_RATE = 1e-5
# Of the schedule; more than any measurement takes.
_STEPS = 10_000


def prepare(case: StepCase) -> Step:
    """Build the network of a case and return its step."""
    setup_device("CPU", seed=SEED)
    keys = {**preset(case.size, "v1"), "seq_length": case.length, "recompute": case.recompute}
    keys |= {"hidden_dropout_prob": case.dropout, "attention_probs_dropout_prob": case.dropout}
    if case.layers is not None:
        keys["num_hidden_layers"] = case.layers
    config, batch = NetworkConfig(**keys), batch_of(case)
    if case.kind == FORWARD:
        return _forward(config, batch)
    if case.kind == PRETRAIN:
        return _train(AlbertPreTraining(AlbertPreTrainingModel(config)), _pretraining_inputs(batch))
    return _train(AlbertCLS(AlbertCLSModel(config, 2), "classification"), _class_inputs(batch))


def _forward(config: NetworkConfig, batch: Batch) -> Step:
    network = AlbertInference(AlbertCLSModel(config, 2))
    network.set_train(False)
    inputs = [Tensor(values) for values in (batch.ids, np.ones_like(batch.ids), batch.segments)]
    return lambda: float(network(*inputs).asnumpy()[0, 0])


def _train(network: nn.Cell, arrays: list[np.ndarray]) -> Step:
    optimizer = build_optimizer(network, OptimizerConfig(name="AdamWeightDecay", learning_rate=_LEARNING_RATE), _STEPS)
    cell = TrainStepCell(network, optimizer, LossScaleConfig(), max_grad_norm=1.0)
    inputs = [Tensor(values) for values in arrays]
    return lambda: float(cell(*inputs)[0].asnumpy())


def _class_inputs(batch: Batch) -> list[np.ndarray]:
    rows = len(batch.labels)
    mask = np.ones_like(batch.ids)
    normalizers = np.array([rows], np.float32)
    return [batch.ids, mask, batch.segments, batch.labels, np.ones(rows, np.float32), normalizers]


def _pretraining_inputs(batch: Batch) -> list[np.ndarray]:
    rows = len(batch.labels)
    weights = np.ones(batch.positions.shape, np.float32)
    normalizers = np.array([weights.size, rows], np.float32)
    return [
        batch.ids,
        np.ones_like(batch.ids),
        batch.segments,
        batch.labels[:, None],
        batch.positions,
        batch.predictions,
        weights,
        np.ones(rows, np.float32),
        normalizers,
    ]


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {name: version or "?" for name, version in package_versions(("mindspore", "numpy")).items()}


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], StepCase, prepare, versions))
