"""How training starts and what a step is: pre-trained weights, buckets, accumulation, dropout."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.data.table import read_table
from src.train.cell import TrainStepCell
from tests.entry.runs import (
    NETWORK,
    NO_DROPOUT,
    TRAINING,
    Outcome,
    TinyData,
    arguments,
    call,
    classify,
    content_of,
    losses_of,
    report_of,
)

pytestmark = pytest.mark.slow

Data = dict[str, TinyData]
Runs = Callable[[str], tuple[Path, Outcome]]


def test_micro_batches_equal_the_big_batch_in_every_bucket(
    tiny_run: Runs,
    tiny_data: Data,
    stop_at: Callable[[int], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batches run at the length of their bucket; an epoch's last updates have rows for one micro-batch and a bit."""
    shapes = []
    real_call = TrainStepCell.__call__

    def spy(cell: TrainStepCell, *inputs: Tensor) -> tuple[Tensor, ...]:
        shapes.append(tuple(inputs[0].shape))
        return real_call(cell, *inputs)

    reference = losses_of(tiny_run("sst-2")[0])
    monkeypatch.setattr(TrainStepCell, "__call__", spy)
    lengths = read_table(tiny_data["sst-2"].file("train")).lengths
    short = int((lengths <= 8).sum())
    updates = {8: -(-short // 16), 16: -(-(len(lengths) - short) // 16)}
    # Two of the reference's six epochs.
    last = 2 * sum(updates.values())
    stop_at(last)
    keys = {"bucket_list": "[8]", "epoch_num": 6, "train_batch_size": 8, "accumulation_steps": 2}
    data = tiny_data["sst-2"].keys("train")
    stopped = call("run_classifier", arguments(NETWORK, TRAINING, data, keys, {"run_dir": tmp_path / "run"}))
    assert stopped.status == 128 + signal.SIGTERM, stopped.err
    assert {shape: shapes.count(shape) for shape in set(shapes)} == {
        (8, length): 2 * 2 * count for length, count in updates.items()
    }
    small = losses_of(tmp_path / "run")
    assert list(small) == list(range(1, last + 1))
    same_losses(small, {step: reference[step] for step in small}, tolerance=1e-4)


def test_accumulation_equals_the_big_batch_for_tags(tiny_data: Data, tmp_path: Path) -> None:
    """Labels per micro-batch differ."""
    data = tiny_data["names"].keys("train")
    found = []
    for size, parts in ((16, 1), (8, 2)):
        keys = {"train_batch_size": size, "accumulation_steps": parts, "epoch_num": 2, "run_dir": tmp_path / str(size)}
        classify(NETWORK, TRAINING, data, keys, {"optimizer_cfg.AdamWeightDecay.learning_rate": 1e-3})
        found.append(losses_of(tmp_path / str(size)))
    assert len(found[0]) == 2 * -(-read_table(tiny_data["names"].file("train")).rows // 16)
    same_losses(found[1], found[0], tolerance=1e-5)


def same_losses(small: dict[int, tuple[float, ...]], big: dict[int, tuple[float, ...]], tolerance: float) -> None:
    """Compare losses and gradient norms of the same steps."""
    assert list(small) == list(big)
    ours, theirs = (np.array(list(losses.values())) for losses in (small, big))
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(ours[:, 1], theirs[:, 1], rtol=10 * tolerance)


def pretrained_file(run: Path, path: Path, left_out: str = "") -> dict[str, np.ndarray]:
    """Write a run's weights with the head of pre-training and optimizer state beside them; return the backbone."""
    stored = ms.load_checkpoint(str(run / "checkpoints" / "classifier-best.ckpt"))
    backbone = {name: value for name, value in stored.items() if not name.startswith("albert.dense_1.")}
    assert 0 < len(backbone) < len(stored)
    extra = {"albert.cls1.dense.weight": np.ones((3, 3), np.float32), "global_step": np.array([7], np.int32)}
    items = {name: value for name, value in stored.items() if not left_out or left_out not in name}
    items |= {name: Parameter(Tensor(value), name=name) for name, value in extra.items()}
    ms.save_checkpoint([{"name": name, "data": value} for name, value in items.items()], str(path))
    return {name: value.asnumpy() for name, value in backbone.items()}


def test_fine_tuning_starts_from_a_pretrained_backbone(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    backbone = pretrained_file(tiny_run("sst-2")[0], tmp_path / "pretrained.ckpt")
    start = {"from_scratch": False, "load_pretrain_checkpoint_path": tmp_path / "pretrained.ckpt"}
    # At this rate training changes nothing.
    keys = {"train_steps": 1, "optimizer_cfg.AdamWeightDecay.learning_rate": 1e-12, "run_dir": tmp_path / "run"}
    outcome = classify(NETWORK, TRAINING, tiny_data["rte"].keys("train"), start, keys)
    assert f"loaded {len(backbone)} parameters" in outcome.err
    assert "new: dense_1.weight, dense_1.bias" in outcome.err
    saved = ms.load_checkpoint(str(tmp_path / "run" / "checkpoints" / "classifier-1_1.ckpt"))
    for name, values in backbone.items():
        np.testing.assert_allclose(saved[name].asnumpy(), values, atol=1e-9, err_msg=name)
    other_head = ms.load_checkpoint(str(tmp_path / "pretrained.ckpt"))["albert.dense_1.weight"].asnumpy()
    assert not np.isclose(saved["albert.dense_1.weight"].asnumpy(), other_head, atol=1e-6).any()


def test_training_from_random_weights_must_be_meant(tiny_data: Data, tmp_path: Path) -> None:
    keys = {"from_scratch": False, "run_dir": tmp_path / "run"}
    outcome = call("run_classifier", arguments(NETWORK, TRAINING, tiny_data["rte"].keys("train"), keys))
    assert outcome.status == 2
    assert "load_pretrain_checkpoint_path" in outcome.err
    assert "from_scratch" in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_without_the_whole_backbone_is_refused(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run("rte")[0], tmp_path / "run")
    before = content_of(run)
    pretrained_file(run, tmp_path / "partial.ckpt", left_out="embedding_lookup")
    keys = {
        "from_scratch": False,
        "load_pretrain_checkpoint_path": tmp_path / "partial.ckpt",
        "run_dir": run,
        "overwrite": True,
    }
    outcome = call("run_classifier", arguments(NETWORK, TRAINING, tiny_data["rte"].keys("train"), keys))
    assert outcome.status == 2
    assert "embedding_lookup" in outcome.err.splitlines()[-1]
    assert "partial.ckpt" in outcome.err.splitlines()[-1]
    # The older run is still there.
    assert content_of(run) == before


def test_dropout_is_on_in_training_only(tiny_run: Runs, tiny_data: Data, tmp_path: Path) -> None:
    """The first batch's loss differs with dropout; two evaluations of one network agree."""
    run = tmp_path / "run"
    keys = {"train_steps": 1, "run_dir": run, **dict.fromkeys(NO_DROPOUT, 0.5)}
    classify(NETWORK, TRAINING, tiny_data["rte"].keys("train", "dev"), keys)
    assert losses_of(run)[1][0] != losses_of(tiny_run("rte")[0])[1][0]
    assert report_of(run, "rte_dev")["figures"] == report_of(run, "step_1")["figures"]
