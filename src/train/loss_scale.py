"""The loss scale of 16-bit training: it grows while gradients stay finite and shrinks when they do not."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from src.config.sections import LossScaleConfig

# Beyond this the scale brings nothing, and with gradients of exactly zero it would grow until it is infinite itself.
_LARGEST_SCALE = 2.0**32
_SMALLEST_SCALE = 1.0


class LossScale(nn.Cell):
    """Hold the scale and the count of good steps; a constant 1 without state when disabled.

    Args:
        config: First value, factor and window.
    """

    def __init__(self, config: LossScaleConfig) -> None:
        super().__init__(auto_prefix=False)
        self.enabled = config.enable
        if not config.enable:
            return
        self.factor = config.factor
        self.window = config.window
        self.largest = max(config.value, _LARGEST_SCALE)
        self.smallest = min(config.value, _SMALLEST_SCALE)
        self.scale = Parameter(Tensor(config.value, ms.float32), name="loss_scale", requires_grad=False)
        self.good_steps = Parameter(Tensor(0, ms.int32), name="loss_scale_good_steps", requires_grad=False)

    def construct(self) -> Tensor:
        """Return the scale of the current update, float32[], as a copy that a later update leaves alone."""
        if self.enabled:
            return self.scale * 1.0
        return ops.ones((), ms.float32)

    def update(self, finite: Tensor) -> None:
        """Grow or shrink after an update: ``finite`` bool[] says whether its gradients were finite."""
        good_steps = self.good_steps + 1
        full = good_steps >= self.window
        grown = ops.minimum(self.scale * self.factor, self.largest)
        shrunk = ops.maximum(self.scale / self.factor, self.smallest)
        scale = ops.select(finite, ops.select(full, grown, self.scale * 1.0), shrunk)
        zero = ops.zeros_like(good_steps)
        ops.assign(self.good_steps, ops.select(finite, ops.select(full, zero, good_steps), zero))
        ops.assign(self.scale, scale)
