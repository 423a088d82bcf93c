"""``pretrain_eval.py``: score a checkpoint of pre-training on held-out records."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from src.common.errors import ConfigError
from src.common.interrupts import quiet_interrupts
from src.common.native_output import without_graph_dumps
from src.common.run_directory import RunDirectory, is_run_directory
from src.config.load import LoadedConfig
from src.config.modelarts_keys import dry_run_line
from src.config.pretrain import PretrainConfig
from src.model.weights import load_weights
from src.runtime.collectives import share_parameters
from src.tasks.driver import results_directory, start_process
from src.tasks.network_identity import check_scored_network
from src.tasks.pretrain import PretrainTask
from src.tasks.results import log_table, print_score, write_report
from src.tasks.weights_choice import best_or_latest_weights, checkpoint_folder

logger = logging.getLogger(__name__)

_SANITY_BATCHES = 2


@quiet_interrupts()
@without_graph_dumps()
def run_evaluation(loaded: LoadedConfig[PretrainConfig]) -> int:
    """Score ``eval_ckpt`` on the records of ``eval_data_dir``; return the exit status.

    Raises:
        AlbertError: Something that the user can mend.
    """
    checkpoint = _checkpoint(loaded)
    run = None if loaded.values.eval_ckpt else loaded.run_directory()
    check_scored_network(checkpoint, loaded.network(), run)
    directory = results_directory(loaded, checkpoint)
    group = start_process(loaded)
    task = PretrainTask(loaded, group, train=False, evaluate=True)
    task.check_trained_with(checkpoint.resolve().parent.parent if run is None else run)
    networks = task.build_networks()
    if group.is_main:
        facts: dict[str, Any] = {"checkpoint": checkpoint, **task.summary()}
        log_table("evaluation of pre-training:", facts)
        logger.info("%s", load_weights(networks.inference, checkpoint, what="all").summary())
    share_parameters(group, list(networks.inference.get_parameters()))
    score = task.evaluate(networks.inference, _SANITY_BATCHES if loaded.dry_run else 0)
    if group.is_main and loaded.dry_run:
        logger.info("%s", dry_run_line(loaded.values))
    elif group.is_main:
        write_report(directory, task.evaluation_name(), score)
        print_score(score)
    return 0


def _checkpoint(loaded: LoadedConfig[PretrainConfig]) -> Path:
    """Return the checkpoint to score: the one that is named, else the best or newest of the run."""
    if loaded.values.eval_ckpt:
        return Path(loaded.values.eval_ckpt)
    run = loaded.run_directory()
    if not is_run_directory(run):
        fix = "give --eval_ckpt CHECKPOINT, or --config_path RUN/config.yaml for the best or newest one of a run"
        raise ConfigError("no checkpoint is given", "eval_ckpt", fix)
    return best_or_latest_weights(
        checkpoint_folder(RunDirectory.open(run), loaded.values.save_checkpoint_path), PretrainTask.checkpoint_prefix
    )
