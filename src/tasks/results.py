"""What a run tells at its start and leaves at its end: summary, final score, predictions."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mindspore import nn

from src.common.files import write_json_atomic
from src.common.log import log_to_file
from src.config.load import LoadedConfig
from src.config.presets import parameter_count
from src.config.run_plan import RunPlan
from src.config.sections import NetworkConfig
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks.base import Score, Task
from src.tasks.training_setup import TrainingSetup

logger = logging.getLogger(__name__)


def log_table(title: str, rows: Mapping[str, Any]) -> None:
    """Log names and values in two columns."""
    width = max(len(name) for name in rows)
    logger.info("%s\n%s", title, "\n".join(f"  {name:<{width}}  {value}" for name, value in rows.items()))


def log_summary(
    task: Task,
    loaded: LoadedConfig[Any],
    setup: TrainingSetup,
    group: ProcessGroup = ONE_PROCESS,
    resumed_step: int = 0,
) -> None:
    """Log what is about to be trained, so that a wrong setting is seen before hours are spent.

    Args:
        task: What is trained.
        loaded: The configuration.
        setup: What the training is made of.
        group: The processes that train together.
        resumed_step: Step of the checkpoint that is gone on from; 0 for none.
    """
    values, settings = loaded.values, setup.settings
    plan = values.run_plan()
    processes = f" x {group.size} processes" if group.distributed else ""
    peak = f", {settings.peak_tflops:g} TFLOP/s at most" if settings.peak_tflops else ""
    log_table(
        f"{task.name}:",
        {
            "device": f"{values.device_target}{peak}",
            **_network_rows(task, loaded.network(), setup),
            **task.summary(),
            "batch": f"{plan.batch_size} rows x {settings.accumulation_steps}{processes} per update",
            "steps": f"{settings.total_steps} ({task.steps_per_epoch()} per epoch)",
            "batches from": f"a queue on the device, looked at every {plan.sink_steps} updates"
            if plan.sink_steps
            else "a thread beside the training",
            "optimizer": values.optimizer_name(),
            "weight decay": "; ".join(str(group) for group in setup.groups),
            "start": f"resumed at step {resumed_step}" if resumed_step else plan.start_weights or "random weights",
        },
    )


def _network_rows(task: Task, network: NetworkConfig, setup: TrainingSetup) -> dict[str, str]:
    """Return what the summary says of the network: its shape, its weights, and what a row costs."""
    total = sum(int(item.size) for item in setup.networks.loss.trainable_params())
    gflops = task.train_flops(1, network.seq_length) / 1e9
    return {
        "network": f"{network.num_hidden_layers} layers x {network.hidden_size}, embeddings {network.vocab_size} x "
        f"{network.embedding_size}, {network.compute_type}",
        "parameters": f"{total:,} ({parameter_count(network):,} in encoder and pooler)",
        "model FLOPs": f"{gflops:.4g} GFLOP to train on a row of {network.seq_length} tokens",
    }


def print_score(score: Score) -> None:
    """Print a score on stdout, its last line being the one that scripts look for, and record it in the log file."""
    for line in score.lines:
        print(line, flush=True)
        log_to_file("%s", line)


def finish(task: Task, inference: nn.Cell, plan: RunPlan, directory: Path | None) -> None:
    """Write predictions and the final evaluation into ``directory``; the score is printed last.

    Args:
        task: Predicts and evaluates.
        inference: The network that answers.
        plan: What to do.
        directory: ``None`` in a process that is not the main one: it takes its part in the work and writes nothing.
    """
    if plan.predict:
        _tell("predictions", task.predict(inference, directory / "predictions" if directory else None))
    if plan.evaluate:
        score = task.evaluate(inference)
        if directory is None:
            return
        name = task.evaluation_name()
        if score.write_files is not None:
            _tell("predictions", score.write_files(directory / "predictions" / name))
        write_report(directory, name, score)
        print_score(score)


def _tell(what: str, files: Sequence[Path]) -> None:
    for path in files:
        logger.info("%s: %s", what, path)


def write_report(directory: Path, name: str, score: Score) -> None:
    """Write the report of a score to ``<directory>/eval/<name>.json``.

    The names ``step_20`` and the like are those of evaluations during training; data of such a name get another one.
    """
    path = directory / "eval" / (f"data_{name}.json" if re.fullmatch(r"step_\d+", name) else f"{name}.json")
    write_json_atomic(path, score.report)
    logger.info("evaluation: %s", path)
