"""Shapes of a graph: what the exported model takes, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from src.common.errors import ConfigError
from src.data.record_schema import SQUAD
from src.export.description import TensorSpec
from src.export.description_check import ENCODER, INPUT_NAMES, POSITIONS_NAME
from src.export.plan import ExportPlan
from src.tasks.assets import PRETRAINING, TaskDescription
from src.tasks.squad_answering import BEAM

# [CLS], a token and [SEP].
_SHORTEST = 3
_BEAM_OUTPUTS = (
    "start_log_probabilities",
    "start_positions",
    "end_log_probabilities",
    "end_positions",
    "no_answer_logits",
)


def shortest_length(task: TaskDescription, part: str) -> int:
    """Return the fewest tokens of a row with which the network works; of a beam's a few more than it looks for."""
    if part == ENCODER or task.answers is None or task.answers.head != BEAM:
        return _SHORTEST
    return _SHORTEST - 1 + max(task.answers.start_n_top, task.answers.end_n_top)


def exported_length(task: TaskDescription, plan: ExportPlan) -> int | None:
    """Return the tokens of every row, ``None`` for any.

    Raises:
        ConfigError: The network has no such positions, or its beam is wider.
    """
    if plan.is_dynamic:
        return None
    length = plan.length or task.length
    most = task.network_config().max_position_embeddings
    if length > most:
        what = f"the network has positions for {most} tokens, not for {length}"
        raise ConfigError(what, "export_seq_length", f"give {most} or less")
    shortest = shortest_length(task, plan.part)
    if length < shortest:
        what = f"{length} tokens are too few: the network needs {shortest}"
        raise ConfigError(what, "export_seq_length", f"give {shortest} or more")
    return length


def exported_task(task: TaskDescription, length: int | None) -> TaskDescription:
    """Return the description of a task with the lengths that the exported model takes."""
    if length is None:
        return task
    return replace(task, length=min(task.length, length), buckets=(length,))


def input_specs(task: TaskDescription, plan: ExportPlan, length: int | None) -> tuple[TensorSpec, ...]:
    """Return the inputs in their order.

    Raises:
        ConfigError: More places of [MASK] are asked for than a row has tokens, or of a network without them.
    """
    specs = tuple(TensorSpec(name, "int32", (plan.rows, length)) for name in INPUT_NAMES)
    if task.kind == PRETRAINING and plan.part != ENCODER:
        places = None if plan.is_dynamic else plan.predictions
        if plan.asks_predictions and length is not None and plan.predictions > length:
            what = f"a row of {length} tokens has no {plan.predictions} places of [MASK]"
            raise ConfigError(what, "export_predictions", f"give {length} or less")
        return (*specs, TensorSpec(POSITIONS_NAME, "int32", (plan.rows, places)))
    if plan.asks_predictions:
        what = "this network is not asked for words in the place of [MASK]"
        raise ConfigError(what, "export_predictions", "leave it out")
    return specs


def output_specs(
    names: Sequence[str], first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> tuple[TensorSpec, ...]:
    """Return the outputs in their order: sizes that differ between two batches are free.

    Args:
        names: Their names.
        first: Outputs of a batch.
        second: Outputs of another batch, of another shape where the model takes any.
    """
    return tuple(
        TensorSpec(name, str(a.dtype), tuple(i if i == k else None for i, k in zip(a.shape, b.shape, strict=True)))
        for name, a, b in zip(names, first, second, strict=True)
    )


def output_names(task: TaskDescription, part: str) -> tuple[str, ...]:
    """Return the names of the outputs in their order."""
    if part == ENCODER:
        return ("sequence_output", "pooled_output")
    if task.kind == PRETRAINING:
        return ("log_probabilities",)
    if task.kind == SQUAD:
        return _BEAM_OUTPUTS if task.answers is not None and task.answers.head == BEAM else ("start_end_logits",)
    return ("logits",)
