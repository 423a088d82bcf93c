"""Build what a training is made of: networks, optimizer, train cell and the times at which things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src.config.load import LoadedConfig
from src.runtime.device import overflow_may_saturate, seed_everything
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.base import Networks, Task
from src.tasks.trainer import TrainSettings
from src.train.cell import TrainStepCell
from src.train.optimizers import ParameterGroup, build_optimizer, describe_groups


@dataclass(frozen=True)
class TrainingSetup:
    """What a training is made of.

    Attributes:
        networks: The task's networks.
        step_cell: The train cell around the loss network.
        settings: When things happen.
        groups: The decay and the no-decay parameters, for the start-up summary.
    """

    networks: Networks
    step_cell: TrainStepCell
    settings: TrainSettings
    groups: tuple[ParameterGroup, ParameterGroup]


def train_settings(task: Task, values: Any) -> TrainSettings:
    """Return when things happen."""
    plan = values.run_plan()
    steps_per_epoch = task.steps_per_epoch()
    total = plan.total_steps(steps_per_epoch)
    return TrainSettings(
        epochs=-(-total // steps_per_epoch),
        total_steps=total,
        log_steps=values.log_steps,
        eval_steps=plan.eval_steps,
        save_steps=plan.save_steps,
        accumulation_steps=values.accumulation_steps,
        stop_on_overflow=not values.enable_lossscale,
        evaluate=plan.evaluate,
        sink_steps=plan.sink_steps,
        identity={
            **task.data_identity(),
            "optimizer": values.optimizer_name(),
            "enable_lossscale": bool(values.enable_lossscale),
        },
    )


def build_training(
    task: Task, loaded: LoadedConfig[Any], start_step: int, group: ProcessGroup = ONE_PROCESS
) -> TrainingSetup:
    """Build a training that begins at ``start_step``.

    MindSpore cannot set a running dropout stream back on the CPU, so the random streams of initialisation and dropout
    begin anew from (seed, start step): two resumes from one checkpoint agree with each other. Every process but the
    main one adds its rank, so that no two drop the same units; the main one's first weights are shared afterwards.
    """
    values = loaded.values
    seed_everything(values.seed, start_step, *((group.rank,) if group.rank else ()))
    networks = task.build_networks()
    settings = train_settings(task, values)
    config = loaded.optimizer(settings.total_steps)
    optimizer = build_optimizer(networks.loss, config, settings.total_steps)
    step_cell = TrainStepCell(
        networks.loss,
        optimizer,
        loaded.loss_scale(),
        values.max_grad_norm,
        values.accumulation_steps,
        distributed=group.distributed,
        saturating=overflow_may_saturate(),
    )
    return TrainingSetup(networks, step_cell, settings, describe_groups(networks.loss, config))
