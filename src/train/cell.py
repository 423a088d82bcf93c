"""The one train step of every task: gradients, loss scale, finite check, clipping, accumulation, all-reduce, update.

One call is one micro-batch. Every ``accumulation_steps``-th call ends an update; all of it is one graph.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, amp, nn, ops

from src.common.errors import ConfigError
from src.config.sections import LossScaleConfig
from src.model.kernels import SumOfSquares
from src.train.loss_scale import LossScale

# Names of what is added up over the micro-batches of an update, and of their number so far; checkpoints hold them.
SUM_PREFIX = "accumulated"
MICRO_BATCHES = f"{SUM_PREFIX}_micro_batches"


class TrainStepCell(nn.Cell):
    """Train ``network`` by one micro-batch per call.

    The order within an update: gradients of the scaled loss, sum over micro-batches, sum over processes, unscale,
    global norm, finite check, clip by the global norm, optimizer. An update with a gradient or a loss that is not
    finite is skipped whole: parameters, moments and ``global_step`` stay as they are, only the loss scale shrinks.

    The state outside the network's weights (moments, ``global_step``, loss scale, running sums) consists of parameters
    of this cell, so a checkpoint of them resumes in the middle of an accumulation too.

    Args:
        network: Returns (loss, figures); its last input is ``normalizers`` float32[n], by which it divides its sums.
        optimizer: Made by ``build_optimizer``.
        loss_scale: Dynamic loss scale, or a constant 1.
        max_grad_norm: Largest global norm of the gradients; 0 does not clip.
        accumulation_steps: Micro-batches per update.
        distributed: Sum normalizers, votes, gradients, loss and figures over all processes.
        saturating: The device may cut an overflow off at the largest number, which no gradient shows afterwards
            (``overflow_may_saturate`` of ``src/runtime/device.py``): ask the device too.

    Raises:
        ConfigError: ``accumulation_steps`` or ``max_grad_norm`` is out of range.
    """

    def __init__(
        self,
        network: nn.Cell,
        optimizer: nn.Optimizer,
        loss_scale: LossScaleConfig,
        max_grad_norm: float,
        accumulation_steps: int = 1,
        distributed: bool = False,
        saturating: bool = False,
    ) -> None:
        # Without auto_prefix the parameters keep the names that the network gave them.
        super().__init__(auto_prefix=False)
        if accumulation_steps < 1:
            raise ConfigError(f"{accumulation_steps} is less than 1", "accumulation_steps", "use 1 or more")
        if max_grad_norm < 0:
            raise ConfigError(f"{max_grad_norm} is negative", "max_grad_norm", "use 0 for no clipping, or more")
        self.network = network
        self.network.set_grad()
        self.optimizer = optimizer
        self.weights = optimizer.parameters
        self.loss_scale = LossScale(loss_scale)
        self.max_grad_norm = float(max_grad_norm)
        self.accumulation_steps = accumulation_steps
        self.distributed = distributed
        self.saturating = saturating
        self.sum_of_squares = SumOfSquares()
        self.output_names = ("loss", "grad_norm", "learning_rate", "loss_scale", "overflow", *network.figure_names)
        self.value_and_grad = ops.value_and_grad(self.scaled_loss, None, self.weights, has_aux=True)
        if accumulation_steps > 1:
            self.gradient_sums = _zero_sums(self.weights)
            self.loss_sum = Parameter(Tensor(0.0, ms.float32), name=f"{SUM_PREFIX}_loss", requires_grad=False)
            self.micro_batches = Parameter(Tensor(0, ms.int32), name=MICRO_BATCHES, requires_grad=False)
            if saturating:
                self.overflow_sum = Parameter(
                    Tensor(0.0, ms.float32), name=f"{SUM_PREFIX}_overflows", requires_grad=False
                )
        if distributed:
            self.all_reduce = ops.AllReduce(ops.ReduceOp.SUM)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Train one micro-batch (see ``construct``), in training mode whatever an evaluation before it has set.

        A graph keeps the mode it is compiled in: compiled after ``set_train(False)`` on a part of the network, it would
        train without dropout for good.
        """
        self.set_train()
        return super().__call__(*inputs)

    def construct(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Train one micro-batch.

        Args:
            inputs: The network's inputs; the last is ``normalizers`` float32[n] of the whole accumulated local batch.
                When ``distributed``, one more follows: this process's vote float32[1], which costs no message of its
                own.

        Returns:
            (loss, grad_norm, learning_rate, loss_scale, overflow, *figures), and when ``distributed`` the sum of all
            votes float32[]. Loss and figures are shares: their sum over the micro-batches of an update is the batch's
            value. grad_norm (unscaled, before clipping) is 0 and overflow (bool: the update was skipped) is False in
            calls that only accumulate. learning_rate and loss_scale are those of the current update.
        """
        votes: tuple[Tensor, ...] = ()
        if self.distributed:
            total = self.all_reduce(ops.concat((inputs[-2], inputs[-1])))
            inputs = (*inputs[:-2], total[:-1])
            votes = (total[-1],)
        scale = self.loss_scale()
        learning_rate = self.optimizer.get_lr()
        (_, loss, figures), gradients = self.value_and_grad(scale, *inputs)
        # Right behind the backward pass: the device's flag tells of all that it computed since it was last asked.
        overflows = self.count_overflows(gradients) if self.saturating else None
        if self.distributed:
            loss, figures = self.sum_over_processes(loss, figures)
        if self.accumulation_steps == 1:
            norm, finite = self.update(loss, gradients, scale, overflows)
        else:
            norm, finite = self.accumulate(loss, gradients, scale, overflows)
        return (loss, norm, learning_rate, scale, ops.logical_not(finite), *figures, *votes)

    def scaled_loss(self, scale: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Return the loss times ``scale`` (to be differentiated), the loss float32[] and the figures."""
        loss, figures = self.network(*inputs)
        loss = ops.cast(loss, ms.float32)
        return loss * scale, loss, figures

    def all_finite(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Ask the device whether the pass that gave ``gradients`` stayed in range, bool[].

        MindSpore reads and clears the status register of a chip that saturates, and tests the values elsewhere.
        """
        return amp.all_finite(gradients)

    def count_overflows(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Return 1 where this process's micro-batch overflowed, else 0; float32[]."""
        return ops.cast(ops.logical_not(self.all_finite(gradients)), ms.float32)

    def sum_over_processes(self, loss: Tensor, figures: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Sum loss and figures over the processes, in one message."""
        total = self.all_reduce(ops.stack((loss, *figures)))
        sums: tuple[Tensor, ...] = ()
        for index in range(len(figures)):
            sums = (*sums, total[index + 1])
        return total[0], sums

    def accumulate(
        self, loss: Tensor, gradients: tuple[Tensor, ...], scale: Tensor, overflows: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Add to the running sums; with the last micro-batch update and clear them. Return (norm, finite)."""
        for index in range(len(self.weights)):
            ops.assign_add(self.gradient_sums[index], ops.cast(gradients[index], ms.float32))
        ops.assign_add(self.loss_sum, loss)
        ops.assign_add(self.micro_batches, ops.ones_like(self.micro_batches))
        if self.saturating:
            ops.assign_add(self.overflow_sum, overflows)
            overflows = self.overflow_sum
        norm = ops.zeros((), ms.float32)
        finite = ops.ones((), ms.bool_)
        if self.micro_batches >= self.accumulation_steps:
            norm, finite = self.update(self.loss_sum, self.gradient_sums, scale, overflows)
            self.clear_sums()
        return norm, finite

    def clear_sums(self) -> None:
        """Set the running sums to zero."""
        for index in range(len(self.weights)):
            ops.assign(self.gradient_sums[index], ops.zeros_like(self.gradient_sums[index]))
        ops.assign(self.loss_sum, ops.zeros_like(self.loss_sum))
        ops.assign(self.micro_batches, ops.zeros_like(self.micro_batches))
        if self.saturating:
            ops.assign(self.overflow_sum, ops.zeros_like(self.overflow_sum))

    def update(
        self, loss: Tensor, gradients: tuple[Tensor, ...], scale: Tensor, overflows: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Reduce, unscale, check, clip and apply the gradients of the scaled loss. Return (norm, finite)."""
        unscaled: tuple[Tensor, ...] = ()
        squares = ops.zeros((), ms.float32)
        for gradient in gradients:
            gradient = ops.cast(gradient, ms.float32)
            if self.distributed:
                gradient = self.all_reduce(gradient)
            if self.loss_scale.enabled:
                gradient = gradient / scale
            squares = squares + self.sum_of_squares(gradient)
            unscaled = (*unscaled, gradient)
        norm = ops.sqrt(squares)
        # A sum of squares is finite only where every gradient is: one test instead of one per tensor.
        finite = ops.logical_and(ops.isfinite(norm), ops.isfinite(loss))
        if self.saturating:
            total = self.all_reduce(overflows) if self.distributed else overflows
            finite = ops.logical_and(finite, ops.less(total, 1.0))
        if finite:
            self.optimizer(self.clip(unscaled, norm))
        if self.loss_scale.enabled:
            self.loss_scale.update(finite)
        return norm, finite

    def clip(self, gradients: tuple[Tensor, ...], norm: Tensor) -> tuple[Tensor, ...]:
        """Scale the gradients so that their global norm is at most ``max_grad_norm`` (tf.clip_by_global_norm)."""
        if self.max_grad_norm == 0.0:
            return gradients
        factor = self.max_grad_norm / ops.maximum(norm, self.max_grad_norm)
        clipped: tuple[Tensor, ...] = ()
        for gradient in gradients:
            clipped = (*clipped, gradient * factor)
        return clipped


def _zero_sums(weights: ParameterTuple) -> ParameterTuple:
    """Return float32 running sums of zeros, one for each weight."""
    sums = [
        Parameter(Tensor(np.zeros(item.shape, np.float32)), name=f"{SUM_PREFIX}.{item.name}", requires_grad=False)
        for item in weights
    ]
    return ParameterTuple(sums)
