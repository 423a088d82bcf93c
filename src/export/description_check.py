"""What a description of an exported model must hold: its json has no checksum of its own, and people edit files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.data.record_schema import KINDS, SQUAD
from src.tasks.assets import PRETRAINING, TaskDescription, check_file_names

if TYPE_CHECKING:
    from src.export.description import ExportDescription, TensorSpec

MODEL, ENCODER = "model", "encoder"
INPUT_NAMES = ("input_ids", "input_mask", "segment_ids")
POSITIONS_NAME = "masked_lm_positions"
_BEAM_OUTPUTS = 5
_BEAM = "beam"
# More rows in a batch than any machine has memory for.
_MOST_ROWS = 1 << 16
Shape = tuple[int | None, ...]


def check_task(task: TaskDescription) -> None:
    """Raise ``ValueError`` for a task that no export describes."""
    most = task.network_config().max_position_embeddings
    check_file_names(task)
    if task.kind not in (*KINDS, SQUAD, PRETRAINING):
        raise ValueError(f"unknown kind {task.kind}")
    if len(set(task.labels)) != len(task.labels) or not all(label.strip() for label in task.labels):
        raise ValueError("labels are blank or not different")
    if bool(task.labels) != (task.kind in ("classification", "token_classification")):
        raise ValueError("the labels are not those of such a network")
    if task.kind == SQUAD and task.answers is None:
        raise ValueError("it does not say how questions are answered")
    if not 1 <= task.length <= most or not task.buckets:
        raise ValueError("the length is not one of the network's")
    if list(task.buckets) != sorted(set(task.buckets)) or task.buckets[0] < 1 or task.buckets[-1] > most:
        raise ValueError("the lengths of batches are not ascending lengths of the network")


def check_tensors(description: ExportDescription) -> None:
    """Raise ``ValueError`` where inputs and outputs are not those of such a network."""
    task, is_encoder = description.task, description.part == ENCODER
    asks_places = task.kind == PRETRAINING and not is_encoder
    inputs = description.inputs
    names = (*INPUT_NAMES, POSITIONS_NAME) if asks_places else INPUT_NAMES
    if tuple(spec.name for spec in inputs) != names or any(spec.dtype != "int32" for spec in inputs):
        raise ValueError("the inputs are not those of such a network")
    if any(len(spec.shape) != 2 for spec in inputs) or len({spec.shape for spec in inputs[:3]}) > 1:
        raise ValueError("the inputs are not of one shape")
    (rows, length), places = inputs[0].shape, inputs[-1].shape[1]
    limits = ((rows, _MOST_ROWS), (length, task.network_config().max_position_embeddings), (places, _MOST_ROWS))
    if inputs[-1].shape[0] != rows or any(size is not None and not 1 <= size <= most for size, most in limits):
        raise ValueError("the inputs have impossible sizes")
    expected = output_shapes(task, description.part, rows, length, places)
    if len(description.outputs) != len(expected):
        raise ValueError("the outputs are not those of such a network")
    if not all(map(_fits, description.outputs, expected)):
        raise ValueError("the outputs have other sizes than such a network's")


def output_shapes(
    task: TaskDescription, part: str, rows: int | None, length: int | None, places: int | None = None
) -> list[Shape | None]:
    """Return the shape of each output of a network, with ``None`` for sizes that are free; ``None`` for a beam's.

    Args:
        task: What the network is for.
        part: ``model`` or ``encoder``.
        rows: Rows of every batch.
        length: Tokens of every row.
        places: Places of a row that a pre-training network is asked for.
    """
    network = task.network_config()
    if part == ENCODER:
        return [(rows, length, network.hidden_size), (rows, network.hidden_size)]
    if task.kind == PRETRAINING:
        return [(rows, places, network.vocab_size)]
    if task.kind == SQUAD:
        is_beam = task.answers is not None and task.answers.head == _BEAM
        return [None] * _BEAM_OUTPUTS if is_beam else [(rows, length, 2)]
    if task.kind == "token_classification":
        return [(rows, length, len(task.labels))]
    return [(rows, max(1, len(task.labels)))]


def _fits(spec: TensorSpec, shape: Shape | None) -> bool:
    """Tell whether an output may have the shape that is expected; of a free size any will do."""
    if shape is None:
        return True
    return len(spec.shape) == len(shape) and all(
        want is None or size == want for size, want in zip(spec.shape, shape, strict=True)
    )
