"""A train step whose gradients are known."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from src.config.sections import LossScaleConfig, OptimizerConfig
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer

MODES = {"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}

NO_SCALE = LossScaleConfig(enable=False)


class SquaredDistance(nn.Cell):
    """The contract of the loss networks: rows with weights, sums divided by ``normalizers``."""

    def __init__(self) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.dense = nn.Dense(3, 2)
        self.dense.weight.set_data(Tensor(generator.normal(size=(2, 3)).astype(np.float32)))
        self.dense.bias.set_data(Tensor(generator.normal(size=2).astype(np.float32)))
        self.figure_names = ("absolute_error",)

    def construct(self, x: Tensor, y: Tensor, weight: Tensor, normalizers: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        error = (self.dense(x) - y).sum(axis=1)
        loss = (weight * ops.square(error)).sum() / normalizers[0]
        return loss, ((weight * ops.abs(error)).sum() / normalizers[0],)


def build(
    name: str = "AdamWeightDecay",
    loss_scale: LossScaleConfig = NO_SCALE,
    max_grad_norm: float = 1.0,
    accumulation_steps: int = 1,
    **settings: float,
) -> TrainStepCell:
    network = SquaredDistance()
    config = OptimizerConfig(name=name, **({"learning_rate": 0.1, "warmup_steps": 0} | settings))
    optimizer = build_optimizer(network, config, train_steps=100)
    return TrainStepCell(network, optimizer, loss_scale, max_grad_norm, accumulation_steps)


def batch_of(seed: int, rows: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(rows, 3)), generator.normal(size=(rows, 2))
    weight = np.ones(rows)
    weight[-1] = 0
    return x.astype(np.float32), y.astype(np.float32), weight.astype(np.float32)


def train(cell: TrainStepCell, batch: tuple[np.ndarray, ...], normalizer: float = 3.0) -> dict[str, float]:
    tensors = [Tensor(array) for array in batch]
    values = cell(*tensors, Tensor([normalizer], ms.float32))
    return {name: value.asnumpy().item() for name, value in zip(cell.output_names, values, strict=True)}


def state_of(cell: TrainStepCell) -> dict[str, np.ndarray]:
    return {item.name: item.asnumpy().copy() for item in cell.get_parameters()}
