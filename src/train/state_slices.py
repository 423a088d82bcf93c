"""Optimizer state that is split over processes, and made whole again for checkpoints.

Every process holds one slice of each moment and computes that slice's part of the update; the parts are then gathered
(stage 1 of ZeRO, arXiv:1910.02054). Moments take 1/N of the memory for one AllGather per tensor and update.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from src.runtime.collectives import gather_float32
from src.runtime.process_group import ProcessGroup


class StateSlices(nn.Cell):
    """Cut tensors into one slice a process, in a graph, and put the slices together.

    Args:
        shapes: Shapes of the tensors.
        group: The processes.
    """

    def __init__(self, shapes: list[tuple[int, ...]], group: ProcessGroup) -> None:
        super().__init__(auto_prefix=False)
        self.shapes = shapes
        self.counts = [math.prod(shape) for shape in shapes]
        # Of equal length, so that one AllGather serves: the last slices are filled up with zeros.
        self.widths = [slice_width(count, group.size) for count in self.counts]
        self.rank = group.rank
        self.size = group.size
        self.all_gather = ops.AllGather()

    def cut(self, index: int, values: Tensor) -> Tensor:
        """Return this process's slice of tensor ``index``, [width]."""
        flat = ops.reshape(values, (-1,))
        filler = self.widths[index] * self.size - self.counts[index]
        if filler > 0:
            flat = ops.concat((flat, ops.zeros((filler,), flat.dtype)))
        begin = self.rank * self.widths[index]
        return flat[begin : begin + self.widths[index]]

    def join(self, index: int, part: Tensor) -> Tensor:
        """Return tensor ``index`` from the slices of all processes, in its shape."""
        return ops.reshape(self.all_gather(part)[: self.counts[index]], self.shapes[index])


def slice_width(count: int, size: int) -> int:
    """Return the length of one of ``size`` equal slices that hold ``count`` numbers."""
    return -(-count // size)


def sliced_zeros_like(parameters: list[Parameter], prefix: str, group: ProcessGroup) -> ParameterTuple:
    """Return float32 parameters of zeros, one slice for each of ``parameters``, named ``prefix.<name>``."""
    zeros = [
        Parameter(
            Tensor(np.zeros(slice_width(int(item.size), group.size), np.float32)),
            name=f"{prefix}.{item.name}",
            requires_grad=False,
        )
        for item in parameters
    ]
    return ParameterTuple(zeros)


class SlicedState:
    """The part of a training's state of which every process holds a slice.

    Checkpoints hold all of it, so that any number of processes can go on from them, with slices or without.

    Args:
        optimizer: Made by ``build_optimizer``.
        group: The processes.
    """

    def __init__(self, optimizer: Any, group: ProcessGroup) -> None:
        self.shapes: Mapping[str, tuple[int, ...]] = optimizer.sliced_shapes
        self._slices = {item.name: item for item in optimizer.get_parameters() if item.name in self.shapes}
        self._group = group

    def whole(self) -> dict[str, Parameter]:
        """Return copies of the whole state by name; every process must call it."""
        gathered = {name: gather_float32(self._group, item.asnumpy()) for name, item in self._slices.items()}
        return {name: self._parameter(name, slices) for name, slices in gathered.items()}

    def blank(self) -> dict[str, Parameter]:
        """Return zeros in the place of the whole state by name, to be loaded and then given to ``take``."""
        return {name: self._parameter(name, np.zeros(math.prod(shape))) for name, shape in self.shapes.items()}

    def take(self, whole: Mapping[str, Parameter]) -> None:
        """Take this process's slices out of a whole state."""
        for name, own in self._slices.items():
            width = int(own.size)
            padded = np.zeros(width * self._group.size, np.float32)
            padded[: math.prod(self.shapes[name])] = whole[name].asnumpy().reshape(-1)
            # Copied in place, as in ``CheckpointManager.restore``.
            ops.assign(own, Tensor(padded[self._group.rank * width :][:width], ms.float32))

    def _parameter(self, name: str, values: np.ndarray) -> Parameter:
        shape = self.shapes[name]
        flat = values.reshape(-1)[: math.prod(shape)].astype(np.float32)
        return Parameter(Tensor(flat.reshape(shape)), name=name, requires_grad=False)
