"""Small weights in every format, and the command that converts them, for the tests of conversion."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from src.common.cli import run_command
from src.config.sections import NetworkConfig
from src.weights.config_files import google_config
from src.weights.convert_command import main
from src.weights.huggingface_export import write_huggingface
from src.weights.ms_checkpoint import write_ms_checkpoint
from src.weights.saved_names import saved_name
from src.weights.tf_bundle_writer import write_bundle
from src.weights.tf_names import Layout
from src.weights.tf_names_to_weights import tensors_for_tensorflow
from tests.weights.names_samples import network, weights_of

CONFIG = network(num_hidden_groups=2, inner_group_num=2, hidden_act="gelu_new", classifier_dropout_prob=0.1)
HEADS = ("cls1", "cls2")


def call(*words: object) -> tuple[int, str, str]:
    """Run the command; return status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command(main, [str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def convert(source: Path, target: Path | str, *more: object) -> str:
    """Convert, which must succeed; return what was printed."""
    status, out, err = call("--input", source, "--output", target, *more)
    assert status == 0, err
    assert err == ""
    return out


def refused(source: Path, target: Path | str, *more: object) -> str:
    """Convert, which must end in one line; return it."""
    status, _, err = call("--input", source, "--output", target, *more)
    assert status == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    return err


def google(folder: Path, *heads: str, config: NetworkConfig = CONFIG) -> Path:
    """Write a checkpoint as Google's tarballs hold it; return the prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = tensors_for_tensorflow(weights_of(config, *heads), Layout.GOOGLE_TF1, 2)
    write_bundle(folder / "model.ckpt-best", {**tensors, "global_step": np.array(7, np.int64)})
    (folder / "albert_config.json").write_text(json.dumps(google_config(config)))
    return folder / "model.ckpt-best"


def hugging(folder: Path, *heads: str, config: NetworkConfig = CONFIG) -> Path:
    write_huggingface(folder, weights_of(config, *heads), config)
    return folder


def saved(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ms_checkpoint(path, {saved_name(name): values for name, values in arrays.items()})
    return path


def config_file(folder: Path, config: NetworkConfig = CONFIG) -> Path:
    path = folder / "albert_config.json"
    path.write_text(json.dumps(google_config(config)))
    return path


def same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return set(first) == set(second) and all(
        (first[name].shape, first[name].tobytes()) == (second[name].shape, second[name].tobytes()) for name in first
    )


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or not any(path.iterdir())}
