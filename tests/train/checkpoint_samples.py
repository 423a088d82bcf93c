"""A small train step and its checkpoints."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from src.config.sections import LossScaleConfig, OptimizerConfig
from src.train.cell import TrainStepCell
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import TrainPosition
from src.train.optimizers import build_optimizer


class SquaredDistance(nn.Cell):
    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.dense = nn.Dense(size, 2)
        self.figure_names: tuple[str, ...] = ()

    def construct(self, x: Tensor, normalizers: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return (self.dense(x) ** 2).sum() / normalizers[0], ()


def build(size: int = 3, accumulation_steps: int = 2, name: str = "AdamWeightDecay") -> TrainStepCell:
    ms.set_context(mode=ms.GRAPH_MODE)
    network = SquaredDistance(size)
    config = OptimizerConfig(name=name, learning_rate=0.1, warmup_steps=2)
    optimizer = build_optimizer(network, config, train_steps=50)
    scale = LossScaleConfig(enable=True, value=64.0, window=3)
    return TrainStepCell(network, optimizer, scale, 1.0, accumulation_steps)


def train(cell: TrainStepCell, steps: range) -> list[float]:
    losses = []
    for step in steps:
        x = np.random.default_rng(step).normal(size=(4, 3)).astype(np.float32)
        losses.append(float(cell(Tensor(x), Tensor([4.0], ms.float32))[0].asnumpy()))
    return losses


def fill(cell: TrainStepCell, value: float) -> None:
    for item in cell.get_parameters():
        item.set_data(Tensor(np.full(item.shape, value), item.dtype))


def values_of(cell: TrainStepCell) -> set[float]:
    return {float(number) for item in cell.get_parameters() for number in np.ravel(item.asnumpy())}


def at(step: int, epoch: int = 1) -> TrainPosition:
    return TrainPosition(epoch=epoch, step_in_epoch=step, global_step=step, extra={"seed": 7})


def manager_of(tmp_path: Path, keep: int = 2) -> CheckpointManager:
    return CheckpointManager(tmp_path / "ckpt", "classifier", keep)


def names_in(manager: CheckpointManager) -> list[str]:
    return sorted(path.name for path in manager.directory.iterdir())


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
