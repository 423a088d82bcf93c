"""Run a task from its configuration to its results: the same road for every task, in one process or several."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError, DataError
from src.common.interrupts import quiet_interrupts
from src.common.log import setup_logging
from src.common.native_output import without_graph_dumps
from src.common.run_directory import is_run_directory
from src.config.load import LoadedConfig
from src.config.modelarts_keys import dry_run_line
from src.data.dataset import TrainStart
from src.model.weights import load_weights
from src.runtime.ascend import apply_ascend_settings
from src.runtime.collectives import from_main, gather, share_parameters
from src.runtime.device import setup_device
from src.runtime.process_group import ProcessGroup, join_process_group, local_device_id
from src.tasks.base import Task
from src.tasks.diagnostics import NoDiagnostics, diagnostics_of
from src.tasks.network_identity import check_scored_network
from src.tasks.recorder import Recorder, SilentRecorder
from src.tasks.results import finish, log_summary
from src.tasks.run_home import RunHome
from src.tasks.trainer import Trainer
from src.tasks.training_setup import TrainingSetup, build_training
from src.tasks.weights_choice import NoCheckpoints, best_or_latest_weights, load_start_weights

logger = logging.getLogger(__name__)

_SANITY_BATCHES = 2
# Of a description that holds the list of all files.
_SHOWN_CHARACTERS = 300


@quiet_interrupts()
@without_graph_dumps()
def run_task(make_task: Callable[[ProcessGroup], Task], loaded: LoadedConfig[Any]) -> int:
    """Train, evaluate and predict as the configuration says; return the exit status.

    Args:
        make_task: Reads the data.
        loaded: The configuration.

    Raises:
        AlbertError: Something that the user can mend.
    """
    values = loaded.values
    group = start_process(loaded)
    task = make_task(group)
    if not values.run_plan().train:
        check_scored_network(Path(values.run_plan().scored_weights), loaded.network())
    if loaded.dry_run:
        return _dry_run(task, loaded)
    if values.run_plan().train:
        return _train(task, loaded, group)
    checkpoint = Path(values.run_plan().scored_weights)
    directory = results_directory(loaded, checkpoint) if group.is_main else None
    _check_same(task.scored_identity(), "evaluation data", group)
    networks = task.build_networks()
    logger.info("%s", load_weights(networks.inference, checkpoint, what="all").summary())
    finish(task, networks.inference, values.run_plan(), directory)
    return 0


def start_process(loaded: LoadedConfig[Any]) -> ProcessGroup:
    """Set up log, device and seeds of this process, and join the others."""
    values = loaded.values
    setup_logging()
    for notice in loaded.notices:
        logger.warning("%s", notice)
    setup_device(values.device_target, local_device_id(values.distribute, values.device_id), values.seed)
    apply_ascend_settings(values, values.device_target)
    return join_process_group(values.distribute, values.device_num)


def results_directory(loaded: LoadedConfig[Any], checkpoint: Path) -> Path:
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
    values, plan = loaded.values, loaded.values.run_plan()
    if plan.train:
        setup = build_training(task, loaded, 0)
        log_summary(task, loaded, setup)
        networks = setup.networks
        load_start_weights(networks.inference, plan)
        networks.loss.set_train(False)
        _, (loss_share, *_) = next(task.train_feed(TrainStart(), 1).run(networks.loss))
        loss = float(loss_share.asnumpy()) * values.accumulation_steps
        logger.info("loss of the first batch: %.4f", loss)
    else:
        networks = task.build_networks()
        load_weights(networks.inference, Path(plan.scored_weights), what="all")
    if plan.evaluate:
        task.evaluate(networks.inference, _SANITY_BATCHES)
    logger.info("%s", dry_run_line(loaded.values))
    return 0


def _train(task: Task, loaded: LoadedConfig[Any], group: ProcessGroup) -> int:
    """Train in a run directory, then score and predict with the best weights.

    Only the main process touches the directory: the others need no access to it. It sends them its weights and state.
    """
    plan = loaded.values.run_plan()
    with contextlib.ExitStack() as stack:
        home = RunHome.claim(task.checkpoint_prefix, loaded, stack) if group.is_main else None
        # Before anything is compiled: from then on MindSpore takes no dump any more.
        diagnostics = stack.enter_context(diagnostics_of(loaded, loaded.run_directory(), group))
        step = int(from_main(group, home.step if home else 0))
        _check_same(task.data_identity(), "training data", group)
        _check_same(task.scored_identity(), "evaluation data", group)
        setup = build_training(task, loaded, step, group)
        whole = setup.sliced.blank()
        if home:
            log_summary(task, loaded, setup, group, step)
            home.load_start(setup, loaded, whole)
        together = [item for item in setup.step_cell.get_parameters() if item.name not in whole]
        share_parameters(group, [*together, *whole.values()])
        setup.sliced.take(whole)
        if plan.evaluate:
            # An evaluation that cannot run should fail now and not after the first epoch.
            task.evaluate(setup.networks.inference, _SANITY_BATCHES)
        if home:
            # Whatever could be wrong with the start was right: only now an earlier run is replaced.
            home.begin(task, loaded)
        resumed_step = step if loaded.values.resume else None
        stopped_by = _fit(task, setup, home, group, resumed_step, diagnostics)
        if stopped_by:
            saved = "the state is saved; go on with --resume true" if plan.save else "nothing is saved, as configured"
            logger.warning("%s received: %s", signal.Signals(stopped_by).name, saved)
            return 128 + stopped_by
        if home and home.saves:
            chosen = best_or_latest_weights(home.checkpoints.directory, task.checkpoint_prefix)
            logger.info("%s", load_weights(setup.networks.inference, chosen, what="all").summary())
        share_parameters(group, list(setup.networks.inference.get_parameters()))
        finish(task, setup.networks.inference, plan, home.run.path if home else None)
    return 0


def _fit(
    task: Task,
    setup: TrainingSetup,
    home: RunHome | None,
    group: ProcessGroup,
    resumed_step: int | None,
    diagnostics: NoDiagnostics,
) -> int:
    """Train to the end; return the number of the signal that ended it early, or 0."""
    diagnostics.attach(setup.step_cell, setup.settings.total_steps - (resumed_step or 0))
    with contextlib.ExitStack() as stack:
        recorder = SilentRecorder()
        if home:
            total_steps, epoch_steps = setup.settings.total_steps, task.steps_per_epoch()
            recorder = stack.enter_context(Recorder(home.run, total_steps, epoch_steps, resumed_step, task.loss_unit))
        keeper = home.keeper if home else NoCheckpoints()
        trainer = Trainer(task, setup, keeper, recorder, group, diagnostics)
        stopped_by = trainer.fit(resumed_step or 0)
        recorder.draw()
    return stopped_by


def _check_same(identity: dict[str, Any], what: str, group: ProcessGroup) -> None:
    """Raise ``DataError`` where a process reads other data than the main one, in every process."""
    text = json.dumps(identity, sort_keys=True)
    digests = gather(group, [zlib.crc32(text.encode())])[:, 0]
    different = [rank for rank in range(group.size) if digests[rank] != digests[0]]
    if different:
        raise DataError(
            f"rank {', '.join(map(str, different))} reads other {what} or settings than rank 0",
            f"rank {group.rank}: {text[:_SHOWN_CHARACTERS]}",
            "give every machine the same files and the same configuration",
        )
