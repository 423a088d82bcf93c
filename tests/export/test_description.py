"""The json beside a model: read back as it was written, and refused where anything is not as export.py leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import CheckpointError
from src.common.files import sha256_of
from src.export.description import (
    ExportDescription,
    TensorSpec,
    assets_folder,
    described_file,
    description_path,
    read_description,
    write_description,
)
from src.tasks.assets import TaskDescription

TASK = TaskDescription("classification", "", ("a", "b"), 8, (8,), {"seq_length": 8}, "", "", do_lower_case=True)
INPUTS = tuple(TensorSpec(name, "int32", (2, 8)) for name in ("input_ids", "input_mask", "segment_ids"))
OUTPUTS = (TensorSpec("logits", "float32", (2, 2)),)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model of a name with a dot, and its description."""
    path = tmp_path / "albert_v1.5.mindir"
    path.write_bytes(b"graph and weights")
    description = ExportDescription("MINDIR", path.name, sha256_of(path), "model", INPUTS, OUTPUTS, TASK)
    write_description(description_path(path), description)
    return path


def change(model: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = description_path(model)
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_description_is_read_as_it_was_written(model: Path) -> None:
    assert description_path(model).name == "albert_v1.5.json"
    assert assets_folder(model).name == "albert_v1.5.assets"
    description = read_description(model)
    assert description == read_description(description_path(model))
    assert (description.rows, description.length) == (2, 8)
    assert description.task == TASK
    assert described_file(description_path(model)) == model.name
    free = replace(description, inputs=tuple(TensorSpec(spec.name, "int32", (None, None)) for spec in INPUTS))
    write_description(description_path(model), free)
    assert (read_description(model).rows, read_description(model).length) == (None, None)


def test_a_spec_is_shown() -> None:
    assert TensorSpec("input_ids", "int32", (None, 8)).shown() == "input_ids int32 [any, 8]"


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no checksum": lambda content: content.pop("sha256"),
    "no task": lambda content: content.pop("task"),
    "unknown key": lambda content: content.update(more=1),
    "unknown format": lambda content: content.update(format="TORCH"),
    "unknown part": lambda content: content.update(part="half"),
    "unknown kind": lambda content: content["task"].update(kind="translation"),
    "network that cannot be": lambda content: content["task"]["network"].update(hidden_size=7),
    "squad without answers": lambda content: content["task"].update(kind="squad", labels=[]),
    "two inputs": lambda content: content["inputs"].pop(),
    "an input of one axis": lambda content: content["inputs"][0].update(shape=[2]),
    "no outputs": lambda content: content.update(outputs=[]),
    "text for a size": lambda content: content["inputs"][0].update(shape=["two", 8]),
    "labels that are one": lambda content: content["task"].update(labels=["a", "a"]),
    "a blank label": lambda content: content["task"].update(labels=["a", " "]),
    "another number of labels": lambda content: content["task"].update(labels=["a", "b", "c"]),
    "no length": lambda content: content["task"].update(length=0),
    "a length beyond the network": lambda content: content["task"].update(length=10**12),
    "lengths that descend": lambda content: content["task"].update(buckets=[8, 4]),
    "a negative length": lambda content: content["task"].update(buckets=[-5]),
    "tags of a classifier": lambda content: content["task"].update(kind="token_classification"),
    "an encoder with a head's output": lambda content: content.update(part="encoder"),
    "a vocabulary elsewhere": lambda content: content["task"].update(vocabulary="../../vocab.txt"),
    "a tokenizer elsewhere": lambda content: content["task"].update(spm_model="/etc/passwd"),
    "inputs in another order": lambda content: content["inputs"].reverse(),
    "an unknown input": lambda content: content["inputs"][1].update(name="foo"),
    "inputs of another type": lambda content: content["inputs"][0].update(dtype="float16"),
    "inputs of two shapes": lambda content: content["inputs"][0].update(shape=[2, 4]),
    "negative rows": lambda content: [spec.update(shape=[-1, 8]) for spec in content["inputs"]],
    "no rows": lambda content: [spec.update(shape=[0, 8]) for spec in content["inputs"]],
    "more rows than memory": lambda content: [spec.update(shape=[10**9, 8]) for spec in content["inputs"]],
    "more tokens than positions": lambda content: [spec.update(shape=[2, 10**9]) for spec in content["inputs"]],
    "an output of another size": lambda content: content["outputs"][0].update(shape=[2, 5]),
    "an output of another rank": lambda content: content["outputs"][0].update(shape=[2, 8, 2]),
    "one output more": lambda content: content["outputs"].append(content["outputs"][0]),
    "a file elsewhere": lambda content: content.update(file="../albert.mindir"),
    "itself": lambda content: content.update(file="albert_v1.5.json"),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_a_damaged_description_is_refused(model: Path, damage: str) -> None:
    change(model, DAMAGE[damage])
    with pytest.raises(CheckpointError, match="the description of the model is damaged"):
        read_description(model)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"file": "albert_v1.5.mindir"}'])
def test_what_is_no_description(model: Path, content: bytes) -> None:
    description_path(model).write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        read_description(model)


def test_parts_that_are_missing(model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such model"):
        read_description(tmp_path / "other.mindir")
    content = model.read_bytes()
    model.unlink()
    with pytest.raises(CheckpointError, match="there is no such model"):
        read_description(model)
    with pytest.raises(CheckpointError, match="the model beside the description is missing"):
        read_description(description_path(model))
    model.write_bytes(content)
    description_path(model).unlink()
    with pytest.raises(CheckpointError, match="the description of the model is missing"):
        read_description(model)
    with pytest.raises(CheckpointError, match="the description of the model is missing"):
        read_description(description_path(model))
    assert described_file(description_path(model)) == ""


@pytest.mark.parametrize("content", [b"graph and weight", b"graph and weightt", b""])
def test_another_model_under_the_same_name(model: Path, content: bytes) -> None:
    model.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"its checksum is not the one in albert_v1\.5\.json"):
        read_description(model)


def test_a_model_whose_json_is_that_of_another_format(model: Path) -> None:
    other = model.with_suffix(".onnx")
    other.write_bytes(b"graph")
    with pytest.raises(CheckpointError, match=r"albert_v1.5.json describes albert_v1.5.mindir"):
        read_description(other)


def test_paths_that_name_no_model(model: Path, tmp_path: Path) -> None:
    cases = {
        tmp_path: f"this is a folder -> name the model in it: {model.name}",
        tmp_path / "albert_v1.5": f"there is no such model -> did you mean {model.name}\\?",
        tmp_path / "other": "there is no such model -> check the path",
    }
    for path, message in cases.items():
        with pytest.raises(CheckpointError, match=message):
            read_description(path)
    model.unlink()
    with pytest.raises(CheckpointError, match="this is a folder -> name the file of a model"):
        read_description(tmp_path)


def test_the_key_of_a_damaged_description_is_named(model: Path) -> None:
    change(model, lambda content: content["task"].update(length="long"))
    with pytest.raises(CheckpointError, match=r"the description of the model is damaged: task\.length: "):
        read_description(model)
    change(model, lambda content: content["task"].update(length=1000))
    with pytest.raises(CheckpointError, match="damaged: the length is not one of the network's"):
        read_description(model)
