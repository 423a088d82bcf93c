"""Our side of an epoch: the configuration, task, data pipeline, train step and trainer of run_classifier.py."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, cast

from benchmarks.contest.epoch_case import (
    DROPOUT,
    LEARNING_RATE,
    MAX_GRAD_NORM,
    OUR_DEV,
    OUR_TRAIN,
    WARMUP_RATIO,
    WEIGHT_DECAY,
    EpochCase,
)
from benchmarks.contest.ours import versions
from benchmarks.contest.watched import Watched
from benchmarks.contest.worker import work_once
from src.config.load import load_config
from src.tasks.classifier import ClassifierTask
from src.tasks.driver import start_process
from src.tasks.recorder import SilentRecorder
from src.tasks.trainer import Trainer
from src.tasks.training_setup import build_training
from src.tasks.weights_choice import NoCheckpoints


def arguments(case: EpochCase) -> list[str]:
    """Return the command line of run_classifier.py."""
    network = {**case.shape, "hidden_dropout_prob": DROPOUT, "attention_probs_dropout_prob": DROPOUT}
    keys = {
        "do_train": "true",
        "do_eval": "true",
        "from_scratch": "true",
        "epoch_num": 1,
        "train_data_file_path": Path(case.folder) / OUR_TRAIN,
        "eval_data_file_path": Path(case.folder) / OUR_DEV,
        "train_batch_size": case.batch_size,
        "eval_batch_size": case.batch_size,
        "bucket_list": ",".join(map(str, case.buckets)),
        "max_grad_norm": MAX_GRAD_NORM,
        "albert_network": "custom",
        "albert_net_cfg.seq_length": case.max_length,
        **{f"albert_net_cfg.{key}": value for key, value in network.items()},
        "optimizer_cfg.AdamWeightDecay.learning_rate": LEARNING_RATE,
        "optimizer_cfg.AdamWeightDecay.weight_decay": WEIGHT_DECAY,
        "optimizer_cfg.AdamWeightDecay.warmup_ratio": WARMUP_RATIO,
    }
    return [word for key, value in keys.items() for word in (f"--{key}", str(value))]


def work(case: EpochCase) -> dict[str, float]:
    """Train for an epoch and evaluate; return seconds of both, of compilation in them, and rows evaluated.

    The trainer is told not to evaluate by itself, so that the two are timed apart; nothing is saved, as at the peer.
    """
    loaded = load_config("classifier", arguments(case))
    group = start_process(loaded)
    task = ClassifierTask(loaded, group)
    setup = build_training(task, loaded, 0, group)
    step, inference = Watched(setup.step_cell), Watched(setup.networks.inference)
    settings = dataclasses.replace(setup.settings, evaluate=False)
    watched = dataclasses.replace(setup, step_cell=cast(Any, step), settings=settings)
    start = time.perf_counter()
    Trainer(task, watched, cast(Any, NoCheckpoints()), SilentRecorder(), group).fit(0)
    middle = time.perf_counter()
    score = task.evaluate(cast(Any, inference))
    return {
        "train_s": middle - start,
        "evaluate_s": time.perf_counter() - middle,
        "compile_s": step.compile_s + inference.compile_s,
        "rows": float(score.report["rows"]),
    }


if __name__ == "__main__":
    sys.exit(work_once(sys.argv[1:], EpochCase, work, versions))
