"""Checkpoints that run_classifier.py must refuse, for an evaluation and as the start of a training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest

from tests.entry.bad_input.conftest import Samples
from tests.entry.bad_input.support import Fails, cut, flip, snapshot, write

DAMAGED = "the file is empty, cut off or not a checkpoint"

FILES: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "cut in half": (lambda path: cut(path, path.stat().st_size // 2), [DAMAGED, "copy or download it again"]),
    "last byte missing": (lambda path: cut(path, path.stat().st_size - 1), [DAMAGED]),
    "empty": (lambda path: cut(path, 0), [DAMAGED]),
    "bit in the head": (lambda path: flip(path, 10), ["damaged: its checksum differs"]),
    # Among the numbers every bit gives another sound number: only the checksum tells.
    "bit in a weight": (lambda path: flip(path, path.stat().st_size // 2, 1), ["damaged: its checksum differs"]),
    "garbage": (lambda path: write(path, os.urandom(5000)), [DAMAGED]),
    "a text": (lambda path: write(path, "weights\n"), [DAMAGED]),
}

# Options of the network, and what the error says beside the numbers.
SHAPES: dict[str, tuple[list[Any], list[str]]] = {
    "hidden size": (["hidden_size", 32], ["hidden_size is 16 in the checkpoint and 32 in the network"]),
    "embeddings": (["embedding_size", 16], ["embedding_size is 8 in the checkpoint and 16 in the network"]),
    "feed-forward": (["intermediate_size", 64], ["intermediate_size is 32 in the checkpoint and 64"]),
    "vocabulary": (["vocab_size", 50], ["vocab_size is 40 in the checkpoint and 50 in the network"]),
    "positions": (["max_position_embeddings", 32], ["max_position_embeddings is 16 in the checkpoint and 32"]),
    "groups": (["num_hidden_layers", 2, "num_hidden_groups", 2], ["27 of 43", "group.1.inner_group.0", "more"]),
    "inner groups": (["inner_group_num", 2], ["27 of 43", "inner_group.1"]),
    "relative positions": (["use_relative_positions", "true"], ["26 of 27", "embeddings_for_position"]),
}


def save(path: Path, weights: dict[str, np.ndarray]) -> Path:
    ms.save_checkpoint([{"name": name, "data": ms.Tensor(values)} for name, values in weights.items()], str(path))
    return path


def weights_of(samples: Samples) -> dict[str, np.ndarray]:
    return {name: item.asnumpy() for name, item in ms.load_checkpoint(str(samples.weights)).items()}


@pytest.mark.parametrize("name", FILES)
def test_damaged_file(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    damage, fragments = FILES[name]
    path = Path(shutil.copy(samples.weights, tmp_path / "weights.ckpt"))
    damage(path)
    fails("run", samples.evaluate(tmp_path / "run", checkpoint=path), path, *fragments)
    assert not (tmp_path / "run").exists()


def test_no_file(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    def refuse(path: Path, *fragments: object) -> None:
        fails("run", samples.evaluate(tmp_path / "run", checkpoint=path), path, *fragments)

    refuse(tmp_path / "none.ckpt", "no such checkpoint", "give the path of a .ckpt")
    refuse(tmp_path, "this is a folder", "give the path of a .ckpt")
    refuse(Path(shutil.copy(samples.weights, tmp_path / "weights.bin")), "unknown kind of checkpoint '.bin'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", SHAPES)
def test_other_shape(name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    options, fragments = SHAPES[name]
    argv = [f"--albert_net_cfg.{word}" if isinstance(word, str) and "_" in word else word for word in options]
    advice = "give a checkpoint of this network, or change the sizes"
    # Outside of its run, whose configuration tells of another network at once.
    path = Path(shutil.copy(samples.weights, tmp_path / "weights.ckpt"))
    fails("run", samples.evaluate(tmp_path / "run", *argv, checkpoint=path), path, *fragments, advice)
    assert not (tmp_path / "run").exists()


def test_evaluation_needs_the_head(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    bare = {name: values for name, values in weights_of(samples).items() if "dense_1" not in name}
    path = save(tmp_path / "pretrained.ckpt", bare)
    fails("run", samples.evaluate(tmp_path / "run", checkpoint=path), path, "25 of 27", "missing: dense_1.weight")
    state = samples.run / "checkpoints" / "classifier-1_2.state.ckpt"
    fails("run", samples.evaluate(tmp_path / "run", checkpoint=state), state, "0 of 27", "missing")


def test_weights_that_are_not_finite(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    weights = weights_of(samples)
    weights["albert.dense_1.weight"][0, 0] = np.nan
    path = save(tmp_path / "nan.ckpt", weights)
    fails("run", samples.evaluate(tmp_path / "run", checkpoint=path), path, "dense_1.weight", "not finite", "earlier")


@pytest.mark.parametrize(("task", "name"), [("words", "kind"), ("scores", "kind")])
def test_run_of_another_task(task: str, name: str, samples: Samples, fails: Fails, tmp_path: Path) -> None:
    argv = samples.evaluate(tmp_path / "run", "--eval_data_file_path", samples.records(task, "dev"))
    fails("run", argv, samples.run, f"trained for another task: {name} classification there", "give data converted")


def test_run_with_other_labels_or_another_vocabulary(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    for folder, option, value in (
        ("labels", "--labels", "good,bad"),
        ("vocabulary", "--spm_model_file", samples.other_model),
    ):
        argv = samples.convert(tmp_path / folder, samples.text, option, value)
        samples.must_run("convert", argv)
    argv = [*samples.evaluate(tmp_path / "run"), "--eval_data_file_path"]
    records = "films_train.mindrecord"
    fails("run", [*argv, tmp_path / "labels" / records], "classes bad, good there, good, bad in the data")
    fails("run", [*argv, tmp_path / "vocabulary" / records], "vocabulary's sha256")


def test_start_of_a_training(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    """A start that fails leaves nothing, so that it can be repeated with the mistake mended."""

    def refuse(path: Path, *fragments: object) -> None:
        argv = samples.train(tmp_path / "run", "--from_scratch", "false", "--load_pretrain_checkpoint_path", path)
        fails("run", argv, path, *fragments)
        assert not (tmp_path / "run").exists()

    refuse(tmp_path / "none.ckpt", "no such checkpoint")
    refuse(samples.run / "checkpoints" / "classifier-1_2.state.ckpt", "0 of 25 of the backbone's parameters, missing")
    huge = "bert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"
    refuse(save(tmp_path / "hf.ckpt", {huge: np.zeros((2, 2), np.float32)}), "names are those of HF transformers")
    refuse(save(tmp_path / "other.ckpt", {"conv1.weight": np.zeros(3, np.float32)}), "0 of 25", "missing")


def test_a_failed_start_keeps_the_run_that_it_was_to_replace(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    run = Path(shutil.copytree(samples.run, tmp_path / "run"))
    before = snapshot(run)
    argv = samples.train(run, "--from_scratch", "false", "--overwrite", "true", "--load_pretrain_checkpoint_path")
    fails("run", [*argv, tmp_path / "none.ckpt"], "none.ckpt: no such checkpoint")
    assert snapshot(run) == before


def test_resuming(samples: Samples, fails: Fails, tmp_path: Path) -> None:
    run = Path(shutil.copytree(samples.run, tmp_path / "run"))
    before = snapshot(run)
    argv = samples.train(run, "--resume", "true", "--train_steps", 4)
    fails(
        "run",
        [*argv, "--albert_net_cfg.hidden_size", 32],
        "network.hidden_size was 16, is 32",
        "resume with the earlier",
    )
    scores = ["--train_data_file_path", samples.records("scores"), "--eval_data_file_path"]
    fails("run", [*argv, *scores, samples.records("scores", "dev")], "another task: kind classification there")
    assert snapshot(run) == before
    flip(run / "checkpoints" / "classifier-1_2.ckpt", 3000)
    before = snapshot(run)
    fails("run", argv, "no checkpoint is whole", "another sha256", "restore a copy or train anew")
    write(run / "checkpoints" / "manifest.json", "{")
    fails("run", argv, "manifest.json: damaged", "start anew")
    fails("run", samples.train(tmp_path / "none", "--resume", "true"), "there is no run to resume", "check the path")
    assert {name: content for name, content in snapshot(run).items() if "manifest" not in name} == {
        name: content for name, content in before.items() if "manifest" not in name
    }
