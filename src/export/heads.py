"""Which head a checkpoint holds, as the names of its parameters tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from src.common.errors import CheckpointError
from src.data.record_schema import SQUAD
from src.model.names import canonical_name
from src.model.weights import read_checkpoint
from src.tasks.assets import PRETRAINING, TaskDescription
from src.tasks.squad_answering import BEAM

CLASSES, SPAN = "classes", "span"

# One parameter that each head has and no other.
_PARAMETERS = {
    "dense_1.weight": CLASSES,
    "dense1.weight": SPAN,
    "start_logits.dense.weight": BEAM,
    "cls1.output_bias": PRETRAINING,
}
_WORDS = {
    CLASSES: "labels (run_classifier.py)",
    SPAN: "start and end of answers (run_squad_v1.py, squad_head span)",
    BEAM: "answers by beam search (run_squad_v1.py, squad_head beam)",
    PRETRAINING: "pre-training (run_pretrain.py)",
}
_SETTINGS = {
    CLASSES: "--config_path task_classifier_config.yaml",
    SPAN: "--config_path task_squad_config.yaml",
    BEAM: "--config_path task_squad_config.yaml --squad_head beam --version_2_with_negative true",
    PRETRAINING: "--config_path pretrain_config.yaml",
}


@dataclass(frozen=True)
class Head:
    """The head of a checkpoint.

    Attributes:
        name: ``classes``, ``span``, ``beam``, ``pretraining``, or empty for a backbone alone.
        outputs: Number of classes of ``classes``, otherwise 0.
    """

    name: str
    outputs: int = 0


def read_head(checkpoint: Path) -> Head:
    """Return the head that a checkpoint holds.

    Raises:
        CheckpointError: The file cannot be read.
    """
    shapes = {canonical_name(name): values.shape for name, values in read_checkpoint(checkpoint).items()}
    for parameter, name in _PARAMETERS.items():
        if parameter in shapes:
            return Head(name, shapes[parameter][0] if name == CLASSES else 0)
    return Head("")


def needed_head(task: TaskDescription) -> str:
    """Return the name of the head that a task needs."""
    if task.kind == SQUAD:
        return BEAM if task.answers is not None and task.answers.head == BEAM else SPAN
    return PRETRAINING if task.kind == PRETRAINING else CLASSES


def check_head(head: Head, needed: str, checkpoint: Path) -> None:
    """Raise ``CheckpointError`` when a checkpoint lacks the head that is to be exported."""
    if head.name == needed:
        return
    if not head.name:
        fix = "set --export_part encoder to export the backbone alone, or fine-tune it first"
        raise CheckpointError("the checkpoint holds a backbone without a head", str(checkpoint), fix)
    what = f"the checkpoint holds a head for {_WORDS[head.name]}, and the configuration is for {_WORDS[needed]}"
    raise CheckpointError(what, str(checkpoint), f"give {_SETTINGS[head.name]}, or another checkpoint")
