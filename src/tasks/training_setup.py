"""Build what a training is made of: networks, optimizer, train cell and the times at which things happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from src.config.load import LoadedConfig
from src.runtime.device import overflow_may_saturate, seed_everything
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.base import Networks, Task
from src.tasks.network_identity import network_identity
from src.train.cell import TrainStepCell
from src.train.optimizers import ParameterGroup, build_optimizer, describe_groups
from src.train.state_slices import SlicedState


@dataclass(frozen=True)
class TrainSettings:
    """When things happen, in optimizer steps.

    Attributes:
        epochs: Passes over the data.
        total_steps: Optimizer steps of the whole training; ``epochs`` is made to hold them.
        log_steps: Steps between log lines.
        eval_steps: Steps between evaluations; 0 evaluates at the end of each epoch.
        save_steps: Steps between checkpoints; 0 saves at the end of each epoch.
        accumulation_steps: Micro-batches of a step.
        stop_on_overflow: True where the loss is not scaled, so that a non-finite gradient is never normal.
        evaluate: Whether there is evaluation data.
        sink_steps: With a data sink, updates between two looks of the host at their results; 0 without.
        peak_tflops: What one device can do, in TFLOP/s, for the figure ``mfu``; 0 where nobody knows.
        identity: What must stay the same for a checkpoint to be gone on with; it is stored in each.
    """

    epochs: int
    total_steps: int
    log_steps: int
    eval_steps: int
    save_steps: int
    accumulation_steps: int
    stop_on_overflow: bool
    evaluate: bool
    sink_steps: int = 0
    peak_tflops: float = 0.0
    identity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingSetup:
    """What a training is made of.

    Attributes:
        networks: The task's networks.
        step_cell: The train cell around the loss network.
        settings: When things happen.
        groups: The decay and the no-decay parameters, for the start-up summary.
        sliced: What of the optimizer's state is split over processes.
    """

    networks: Networks
    step_cell: TrainStepCell
    settings: TrainSettings
    groups: tuple[ParameterGroup, ParameterGroup]
    sliced: SlicedState


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
        peak_tflops=values.peak_tflops,
        identity={
            **task.data_identity(),
            **network_identity(task.network_config()),
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
    share = group if values.run_plan().slice_optimizer_state else ONE_PROCESS
    optimizer = build_optimizer(networks.loss, config, settings.total_steps, share)
    step_cell = TrainStepCell(
        networks.loss,
        optimizer,
        loaded.loss_scale(),
        values.max_grad_norm,
        values.accumulation_steps,
        distributed=group.distributed,
        saturating=overflow_may_saturate(),
    )
    groups = describe_groups(networks.loss, config)
    return TrainingSetup(networks, step_cell, settings, groups, SlicedState(optimizer, share))
