"""Which weights of a run to use, and whether a folder is free for a new run's checkpoints."""

from __future__ import annotations

import logging
from pathlib import Path

from src.common.errors import CheckpointError, OutputError
from src.train.checkpoint import CheckpointManager

logger = logging.getLogger(__name__)


def best_or_latest_weights(directory: Path, prefix: str) -> Path:
    """Return the best weights of a run, or its newest where nothing was evaluated.

    Raises:
        CheckpointError: There are none, or all are damaged.
    """
    manager = CheckpointManager(directory, prefix, keep=1)
    try:
        best = manager.best()
    except CheckpointError as error:
        logger.warning("%s; taking the newest checkpoint", error)
        best = None
    found = best or manager.latest()
    if found is None:
        raise CheckpointError("the run has no checkpoint yet", str(directory), "train first, or name --checkpoint")
    return directory / found.weights.name


def refuse_used_folder(manager: CheckpointManager) -> None:
    """Raise ``OutputError`` when a folder for a new run's checkpoints holds those of another run."""
    if manager.best() is not None or manager.latest() is not None:
        raise OutputError(
            "the folder holds the checkpoints of another run",
            str(manager.directory),
            "choose another save_finetune_checkpoint_path",
        )
