"""The three scripts as they are called: from any folder, without PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.config.sections import NetworkConfig
from src.weights.read_input import read_input
from tests.entry.pretraining_support import TRAINING as PRETRAINING
from tests.entry.pretraining_support import PretrainData
from tests.entry.runs import LENGTH, ROOT, TRAINING, VOCABULARY, TinyData, arguments, classify
from tests.entry.runs import call as call_entry
from tests.weights.convert_samples import CONFIG, convert, google, same, tree
from tests.weights.names_samples import network, weights_of

SCRIPTS = ("convert.py", "read_weight_tf.py", "save_weight_ms.py")


def call(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(ROOT / "convert_tf_ckpt" / script), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_errors_are_there_without_mindspore(tmp_path: Path, script: str) -> None:
    # Another package of this name in the current folder is not ours.
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    # So is this; it would be found before the real one if it were asked for.
    (tmp_path / "mindspore.py").write_text("raise SystemExit('MindSpore was imported')\n")
    environment_path = str(tmp_path)
    command = [sys.executable, str(ROOT / "convert_tf_ckpt" / script)]
    for words, status in ((["--help"], 0), (["--no_such_option", "1"], 2)):
        done = subprocess.run(
            [*command, *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": environment_path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert (script in done.stdout) == (status == 0)
        assert done.stderr.count("\n") == (0 if status == 0 else 1)


def test_the_roads_of_a_tarball_from_another_folder(tmp_path: Path) -> None:
    google(tmp_path / "in", "cls1", "cls2")
    done = call(tmp_path, "convert.py", "--input", "in", "--output", "one.ckpt", "--verify", "false")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    done = call(tmp_path, "read_weight_tf.py", "--ckpt_file_path=in/model.ckpt-best", "--output_path=npy")
    assert done.returncode == 0, done.stderr
    done = call(tmp_path, "save_weight_ms.py", "--load_dir=npy", "--output_file_name=two.ckpt")
    assert done.returncode == 0, done.stderr
    for name in ("one.ckpt", "two.ckpt"):
        assert same(read_input(tmp_path / name).weights, weights_of(CONFIG, "cls1", "cls2"))
    assert tree(tmp_path) - {f"npy/{path.name}" for path in (tmp_path / "npy").iterdir()} == {
        "in/albert_config.json", "in/model.ckpt-best.data-00000-of-00001", "in/model.ckpt-best.index",
        "one.ckpt", "one.yaml", "two.ckpt", "two.yaml",
    }  # fmt: skip


def test_a_wrong_input_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "w.ckpt").write_bytes(b"nothing of use")
    done = call(tmp_path, "convert.py", "--input", "w.ckpt", "--output", "new.ckpt")
    assert done.returncode == 2
    assert done.stderr.startswith("error: w.ckpt")
    assert done.stderr.count("\n") == 1
    assert tree(tmp_path) == {"w.ckpt"}


def small_network(**changes: object) -> NetworkConfig:
    return network(
        vocab_size=len(VOCABULARY), embedding_size=16, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=LENGTH, seq_length=LENGTH, **changes,
    )  # fmt: skip


@pytest.mark.slow
def test_pre_training_goes_on_from_a_converted_checkpoint(tmp_path: Path, pretrain_data: PretrainData) -> None:
    google(tmp_path / "in", "cls1", "cls2", config=small_network(initializer_range=0.01))
    convert(tmp_path / "in", tmp_path / "w.ckpt")
    # The overlay alone says what the network is.
    keys = {**PRETRAINING, **pretrain_data.keys(), "train_steps": 2, "run_dir": tmp_path / "run"}
    weights = {"load_checkpoint_path": tmp_path / "w.ckpt", "overlay": tmp_path / "w.yaml"}
    outcome = call_entry("run_pretrain", arguments(keys, weights))
    assert outcome.status == 0, outcome.err
    assert "loaded 32 parameters" in outcome.out + outcome.err
    (checkpoint,) = (tmp_path / "run" / "checkpoints").glob("*-1_2.ckpt")
    assert read_input(checkpoint).network.initializer_range == 0.01


@pytest.mark.slow
def test_a_converted_checkpoint_is_fine_tuned_at_once(tmp_path: Path, tiny_data: dict[str, TinyData]) -> None:
    google(tmp_path / "in", "cls1", "cls2", config=small_network())
    convert(tmp_path / "in", tmp_path / "w.ckpt")
    keys = {**TRAINING, "from_scratch": False, "epoch_num": 1, "run_dir": tmp_path / "run"}
    weights = {"load_pretrain_checkpoint_path": tmp_path / "w.ckpt"}
    data = tiny_data["sst-2"].keys("train", "dev")
    outcome = classify(keys, data, weights, extra=["--overlay", str(tmp_path / "w.yaml")])
    printed = outcome.out + outcome.err
    assert "loaded 25 parameters" in printed
    assert "new: dense_1.weight, dense_1.bias" in printed
    # What it trained goes out again, with the configuration of the run.
    convert(tmp_path / "run" / "checkpoints" / "classifier-best.ckpt", tmp_path / "hf")
    read = read_input(tmp_path / "hf")
    assert read.weights["dense_1.weight"].shape == (2, 32)
    assert read.network.num_hidden_layers == 1
    # With what the run keeps beside its checkpoints.
    assert read.labels == ("0", "1")
    assert read.tokenizer is not None
    assert read.tokenizer.file == tmp_path / "hf" / "vocab.txt"
