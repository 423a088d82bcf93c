"""AdamWeightDecay, Lamb and Momentum with decay and no-decay groups, as the reference defines them.

AdamWeightDecay and Lamb follow google-research/albert (``optimization.py``, ``lamb_optimizer.py``): decoupled weight
decay and no bias correction. ``nn.Lamb`` corrects the bias and does not run on a CPU, and ``nn.Momentum`` takes no
float16 parameters, so both are written out here.
The gradients are expected unscaled and clipped (see ``src/train/cell.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from src.config.sections import OptimizerConfig
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.train.schedule import LearningRate, WarmupPolynomialDecay
from src.train.state_slices import StateSlices, sliced_zeros_like


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are treated alike.

    Attributes:
        decays: Whether weight decay (and, with Lamb, the trust ratio) applies to them.
        weight_decay: The weight decay that applies.
        names: Names of the parameters, in the network's order.
        parameter_count: Number of weights in them.
    """

    decays: bool
    weight_decay: float
    names: tuple[str, ...]
    parameter_count: int

    def __str__(self) -> str:
        """Return the line of the start-up report."""
        kind = "decay" if self.decays else "no decay"
        return (
            f"{kind} (weight_decay {self.weight_decay:g}): {len(self.names)} tensors, {self.parameter_count:,} weights"
        )


def is_decayed(name: str, decay_filter: Sequence[str]) -> bool:
    """Say whether the lower-cased parameter name holds none of ``decay_filter``."""
    return not any(word.lower() in name.lower() for word in decay_filter)


def describe_groups(network: nn.Cell, config: OptimizerConfig) -> tuple[ParameterGroup, ParameterGroup]:
    """Return the decay and the no-decay group of the trainable parameters, to be reported before training."""
    parameters = network.trainable_params()
    groups = []
    for decays in (True, False):
        members = [item for item in parameters if is_decayed(item.name, config.decay_filter) == decays]
        count = sum(int(np.prod(item.shape)) for item in members)
        weight_decay = config.weight_decay if decays else 0.0
        groups.append(ParameterGroup(decays, weight_decay, tuple(item.name for item in members), count))
    return groups[0], groups[1]


def build_optimizer(
    network: nn.Cell, config: OptimizerConfig, train_steps: int, share: ProcessGroup = ONE_PROCESS
) -> nn.Optimizer:
    """Build the optimizer of ``config`` over the trainable parameters of ``network``.

    Args:
        network: Its parameters keep their names and their order.
        config: Name, schedule and hyper-parameters.
        train_steps: Updates of the whole run: length of the decay unless ``config.decay_steps`` gives it.
        share: Processes over which the moments are split; one process holds them whole.

    Raises:
        ConfigError: The learning rate has no steps to decay over.
    """
    schedule = LearningRate(WarmupPolynomialDecay.from_config(config, train_steps))
    parameters = network.trainable_params()
    if config.name == "AdamWeightDecay":
        return AdamWeightDecay(parameters, schedule, config, share)
    if config.name == "Lamb":
        return Lamb(parameters, schedule, config, share)
    return Momentum(parameters, schedule, config, share)


class _Float32Optimizer(nn.Optimizer):
    """Count the updates and compute them in float32 whatever the type of the parameter.

    Args:
        parameters: The parameters to train.
        schedule: The learning rate.
        config: Weight decay and its filter.
        share: Processes over which the moments are split.
    """

    def __init__(
        self, parameters: list[Parameter], schedule: LearningRate, config: OptimizerConfig, share: ProcessGroup
    ) -> None:
        super().__init__(schedule, parameters)
        self.share = share
        self.is_sliced = share.distributed
        # Shapes of the state that is split over processes, by name, for checkpoints.
        self.sliced_shapes: dict[str, tuple[int, ...]] = {}
        if self.is_sliced:
            self.slices = StateSlices([tuple(item.shape) for item in parameters], share)
        self.decays = tuple(is_decayed(item.name, config.decay_filter) for item in parameters)
        # Plain floats, not parameter groups of the base class: those reach the graph as Tensors, and an update
        # function that is registered for numbers is then silently skipped.
        self.weight_decays = tuple(config.weight_decay if decays else 0.0 for decays in self.decays)

    def new_moments(self, parameters: list[Parameter], prefix: str) -> ParameterTuple:
        """Return float32 zeros for every parameter, named ``prefix.<name>``, or this process's slices of them."""
        if not self.is_sliced:
            return _float32_zeros_like(parameters, prefix)
        self.sliced_shapes.update({f"{prefix}.{item.name}": tuple(item.shape) for item in parameters})
        return sliced_zeros_like(parameters, prefix, self.share)

    def next_step(self) -> Tensor:
        """Return the learning rate of this update and count it."""
        learning_rate = self.get_lr()
        return ops.depend(learning_rate, self.assignadd(self.global_step, self.global_step_increase_tensor))

    def subtract(self, index: int, step: Tensor) -> None:
        """Subtract the float32 ``step`` from parameter ``index``, in float32, and round once."""
        parameter = self.parameters[index]
        ops.assign(parameter, ops.cast(ops.cast(parameter, ms.float32) - step, parameter.dtype))


