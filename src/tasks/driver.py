"""Run a task from its configuration to its results: the same road for every task."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from src.common.config_diff import diff_configs
from src.common.environment import collect_environment
from src.common.errors import CheckpointError, ConfigError
from src.common.log import setup_logging
from src.common.run_directory import RunDirectory, is_run_directory
from src.config.load import LoadedConfig
from src.data.dataset import TrainStart
from src.model.weights import load_weights
from src.runtime.device import setup_device
from src.tasks.base import Task
from src.tasks.recorder import Recorder
from src.tasks.results import finish, log_summary
from src.tasks.trainer import Trainer
from src.tasks.training_setup import TrainingSetup, build_training
from src.tasks.weights_choice import (
    best_or_latest_weights,
    check_identity,
    check_same_folder,
    checkpoint_folder,
    hold_folder,
    refuse_used_folder,
)
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import CheckpointEntry

logger = logging.getLogger(__name__)

_SANITY_BATCHES = 2
# A resumed run may differ in these without being another run.
_FREE_KEYS = {"resume", "overwrite", "run_dir", "log_steps", "do_predict", "test_data_file_path"}


def run_task(make_task: Callable[[], Task], loaded: LoadedConfig[Any]) -> int:
    """Train, evaluate and predict as the configuration says; return the exit status.

    Args:
        make_task: Reads the data.
        loaded: The configuration.

    Raises:
        AlbertError: Something that the user can mend.
    """
    values = loaded.values
    setup_logging()
    for notice in loaded.notices:
        logger.warning("%s", notice)
    setup_device(values.device_target, values.device_id, values.seed)
    task = make_task()
    if loaded.dry_run:
        return _dry_run(task, loaded)
    if values.do_train:
        return _train(task, loaded)
    checkpoint = Path(values.load_finetune_checkpoint_path)
    directory = _results_directory(loaded, checkpoint)
    networks = task.build_networks()
    logger.info("%s", load_weights(networks.inference, checkpoint, what="all").summary())
    finish(task, networks.inference, values, directory)
    return 0


def _results_directory(loaded: LoadedConfig[Any], checkpoint: Path) -> Path:
    """Return where results without training go: ``run_dir``, else the run that the checkpoint belongs to."""
    owner = checkpoint.resolve().parent.parent
    if loaded.values.run_dir:
        return loaded.run_directory()
    if is_run_directory(owner):
        return owner
    raise ConfigError(
        f"{checkpoint} lies in no run directory, so there is no place for the results",
        "run_dir",
        "name a folder for them",
    )


def _dry_run(task: Task, loaded: LoadedConfig[Any]) -> int:
    """Build everything and run one training batch and two evaluation batches; nothing is updated or written."""
    values = loaded.values
    if values.do_train:
        setup = build_training(task, loaded, 0)
        log_summary(task, loaded, setup)
        networks = setup.networks
        if values.load_pretrain_checkpoint_path:
            path = Path(values.load_pretrain_checkpoint_path)
            logger.info("%s", load_weights(networks.inference, path).summary())
        networks.loss.set_train(False)
        _, batch = next(iter(task.train_batches(TrainStart(), 1)))
        loss = float(networks.loss(*batch)[0].asnumpy()) * values.accumulation_steps
        logger.info("loss of the first batch: %.4f", loss)
    else:
        networks = task.build_networks()
        load_weights(networks.inference, Path(values.load_finetune_checkpoint_path), what="all")
    if values.do_eval:
        task.evaluate(networks.inference, _SANITY_BATCHES)
    logger.info("dry run: everything fits, nothing was written")
    return 0


def _train(task: Task, loaded: LoadedConfig[Any]) -> int:
    """Train in a run directory, then score and predict with the best weights."""
    values = loaded.values
    with (
        RunDirectory.claim(loaded.run_directory(), resume=values.resume, overwrite=values.overwrite) as run,
        contextlib.ExitStack() as locks,
    ):
        folder = checkpoint_folder(run, values.save_finetune_checkpoint_path)
        locks.enter_context(hold_folder(folder, run))
        checkpoints = CheckpointManager(folder, task.checkpoint_prefix, values.save_checkpoint_num)
        resumed = _find_resumed(run, checkpoints, loaded)
        step = resumed.position.global_step if resumed else 0
        setup = build_training(task, loaded, step)
        if resumed is not None:
            check_identity(resumed, setup.settings.identity)
        log_summary(task, loaded, setup)
        _load_start(checkpoints, resumed, setup, values)
        if values.do_eval:
            # An evaluation that cannot run should fail now and not after the first epoch.
            task.evaluate(setup.networks.inference, _SANITY_BATCHES)
        # Whatever could be wrong with the start was right: only now an earlier run is replaced.
        run.begin(_lasting_config(loaded), collect_environment(values.device_target))
        setup_logging(run.log_file)
        task.save_assets(run.assets)
        stopped_by = _fit(task, setup, checkpoints, run, step if values.resume else None)
        if stopped_by:
            logger.warning("%s received: the state is saved; go on with --resume true", signal.Signals(stopped_by).name)
            return 128 + stopped_by
        chosen = best_or_latest_weights(folder, task.checkpoint_prefix)
        logger.info("%s", load_weights(setup.networks.inference, chosen, what="all").summary())
        finish(task, setup.networks.inference, values, run.path)
    return 0


def _lasting_config(loaded: LoadedConfig[Any]) -> str:
    """Return the configuration for the run directory without what was said for this one start.

    Whoever starts anew from that file must not empty or continue a run that they did not mean; and the folder that
    the file lies in is the run, wherever it is moved.
    """
    values = loaded.values.model_copy(update={"resume": False, "overwrite": False, "run_dir": ""})
    return dataclasses.replace(loaded, values=values).to_yaml()


def _find_resumed(
    run: RunDirectory, checkpoints: CheckpointManager, loaded: LoadedConfig[Any]
) -> CheckpointEntry | None:
    """Return the newest sound checkpoint of a resumed run, after saying what differs from the earlier command."""
    if not loaded.values.resume:
        # What the earlier run left in its own folder goes when the new run begins.
        if not (loaded.values.overwrite and checkpoints.directory.resolve() == run.checkpoints.resolve()):
            refuse_used_folder(checkpoints)
        return None
    check_same_folder(run, checkpoints)
    now = yaml.safe_load(loaded.to_yaml())
    for difference in diff_configs(run.previous_config or {}, now):
        if difference.key.split(".")[0] not in _FREE_KEYS:
            logger.warning("the resumed run had another setting: %s", difference)
    found = checkpoints.latest()
    if found is None:
        refuse_used_folder(checkpoints)
        if not (loaded.values.from_scratch or loaded.values.load_pretrain_checkpoint_path):
            raise CheckpointError(
                "the run has no checkpoint yet",
                str(run.path),
                "give load_pretrain_checkpoint_path or from_scratch as for its first start",
            )
        logger.warning("%s holds no checkpoint yet: training begins at step 0", run.path)
    return found


def _load_start(
    checkpoints: CheckpointManager, resumed: CheckpointEntry | None, setup: TrainingSetup, values: Any
) -> None:
    """Load the state to go on from, or the pre-trained weights to begin with."""
    if resumed is not None:
        checkpoints.restore(setup.networks.inference, setup.step_cell, resumed)
        logger.info("resumed at step %d", resumed.position.global_step)
    elif values.load_pretrain_checkpoint_path:
        path = Path(values.load_pretrain_checkpoint_path)
        logger.info("%s", load_weights(setup.networks.inference, path).summary())


def _fit(
    task: Task, setup: TrainingSetup, checkpoints: CheckpointManager, run: RunDirectory, resumed_step: int | None
) -> int:
    """Train to the end; return the number of the signal that ended it early, or 0."""
    with Recorder(run, setup.settings.total_steps, task.steps_per_epoch(), resumed_step, task.loss_unit) as recorder:
        trainer = Trainer(task, setup.networks, setup.step_cell, setup.settings, checkpoints, recorder)
        stopped_by = trainer.fit(resumed_step or 0)
        recorder.draw()
    return stopped_by
