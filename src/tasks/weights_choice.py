"""Where a run keeps its checkpoints, which of them to use, and whether going on with them is right."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from mindspore import Parameter, nn

from src.common.errors import CheckpointError, ConfigError, OutputError
from src.common.files import make_directory
from src.common.run_directory import RunDirectory
from src.common.run_lock import RunLock
from src.config.run_plan import RunPlan
from src.model.weights import load_entries, load_weights, network_config
from src.tasks.network_identity import check_start_network
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import BestEntry, CheckpointEntry, Metric, TrainPosition
from src.weights.start_weights import foreign_format, read_start_weights

logger = logging.getLogger(__name__)


def best_or_latest_weights(directory: Path, prefix: str) -> Path:
    """Return the best weights of a run, or its newest where nothing was evaluated.

    Raises:
        CheckpointError: There are none, or all are damaged.
    """
    manager = CheckpointManager(directory, prefix, keep=1)
    best, damage = None, ""
    try:
        best = manager.best()
    except CheckpointError as error:
        damage = str(error)
    found = best or manager.latest()
    if damage:
        logger.warning("%s; taking the newest checkpoint", damage)
    if found is None:
        raise CheckpointError("the run has no checkpoint yet", str(directory), "train first, or name a checkpoint")
    return directory / found.weights.name


def load_start_weights(network: nn.Cell, plan: RunPlan) -> None:
    """Load the checkpoint that training starts from, where one is named, and log what it gave.

    Checkpoints of TensorFlow and folders of HF transformers are converted while they are read.

    Raises:
        CheckpointError: It does not fit.
    """
    if not plan.start_weights:
        return
    what: Literal["present", "backbone"] = "present" if plan.start_heads else "backbone"
    path = Path(plan.start_weights)
    kind = foreign_format(path)
    if kind is None:
        if path.is_file():
            check_start_network(path, network_config(network))
        logger.info("%s", load_weights(network, path, what=what).summary())
        return
    read = read_start_weights(path, kind)
    for notice in read.notices:
        logger.info("%s: %s", read.path, notice)
    read.require_network(network_config(network))
    logger.info("%s", load_entries(network, read.entries, read.path, what=what).summary())


class NoCheckpoints:
    """Keeps nothing: for a run that saves no checkpoints, and for every process but the main one."""

    def save(
        self,
        network: nn.Cell,
        train_cell: nn.Cell,
        position: TrainPosition,
        metric: Metric | None = None,
        whole: Mapping[str, Parameter] | None = None,
    ) -> None:
        """Save nothing."""

    def save_best(self, network: nn.Cell, position: TrainPosition, metric: Metric) -> None:
        """Save nothing."""

    def best(self) -> BestEntry | None:
        """Return that there are none."""
        return None


def checkpoint_folder(run: RunDirectory, save_path: str) -> Path:
    """Return where a run keeps its checkpoints: its own folder, unless the configuration names one."""
    return Path(save_path) if save_path else run.checkpoints


@contextlib.contextmanager
def hold_folder(folder: Path, run: RunDirectory) -> Iterator[None]:
    """Keep other runs out of a checkpoint folder that lies outside of the run directory, whose lock covers the rest.

    Raises:
        OutputError: Another run is using it, or it cannot be written.
    """
    if folder.resolve() == run.checkpoints.resolve():
        yield
        return
    is_new = not folder.exists()
    lock = RunLock(make_directory(folder))
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
        if is_new:
            # A start that failed leaves nothing; a folder that holds checkpoints cannot be removed this way.
            with contextlib.suppress(OSError):
                folder.rmdir()


def refuse_used_folder(manager: CheckpointManager) -> None:
    """Raise ``OutputError`` when a folder for a run that begins at step 0 holds checkpoints."""
    if any(manager.directory.glob(f"{manager.prefix}-*.ckpt")):
        raise OutputError(
            "the folder holds checkpoints that are not this run's",
            str(manager.directory),
            "move them away, or choose another folder",
        )


def check_same_folder(run: RunDirectory, manager: CheckpointManager, key: str) -> None:
    """Raise ``ConfigError`` when a resumed run kept its checkpoints in another folder than the one ``key`` names."""
    earlier = checkpoint_folder(run, str((run.previous_config or {}).get(key) or ""))
    if earlier.resolve() != manager.directory.resolve():
        raise ConfigError(
            f"the run that is resumed keeps its checkpoints in {earlier}",
            key,
            "name that folder",
        )


def check_identity(checkpoint: CheckpointEntry, identity: Mapping[str, Any]) -> None:
    """Raise ``CheckpointError`` when a checkpoint was made with settings that going on cannot change."""
    stored = checkpoint.position.extra
    different = [
        _difference(key, stored[key], value) for key, value in identity.items() if stored.get(key, value) != value
    ]
    if different:
        raise CheckpointError(
            f"the run was started with other settings: {'; '.join(different)}",
            checkpoint.weights.name,
            "resume with the earlier ones, or start a new run from its weights",
        )


def _difference(key: str, earlier: Any, now: Any) -> str:
    """Say what is different, of many values only their names: the list of a corpus' files would fill the screen."""
    if isinstance(earlier, dict) and isinstance(now, dict):
        names = [name for name in now if earlier.get(name) != now[name]]
        return f"{key} are others ({', '.join(names)})"
    return f"{key} was {earlier}, is {now}"
