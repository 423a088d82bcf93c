"""The learning rate: linear warm-up, then polynomial decay (google-research/albert ``optimization.py``).

The decay counts from step 0, not from the end of the warm-up, so the peak is never quite reached: with learning
rate 1, 10 warm-up steps and 100 decay steps, the steps 0, 1, 5, 9, 10, 11, 50 have 0, .1, .5, .9, .9, .89, .5.
"""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
from mindspore import Tensor, ops
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

from src.common.errors import ConfigError
from src.config.sections import OptimizerConfig


@dataclass(frozen=True)
class WarmupPolynomialDecay:
    """The schedule as numbers, for tests, plots and start-up summaries.

    Attributes:
        learning_rate: Value that the warm-up rises to and the decay starts from.
        end_learning_rate: Value after ``decay_steps``.
        warmup_steps: Steps of the warm-up; 0 leaves it out.
        decay_steps: Step at which ``end_learning_rate`` is reached.
        power: Power of the polynomial; 1 is linear.
    """

    learning_rate: float
    end_learning_rate: float
    warmup_steps: int
    decay_steps: int
    power: float

    @classmethod
    def from_config(cls, config: OptimizerConfig, train_steps: int) -> WarmupPolynomialDecay:
        """Build the schedule of ``config`` for a run of ``train_steps`` updates.

        Raises:
            ConfigError: Neither ``config.decay_steps`` nor ``train_steps`` says how long the decay is.
        """
        decay_steps = config.decay_steps or train_steps
        if decay_steps < 1:
            raise ConfigError(
                f"the learning rate has no steps to decay over: decay_steps {config.decay_steps}, "
                f"training steps {train_steps}",
                f"optimizer {config.name}",
                "train for at least one step or set decay_steps",
            )
        return cls(config.learning_rate, config.end_learning_rate, config.warmup_steps, decay_steps, config.power)

    def at(self, step: int) -> float:
        """Return the learning rate of the update that follows ``step`` finished ones."""
        if step < self.warmup_steps:
            return self.learning_rate * step / self.warmup_steps
        remaining = 1.0 - min(step, self.decay_steps) / self.decay_steps
        return (self.learning_rate - self.end_learning_rate) * remaining**self.power + self.end_learning_rate


class LearningRate(LearningRateSchedule):
    """The same schedule inside a graph.

    Args:
        schedule: The numbers.
    """

    def __init__(self, schedule: WarmupPolynomialDecay) -> None:
        super().__init__()
        self.peak = schedule.learning_rate
        self.end = schedule.end_learning_rate
        self.warmup_steps = schedule.warmup_steps
        self.decay_steps = float(schedule.decay_steps)
        self.power = schedule.power

    def construct(self, global_step: Tensor) -> Tensor:
        """Return the learning rate float32[1] at ``global_step`` int32[1]."""
        step = ops.cast(global_step, ms.float32)
        remaining = 1.0 - ops.minimum(step, self.decay_steps) / self.decay_steps
        if self.power != 1.0:
            remaining = ops.pow(remaining, self.power)
        rate = (self.peak - self.end) * remaining + self.end
        if self.warmup_steps > 0:
            rate = ops.select(step < self.warmup_steps, self.peak * step / self.warmup_steps, rate)
        return rate
