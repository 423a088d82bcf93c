"""Describe a checkpoint that lies in no run directory: by the configuration and the shape of its head."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from src.common.errors import CheckpointError, ConfigError
from src.common.glue_tasks import GLUE_LABELS
from src.config.classifier import ClassifierConfig
from src.config.load import LoadedConfig
from src.config.pretrain import PretrainConfig
from src.config.squad import SquadConfig
from src.data.record_schema import SQUAD
from src.export.description import ENCODER
from src.export.heads import BEAM, CLASSES, SPAN, Head, check_head
from src.tasks.assets import PRETRAINING, AnswerSettings, TaskDescription, pretraining_description
from src.tasks.squad_answering import configured_answers

logger = logging.getLogger(__name__)


def task_of_config(loaded: LoadedConfig[Any], part: str, head: Head, checkpoint: Path) -> TaskDescription:
    """Return what a checkpoint was trained for, as far as the configuration tells.

    Args:
        loaded: The configuration.
        part: ``model`` or ``encoder``; a backbone needs no more than the shape of the network.
        head: The head of the checkpoint.
        checkpoint: The checkpoint, for messages.

    Raises:
        CheckpointError: The checkpoint holds another head.
        ConfigError: The configuration says something else than the head.
    """
    config = loaded.values
    if part == ENCODER:
        return _described(loaded, PRETRAINING)
    if isinstance(config, PretrainConfig):
        check_head(head, PRETRAINING, checkpoint)
        return _described(loaded, PRETRAINING)
    if isinstance(config, SquadConfig):
        check_head(head, BEAM if config.squad_head == BEAM else SPAN, checkpoint)
        name = f"SQuAD {'v2.0' if config.version_2_with_negative else 'v1.1'}"
        return _described(loaded, SQUAD, task_name=name, answers=configured_answers(config))
    check_head(head, CLASSES, checkpoint)
    kind = _kind(config, head)
    return _described(loaded, kind, task_name=config.task_name, labels=_labels(config, kind, head, checkpoint))


def _described(
    loaded: LoadedConfig[Any],
    kind: str,
    task_name: str = "",
    labels: tuple[str, ...] = (),
    answers: AnswerSettings | None = None,
) -> TaskDescription:
    """Return a description with the lengths and the network of the configuration."""
    network, config = loaded.network(), loaded.values
    if kind == PRETRAINING:
        lower, buckets = config.do_lower_case, tuple(config.bucket_list)
        return pretraining_description(network, network.seq_length, buckets, do_lower_case=lower, tokenizer_sha256="")
    return TaskDescription(
        kind=kind,
        task_name=task_name,
        labels=labels,
        length=network.seq_length,
        buckets=tuple(config.bucket_list) or (network.seq_length,),
        network=network.model_dump(mode="json"),
        spm_model="",
        vocabulary="",
        do_lower_case=config.do_lower_case,
        answers=answers,
    )


def _kind(config: ClassifierConfig, head: Head) -> str:
    """Return the kind of the labels: the named one, the named task's, or what the number of outputs suggests."""
    if config.task_kind:
        return config.task_kind
    if config.task_name:
        return "classification" if GLUE_LABELS[config.task_name] else "regression"
    kind = "regression" if head.outputs == 1 else "classification"
    logger.info("neither task_kind nor task_name is set: the head of %d outputs is taken for %s", head.outputs, kind)
    return kind


def _labels(config: ClassifierConfig, kind: str, head: Head, checkpoint: Path) -> tuple[str, ...]:
    """Return the names of the classes: GLUE's, or their numbers."""
    expected = set() if config.num_class is None else {config.num_class}
    if kind == "regression":
        expected |= {1}
        names: tuple[str, ...] = ()
    else:
        names = GLUE_LABELS[config.task_name] if config.task_name else tuple(map(str, range(head.outputs)))
        expected |= {len(names)}
        if config.task_name and not names:
            raise ConfigError(f"{config.task_name} has scores, not classes", "task_kind", "set task_kind regression")
    if expected != {head.outputs}:
        wanted = " and ".join(str(number) for number in sorted(expected - {head.outputs}))
        what = f"the head has {head.outputs} outputs, and the configuration ({kind}) asks for {wanted}"
        raise CheckpointError(what, str(checkpoint), "correct num_class, task_name or task_kind")
    return names
