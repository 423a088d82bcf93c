"""Runs with random weights, and what the commands of Ascend 310 make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mindspore import Tensor

from src.common.files import write_json_atomic
from src.config.sections import NetworkConfig
from src.data.manifest import read_manifest
from src.export.networks import inference_network
from src.tasks.assets import TaskDescription, save_assets
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition
from tests.entry.runs import LENGTH, NETWORK, Outcome, TinyData
from tests.tasks.pretrain_runs import Vocabulary


def describe(data: TinyData) -> TaskDescription:
    """Return what a training on the data would say of itself."""
    manifest = read_manifest(data.file("dev"))
    assert manifest is not None
    keys = {key.removeprefix("albert_net_cfg."): value for key, value in NETWORK.items() if "." in key}
    return TaskDescription(
        kind=manifest.kind,
        task_name=manifest.task_name,
        labels=tuple(manifest.labels),
        length=LENGTH,
        buckets=(LENGTH,),
        network=NetworkConfig(**keys).model_dump(),
        spm_model="",
        vocabulary="",
        do_lower_case=manifest.tokenizer.do_lower_case,
        tokenizer_sha256=manifest.tokenizer.sha256,
    )


def make_run(run: Path, data: TinyData) -> Path:
    """Write a run directory as a training on the data would leave it."""
    description = describe(data)
    save_assets(run / "assets", Vocabulary(str(data.vocabulary)), description)
    write_json_atomic(run / "environment.json", {"run_format": 1})
    network = inference_network(description)
    random = np.random.RandomState(4)
    for parameter in sorted(network.get_parameters(), key=lambda item: item.name):
        centre = 1.0 if parameter.name.endswith("gamma") else 0.0
        parameter.set_data(Tensor((centre + 0.5 * random.standard_normal(parameter.shape)).astype(np.float32)))
    position = TrainPosition(epoch=1, step_in_epoch=1, global_step=1)
    manager = CheckpointManager(run / "checkpoints", "classifier", keep=1)
    manager.save_best(network, position, Metric(name="accuracy", value=1.0))
    return run


def check_refused(outcome: Outcome, what: str) -> None:
    """Check that a command ended with one clear error."""
    lines = outcome.err.strip().splitlines()
    assert outcome.status == 2, outcome.err
    assert outcome.out == ""
    assert lines[-1].startswith("error: "), outcome.err
    assert "Traceback" not in outcome.err
    assert what in lines[-1], lines[-1]
    assert any(mark in lines[-1] for mark in (" -> ", "expected")), lines[-1]
