"""The blocks of the optimizers, with the keys that each one reads."""

from __future__ import annotations

from pydantic import Field

from src.config.sections import OptimizerConfig, Section
from src.config.value_types import Float, Int, OptimizerName, OptionalFloat, OptionalInt, TextList


class ScheduleKeys(Section):
    """Warm-up and polynomial decay."""

    learning_rate: Float = Field(gt=0, description="peak learning rate")
    end_learning_rate: Float = Field(0.0, ge=0, description="learning rate at the end of the decay")
    power: Float = Field(1.0, gt=0, description="power of the polynomial decay; 1 is linear")
    warmup_steps: OptionalInt = Field(None, ge=0, description="steps of linear warm-up; null takes warmup_ratio")
    warmup_ratio: Float = Field(
        0.1, ge=0, lt=1, description="warm-up as a part of the training steps, read when warmup_steps is null"
    )
    decay_steps: Int = Field(0, ge=0, description="steps of the decay; 0 takes the number of training steps")

    def schedule(self, train_steps: int) -> dict[str, float | int]:
        """Return the schedule's fields of ``OptimizerConfig`` for a training of ``train_steps`` updates."""
        warmup = int(self.warmup_ratio * train_steps) if self.warmup_steps is None else self.warmup_steps
        return {
            "learning_rate": self.learning_rate,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "warmup_steps": warmup,
            "decay_steps": self.decay_steps or train_steps,
        }

    def build(self, name: OptimizerName, train_steps: int) -> OptimizerConfig:
        """Return the section that the optimizer is made from."""
        own = self.model_dump(exclude=set(ScheduleKeys.model_fields))
        return OptimizerConfig.model_validate({"name": name, **self.schedule(train_steps), **own})


class AdaptiveKeys(ScheduleKeys):
    """What AdamWeightDecay and Lamb share."""

    weight_decay: Float = Field(0.01, ge=0, description="decoupled weight decay")
    decay_filter: TextList = Field(
        ("layernorm", "bias"), description="parameters whose lower-cased name contains one of these do not decay"
    )
    eps: Float = Field(1e-6, gt=0, description="term added to the denominator")
    beta1: Float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    beta2: Float = Field(0.999, ge=0, lt=1, description="decay of the second moment")


class MomentumKeys(ScheduleKeys):
    """Momentum keeps its learning rate unless an end or a warm-up is given, as in the old repository."""

    learning_rate: Float = Field(2e-5, gt=0, description="learning rate")
    end_learning_rate: OptionalFloat = Field(  # type: ignore[assignment]
        None, ge=0, description="learning rate at the end of the decay; null keeps the learning rate constant"
    )
    warmup_ratio: Float = Field(
        0.0, ge=0, lt=1, description="warm-up as a part of the training steps, read when warmup_steps is null"
    )
    momentum: Float = Field(0.9, ge=0, lt=1, description="momentum of the moving average")
    weight_decay: Float = Field(0.0, ge=0, description="weight decay, added to the gradient")
    decay_filter: TextList = Field(
        ("layernorm", "bias"), description="parameters whose lower-cased name contains one of these do not decay"
    )

    def schedule(self, train_steps: int) -> dict[str, float | int]:
        """Return the schedule's fields of ``OptimizerConfig`` for a training of ``train_steps`` updates."""
        fields = super().schedule(train_steps)
        return fields | {"end_learning_rate": self.learning_rate} if self.end_learning_rate is None else fields


class ClassifierAdamKeys(AdaptiveKeys):
    """AdamWeightDecay for fine-tuning on classification tasks."""

    learning_rate: Float = Field(3e-5, gt=0, description="peak learning rate")


class ClassifierLambKeys(AdaptiveKeys):
    """Lamb for fine-tuning on classification tasks."""

    learning_rate: Float = Field(2e-5, gt=0, description="peak learning rate")


class SquadAdamKeys(AdaptiveKeys):
    """AdamWeightDecay for SQuAD."""

    learning_rate: Float = Field(1.6e-5, gt=0, description="peak learning rate")
    weight_decay: Float = Field(0.001, ge=0, description="decoupled weight decay")


class SquadLambKeys(AdaptiveKeys):
    """Lamb for SQuAD."""

    learning_rate: Float = Field(1e-3, gt=0, description="peak learning rate")
    power: Float = Field(5.0, gt=0, description="power of the polynomial decay; 1 is linear")


class SquadMomentumKeys(MomentumKeys):
    """Momentum for SQuAD."""

    learning_rate: Float = Field(1e-4, gt=0, description="learning rate")


class PretrainAdamKeys(AdaptiveKeys):
    """AdamWeightDecay for pre-training."""

    learning_rate: Float = Field(3e-5, gt=0, description="peak learning rate")
    power: Float = Field(5.0, gt=0, description="power of the polynomial decay; 1 is linear")
    warmup_steps: OptionalInt = Field(10000, ge=0, description="steps of linear warm-up; null takes warmup_ratio")
    weight_decay: Float = Field(1e-5, ge=0, description="decoupled weight decay")


class PretrainLambKeys(AdaptiveKeys):
    """Lamb for pre-training; moments and epsilon as in Google's code."""

    learning_rate: Float = Field(3e-4, gt=0, description="peak learning rate")
    power: Float = Field(2.0, gt=0, description="power of the polynomial decay; 1 is linear")
    warmup_steps: OptionalInt = Field(10000, ge=0, description="steps of linear warm-up; null takes warmup_ratio")


class ClassifierOptimizers(Section):
    """Optimizer."""

    optimizer: OptimizerName = Field("AdamWeightDecay", description="optimizer used; its block below is read")
    AdamWeightDecay: ClassifierAdamKeys = ClassifierAdamKeys()
    Lamb: ClassifierLambKeys = ClassifierLambKeys()
    Momentum: MomentumKeys = MomentumKeys()


class SquadOptimizers(Section):
    """Optimizer."""

    optimizer: OptimizerName = Field("AdamWeightDecay", description="optimizer used; its block below is read")
    AdamWeightDecay: SquadAdamKeys = SquadAdamKeys()
    Lamb: SquadLambKeys = SquadLambKeys()
    Momentum: SquadMomentumKeys = SquadMomentumKeys()