class _MomentsOptimizer(_Float32Optimizer):
    """Hold the first and second moments, in float32.

    Args:
        parameters: The parameters to train.
        schedule: The learning rate.
        config: Betas, epsilon, weight decay and its filter.
        share: Processes over which the moments are split.
    """

    def __init__(
        self, parameters: list[Parameter], schedule: LearningRate, config: OptimizerConfig, share: ProcessGroup
    ) -> None:
        super().__init__(parameters, schedule, config, share)
        self.beta1 = config.beta1
        self.beta2 = config.beta2
        self.eps = config.eps
        self.moments1 = self.new_moments(parameters, "adam_m")
        self.moments2 = self.new_moments(parameters, "adam_v")

    def update_moments(self, index: int, gradient: Tensor) -> Tensor:
        """Update both moments of parameter ``index``; return its direction m / (sqrt(v) + eps) + decay * w."""
        gradient = ops.cast(gradient, ms.float32)
        if self.is_sliced:
            gradient = self.slices.cut(index, gradient)
        moment1 = self.beta1 * self.moments1[index] + (1.0 - self.beta1) * gradient
        moment2 = self.beta2 * self.moments2[index] + (1.0 - self.beta2) * gradient * gradient
        direction = moment1 / (ops.sqrt(moment2) + self.eps)
        if self.is_sliced:
            direction = self.slices.join(index, direction)
        if self.weight_decays[index] > 0.0:
            direction = direction + self.weight_decays[index] * ops.cast(self.parameters[index], ms.float32)
        ops.assign(self.moments1[index], moment1)
        ops.assign(self.moments2[index], moment2)
        return direction


class AdamWeightDecay(_MomentsOptimizer):
    """Adam with decoupled weight decay and without bias correction.

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w -= lr (m / (sqrt(v) + eps) + decay w).

    Args:
        parameters: The parameters to train.
        schedule: The learning rate.
        config: Betas, epsilon, weight decay and its filter.
        share: Processes over which the moments are split.
    """

    def __init__(
        self, parameters: list[Parameter], schedule: LearningRate, config: OptimizerConfig, share: ProcessGroup
    ) -> None:
        super().__init__(parameters, schedule, config, share)
        # One kernel for the whole update, three times as fast as the written-out one; it wants one type throughout.
        self.fused_update = ops.AdamWeightDecay()

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Update every parameter with its gradient; return the learning rate used, float32[]."""
        learning_rate = self.next_step()
        for index in range(self.param_length):
            if self.parameters[index].dtype == ms.float32 and not self.is_sliced:
                self.fused_update(
                    self.parameters[index],
                    self.moments1[index],
                    self.moments2[index],
                    learning_rate,
                    self.beta1,
                    self.beta2,
                    self.eps,
                    self.weight_decays[index],
                    gradients[index],
                )
            else:
                self.subtract(index, learning_rate * self.update_moments(index, gradients[index]))
        return learning_rate


class Lamb(_MomentsOptimizer):
    """AdamWeightDecay with a step per tensor of ||w|| / ||direction|| (You et al. 2020, without bias correction).

    The ratio is 1 where either norm is 0 and for parameters outside the decay group, as the reference has it.

    Args:
        parameters: The parameters to train.
        schedule: The learning rate.
        config: Betas, epsilon, weight decay and its filter.
    """

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Update every parameter with its gradient; return the learning rate used, float32[]."""
        learning_rate = self.next_step()
        for index in range(self.param_length):
            direction = self.update_moments(index, gradients[index])
            step = learning_rate * direction
            if self.decays[index]:
                step = self.trust_ratio(self.parameters[index], direction) * step
            self.subtract(index, step)
        return learning_rate

    def trust_ratio(self, weight: Tensor, direction: Tensor) -> Tensor:
        """Return ||weight|| / ||direction||, or 1 where one of them is 0; float32[]."""
        weight_norm = ops.sqrt(ops.reduce_sum(ops.square(ops.cast(weight, ms.float32))))
        direction_norm = ops.sqrt(ops.reduce_sum(ops.square(direction)))
        both = ops.logical_and(weight_norm > 0.0, direction_norm > 0.0)
        one = ops.ones_like(weight_norm)
        return ops.select(both, weight_norm / ops.select(both, direction_norm, one), one)


class Momentum(_Float32Optimizer):
    """Gradient descent with momentum: v = momentum * v + (g + weight_decay * w); w -= learning_rate * v.

    Its weight decay is added to the gradient (L2), as in MindSpore's ``nn.Momentum``, not decoupled.

    Args:
        parameters: The parameters to train.
        schedule: The learning rate.
        config: Momentum, weight decay and its filter.
        share: Processes over which the moments are split.
    """

    def __init__(
        self, parameters: list[Parameter], schedule: LearningRate, config: OptimizerConfig, share: ProcessGroup
    ) -> None:
        super().__init__(parameters, schedule, config, share)
        self.momentum = config.momentum
        self.moments = self.new_moments(parameters, "moments")

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Update every parameter with its gradient; return the learning rate used, float32[]."""
        learning_rate = self.next_step()
        for index in range(self.param_length):
            gradient = ops.cast(gradients[index], ms.float32)
            if self.weight_decays[index] > 0.0:
                gradient = gradient + self.weight_decays[index] * ops.cast(self.parameters[index], ms.float32)
            if self.is_sliced:
                gradient = self.slices.cut(index, gradient)
            moment = self.momentum * self.moments[index] + gradient
            ops.assign(self.moments[index], moment)
            if self.is_sliced:
                moment = self.slices.join(index, moment)
            self.subtract(index, learning_rate * moment)
        return learning_rate


def _float32_zeros_like(parameters: list[Parameter], prefix: str) -> ParameterTuple:
    """Return float32 parameters of zeros with the shapes of ``parameters``, named ``prefix.<name>``."""
    zeros = [
        Parameter(Tensor(np.zeros(item.shape, np.float32)), name=f"{prefix}.{item.name}", requires_grad=False)
        for item in parameters
    ]
    return ParameterTuple(zeros)
