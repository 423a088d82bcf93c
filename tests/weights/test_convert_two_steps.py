from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from src.common.cli import run_command
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.model.weights import load_weights
from src.weights import read_weight_command, save_weight_command
from src.weights.read_input import read_input
from tests.weights.convert_samples import CONFIG, HEADS, convert, google, same, saved, tree
from tests.weights.names_samples import weights_of

Main = Callable[[Sequence[str]], int]


def call(main: Main, *words: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command(main, [str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def first_step(source: Path, folder: Path, *more: object) -> tuple[int, str, str]:
    return call(read_weight_command.main, f"--ckpt_file_path={source}", f"--output_path={folder}", *more)


def second_step(folder: Path, path: Path, *more: object) -> tuple[int, str, str]:
    return call(save_weight_command.main, f"--load_dir={folder}", f"--output_file_name={path}", *more)


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    status, out, err = first_step(google(tmp_path / "in", *HEADS), tmp_path / "npy")
    assert (status, err) == (0, "")
    assert "wrote 80 arrays" in out
    return tmp_path / "npy"


def refusal(result: tuple[int, str, str]) -> str:
    status, _, err = result
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_the_two_steps_give_what_the_one_command_gives(tmp_path: Path, arrays: Path) -> None:
    pooler = np.load(arrays / "albert.albert.dense.weight.npy")
    assert np.array_equal(pooler, weights_of(CONFIG, *HEADS)["dense.weight"])
    assert np.load(arrays / "albert.cls2.dense.weight.npy").shape == (2, 6)
    status, out, err = second_step(arrays, tmp_path / "two.ckpt")
    assert (status, err) == (0, "")
    assert "backbone: 73 of 73" in out
    convert(tmp_path / "in", tmp_path / "one.ckpt")
    one, two = (read_input(tmp_path / name) for name in ("one.ckpt", "two.ckpt"))
    assert same(one.weights, two.weights)
    assert one.network == two.network
    network = AlbertPreTraining(AlbertPreTrainingModel(CONFIG))
    assert load_weights(network, tmp_path / "two.ckpt", what="all").missing == ()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("more", "1 .npy files are not in the manifest"),
        ("missing", "1 .npy files are missing: albert.albert.dense.bias.npy"),
        ("changed", "not the one that the manifest names"),
        ("none", "there is no manifest.json"),
        ("json", "no JSON"),
        ("other", "no manifest of read_weight_tf.py"),
        ("path", "arrays"),
        ("twice", "twice"),
        ("head", "a head does not fit the network: cls1.output_bias"),
        ("network", "covers"),
    ],
)
def test_stale_and_foreign_files_are_refused(tmp_path: Path, arrays: Path, fault: str, message: str) -> None:
    file, manifest = arrays / "albert.albert.dense.bias.npy", arrays / "manifest.json"
    content = json.loads(manifest.read_text())
    if fault == "more":
        (arrays / "old.npy").write_bytes(file.read_bytes())
    elif fault == "missing":
        file.unlink()
    elif fault == "changed":
        np.save(file, np.zeros(6, np.float32))
    elif fault == "none":
        manifest.unlink()
    elif fault == "json":
        manifest.write_text("{")
    elif fault == "other":
        manifest.write_text(json.dumps({**content, "arrays": {}}))
    elif fault == "path":
        moved = {("../" + name if "dense.bias" in name else name): item for name, item in content["arrays"].items()}
        manifest.write_text(json.dumps({**content, "arrays": moved}))
    elif fault == "twice":
        (arrays / "albert.dense.bias.npy").write_bytes(file.read_bytes())
        more = {"albert.dense.bias": content["arrays"]["albert.albert.dense.bias"]}
        manifest.write_text(json.dumps({**content, "arrays": {**content["arrays"], **more}}))
    elif fault == "head":
        (arrays / "albert.cls1.output_bias.npy").unlink()
        del content["arrays"]["albert.cls1.output_bias"]
        manifest.write_text(json.dumps(content))
    elif fault == "network":
        network = {**content["network"], "inner_group_num": 3}
        manifest.write_text(json.dumps({**content, "network": network}))
    assert message in refusal(second_step(arrays, tmp_path / "w.ckpt"))
    assert not (tmp_path / "w.ckpt").exists()
    assert not [name for name in tree(tmp_path) if ".tmp" in name]


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array(tmp_path: Path, arrays: Path, content: bytes) -> None:
    file, manifest = arrays / "albert.albert.dense.bias.npy", arrays / "manifest.json"
    file.write_bytes(content)
    listed = json.loads(manifest.read_text())
    listed["arrays"]["albert.albert.dense.bias"]["sha256"] = hashlib.sha256(content).hexdigest()
    manifest.write_text(json.dumps(listed))
    assert "no array" in refusal(second_step(arrays, tmp_path / "w.ckpt"))


@pytest.mark.parametrize("values", [np.zeros(5, np.float32), np.zeros(6), np.full(6, np.nan, np.float32)])
def test_an_array_of_other_kind(tmp_path: Path, arrays: Path, values: np.ndarray) -> None:
    file, manifest = arrays / "albert.albert.dense.bias.npy", arrays / "manifest.json"
    np.save(file, values)
    listed = json.loads(manifest.read_text())
    listed["arrays"]["albert.albert.dense.bias"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(listed))
    assert "not what the manifest says" in refusal(second_step(arrays, tmp_path / "w.ckpt"))


def test_folders_and_files_that_are_there(tmp_path: Path, arrays: Path) -> None:
    source = tmp_path / "in"
    assert "--overwrite true" in refusal(first_step(source, arrays))
    assert first_step(source, arrays, "--overwrite=true")[0] == 0
    # A head less than before: its files go.
    assert first_step(google(tmp_path / "in2"), arrays, "--overwrite=true")[0] == 0
    assert not (arrays / "albert.cls2.dense.bias.npy").exists()
    (arrays / "mine.txt").write_text("x")
    assert "other files: mine.txt" in refusal(first_step(source, arrays, "--overwrite=true"))
    assert second_step(arrays, tmp_path / "w.ckpt")[0] == 0
    assert "--overwrite true" in refusal(second_step(arrays, tmp_path / "w.ckpt"))
    assert second_step(arrays, tmp_path / "w.ckpt", "--overwrite=true")[0] == 0
    assert "end in .ckpt" in refusal(second_step(arrays, tmp_path / "w.safetensors"))
    assert "no such folder" in refusal(second_step(tmp_path / "none", tmp_path / "v.ckpt"))
    old = tmp_path / "old"
    old.mkdir()
    np.save(old / "albert.albert.dense.weight.npy", np.zeros(3))
    assert "other files" in refusal(first_step(source, old, "--overwrite=true"))


def test_the_first_step_reads_tensorflow_only(tmp_path: Path) -> None:
    saved(tmp_path / "w.ckpt", weights_of(CONFIG))
    refusal(first_step(tmp_path / "w.ckpt", tmp_path / "npy"))
    assert tree(tmp_path) == {"w.ckpt"}
