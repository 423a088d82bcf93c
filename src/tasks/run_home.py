"""The run directory of a training with its checkpoints: taken, looked into for a state to go on from, and begun."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import yaml
from mindspore import Parameter

from src.common.config_diff import diff_configs
from src.common.environment import collect_environment
from src.common.errors import CheckpointError
from src.common.log import setup_logging
from src.common.run_directory import RunDirectory
from src.config.load import LoadedConfig
from src.tasks.base import Task
from src.tasks.network_identity import check_same_network, identity_in_config
from src.tasks.training_setup import TrainingSetup
from src.tasks.weights_choice import (
    NoCheckpoints,
    check_identity,
    check_same_folder,
    checkpoint_folder,
    hold_folder,
    load_start_weights,
    refuse_used_folder,
)
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import CheckpointEntry

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RunHome:
    """Where the main process of a training writes.

    Attributes:
        run: The run directory, locked for this process.
        checkpoints: The checkpoints, whose folder is locked too.
        saves: Whether this run saves any.
        resumed: The checkpoint to go on from.
    """

    run: RunDirectory
    checkpoints: CheckpointManager
    saves: bool
    resumed: CheckpointEntry | None

    @classmethod
    def claim(cls, prefix: str, loaded: LoadedConfig[Any], stack: contextlib.ExitStack) -> RunHome:
        """Take the run directory of the configuration until ``stack`` ends; nothing but locks is written.

        Args:
            prefix: First part of the checkpoints' names.
            loaded: The configuration.
            stack: Gives everything back.

        Raises:
            AlbertError: The directory is not fit for the run, or there is nothing to resume.
        """
        values, plan = loaded.values, loaded.values.run_plan()
        run = stack.enter_context(
            RunDirectory.claim(loaded.run_directory(), resume=values.resume, overwrite=values.overwrite)
        )
        folder = checkpoint_folder(run, plan.checkpoint_folder)
        stack.enter_context(hold_folder(folder, run))
        checkpoints = CheckpointManager(folder, prefix, plan.keep)
        return cls(run, checkpoints, plan.save, _find_resumed(run, checkpoints, loaded))

    @property
    def step(self) -> int:
        """Updates that are done already."""
        return self.resumed.position.global_step if self.resumed else 0

    @property
    def keeper(self) -> CheckpointManager | NoCheckpoints:
        """What the training saves with."""
        return self.checkpoints if self.saves else NoCheckpoints()

    def load_start(self, setup: TrainingSetup, loaded: LoadedConfig[Any], whole: Mapping[str, Parameter]) -> None:
        """Load the state to go on from, or the pre-trained weights to begin with.

        Args:
            setup: Gets weights and state.
            loaded: The configuration.
            whole: Gets, by name, the state of which ``setup`` holds slices only.

        Raises:
            CheckpointError: They do not fit, or the state belongs to a training with other settings.
        """
        if self.resumed is not None:
            check_identity(self.resumed, setup.settings.identity)
            self.checkpoints.restore(setup.networks.inference, setup.step_cell, self.resumed, whole)
            logger.info("resumed at step %d", self.step)
        else:
            load_start_weights(setup.networks.inference, loaded.values.run_plan())

    def begin(self, task: Task, loaded: LoadedConfig[Any]) -> None:
        """Write what describes the run; whatever could be wrong with its start must have been found before."""
        self.run.begin(_lasting_config(loaded), collect_environment(loaded.values.device_target))
        setup_logging(self.run.log_file)
        task.save_assets(self.run.assets)


def _lasting_config(loaded: LoadedConfig[Any]) -> str:
    """Return the configuration for the run directory without what was said for this one start.

    Whoever starts anew from that file must not empty or continue a run that they did not mean; the folder that the
    file lies in is the run, wherever it is moved; and how many processes there are, and whether they split the
    optimizer's state, is for the next start to say.
    """
    fields = type(loaded.values).model_fields
    values = loaded.values.model_copy(update={key: fields[key].default for key in loaded.values.start_keys})
    return dataclasses.replace(loaded, values=values).to_yaml()


def _find_resumed(
    run: RunDirectory, checkpoints: CheckpointManager, loaded: LoadedConfig[Any]
) -> CheckpointEntry | None:
    """Return the newest sound checkpoint of a resumed run, after saying what differs from the earlier command."""
    plan = loaded.values.run_plan()
    if not loaded.values.resume:
        # What the earlier run left in its own folder goes when the new run begins.
        if not (loaded.values.overwrite and checkpoints.directory.resolve() == run.checkpoints.resolve()):
            refuse_used_folder(checkpoints)
        return None
    check_same_folder(run, checkpoints, plan.checkpoint_folder_key)
    found = checkpoints.latest()
    if found is not None:
        # Older checkpoints do not name their network: then the run's configuration does.
        known = {**identity_in_config(run.previous_config or {}), **found.position.extra}
        fix = "resume with the earlier network, or start a new run from its weights"
        check_same_network(known, loaded.network(), found.weights.name, fix)
    now = yaml.safe_load(loaded.to_yaml())
    for difference in diff_configs(run.previous_config or {}, now):
        if difference.key.split(".")[0] not in (*loaded.values.free_keys, *loaded.values.start_keys):
            logger.warning("the resumed run had another setting: %s", difference)
    if found is None:
        refuse_used_folder(checkpoints)
        if not (plan.random_start or plan.start_weights):
            raise CheckpointError(
                "the run has no checkpoint yet",
                str(run.path),
                f"give {plan.start_weights_key} or from_scratch as for its first start",
            )
        logger.warning("%s holds no checkpoint yet: training begins at step 0", run.path)
    return found
