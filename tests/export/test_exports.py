"""Every kind of network in every format gives what its checkpoint gives."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from src.export.description import ExportDescription, read_description
from src.export.exported import open_exported
from src.export.networks import inference_network
from src.export.verify import largest_difference
from src.model.compiled import portable
from src.model.weights import load_weights
from src.tasks.assets import load_saved_tokenizer, read_task_description
from src.tasks.inference import InferenceNetwork
from tests.export.export_runs import (
    KINDS,
    LENGTH,
    OUTPUTS,
    POSITIONS,
    SIZES,
    batch,
    export_well,
    make_run,
    outputs,
    write_vocabulary,
)

Exported = Callable[..., Path]
Runs = Callable[[str], Path]
ROWS, PLACES = 3, 2
STATIC = (("export_batch_size", ROWS), ("export_predictions", PLACES))
DYNAMIC = (("export_dynamic", True),)
ENCODER = (*STATIC, ("export_part", "encoder"))


def checkpoint_network(run: Path, part: str = "model") -> InferenceNetwork:
    """Return the network that is exported: the same operators, so that nothing is rounded differently."""
    with portable():
        network = inference_network(read_task_description(run / "assets"), part)
    checkpoint = next((run / "checkpoints").glob("*-best.ckpt"))
    load_weights(network, checkpoint, what="all" if part == "model" else "backbone")
    return network


def check_onnx(model: Path, description: ExportDescription) -> None:
    """Check the file by ONNX's own rules, and that it carries the names and shapes of its description."""
    onnx.checker.check_model(str(model), full_check=True)
    content = onnx.load(str(model))
    assert [opset.version for opset in content.opset_import] == [11]
    for specs, values in ((description.inputs, content.graph.input), (description.outputs, content.graph.output)):
        shapes = [tuple(size.dim_value for size in value.type.tensor_type.shape.dim) for value in values]
        assert [value.name for value in values] == [spec.name for spec in specs]
        assert shapes == [spec.shape for spec in specs]


def sizes(axes: str, rows: int | None, length: int | None, places: int | None) -> tuple[int | None, ...]:
    known = {"B": rows, "T": length, "P": places, "V": SIZES["vocab_size"], "D": SIZES["hidden_size"]}
    return tuple(known[axis] if axis in known else int(axis) for axis in axes.split())


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["MINDIR", "ONNX"])
@pytest.mark.parametrize("kind", KINDS)
def test_static_model_equals_its_checkpoint(exported: Exported, run_of: Runs, kind: str, file_format: str) -> None:
    description, network = open_exported(exported(kind, file_format, STATIC))
    assert (description.format, description.part, description.rows, description.length) == (
        file_format,
        "model",
        ROWS,
        LENGTH,
    )
    if file_format == "ONNX":
        check_onnx(exported(kind, file_format, STATIC), description)
    found = {spec.name: spec.shape for spec in description.outputs}
    assert found == {name: sizes(axes, ROWS, LENGTH, PLACES) for name, axes in OUTPUTS[kind].items()}
    assert [spec.dtype for spec in description.outputs] == [
        "int32" if name.endswith("positions") else "float32" for name in OUTPUTS[kind]
    ]
    places = PLACES if kind == "pretraining" else 0
    assert [spec.shape for spec in description.inputs] == [(ROWS, LENGTH)] * 3 + [(ROWS, PLACES)] * bool(places)
    reference = checkpoint_network(run_of(kind))
    for seed in range(3):
        inputs = batch(ROWS, LENGTH, places, seed)
        expected = outputs(reference, inputs)
        # Random weights must matter, or any network would do.
        assert kind == "beam" or float(np.ptp(expected[0])) > 0.05
        difference = largest_difference(expected, outputs(network, inputs))
        assert difference == 0.0 if file_format == "MINDIR" else difference < 2e-5
    assert description.max_difference is not None
    assert description.max_difference < 2e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_dynamic_model_takes_any_batch(exported: Exported, run_of: Runs, kind: str) -> None:
    description, network = open_exported(exported(kind, "MINDIR", DYNAMIC))
    assert (description.rows, description.length) == (None, None)
    assert description.task.buckets == (LENGTH // 2, LENGTH)
    found = {spec.name: spec.shape for spec in description.outputs}
    assert found == {name: sizes(axes, None, None, None) for name, axes in OUTPUTS[kind].items()}
    reference = checkpoint_network(run_of(kind))
    for rows, length, places in ((1, LENGTH, 1), (4, 7, 5), (2, POSITIONS, 3)):
        inputs = batch(rows, length, places if kind == "pretraining" else 0)
        assert largest_difference(outputs(reference, inputs), outputs(network, inputs)) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["MINDIR", "ONNX"])
@pytest.mark.parametrize("kind", ["beam", "pretraining"])
def test_the_encoder_alone(exported: Exported, run_of: Runs, kind: str, file_format: str) -> None:
    description, network = open_exported(exported(kind, file_format, ENCODER))
    assert (description.part, len(description.inputs)) == ("encoder", 3)
    found = {spec.name: spec.shape for spec in description.outputs}
    assert found == {name: sizes(axes, ROWS, LENGTH, None) for name, axes in OUTPUTS["encoder"].items()}
    inputs = batch(ROWS, LENGTH)
    expected = outputs(checkpoint_network(run_of(kind), "encoder"), inputs)
    assert largest_difference(expected, outputs(network, inputs)) < 2e-5


def test_what_stands_beside_a_model(exported: Exported, run_of: Runs) -> None:
    model = exported("classification")
    run = run_of("classification")
    description = read_description(model)
    assert read_description(model.with_suffix(".json")) == description
    trained = read_task_description(run / "assets")
    assert description.task.labels == trained.labels == ("bad", "good", "new")
    assert description.task.tokenizer_sha256 == trained.tokenizer_sha256
    assert (description.task.length, description.task.buckets) == (LENGTH, (LENGTH,))
    assert description.rows == 1
    assert description.checkpoint == "classifier-best.ckpt"
    assert description.versions["mindspore"]
    assets = model.with_name(f"{model.stem}.assets")
    tokenizer = load_saved_tokenizer(assets, description.task)
    assert tokenizer.fingerprint()["sha256"] == trained.tokenizer_sha256
    assert read_task_description(assets) == description.task
    # The model's own folder holds nothing else, and everybody may read it where the umask allows.
    assert {path.name for path in model.parent.iterdir()} == {model.name, f"{model.stem}.json", assets.name}
    assert stat.S_IMODE(model.stat().st_mode) == stat.S_IMODE(model.with_suffix(".json").stat().st_mode)
    assert model.stat().st_mode & stat.S_IWUSR


def test_two_exports_are_described_alike(run_of: Runs, exported: Exported, tmp_path: Path) -> None:
    export_well({"run_dir": run_of("classification"), "export_file_name": tmp_path / "again"})
    first, second = read_description(exported("classification")), read_description(tmp_path / "again.mindir")
    assert (first.inputs, first.outputs, first.task) == (second.inputs, second.outputs, second.task)
    assert first.checkpoint_sha256 == second.checkpoint_sha256


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        {"num_hidden_groups": 2, "inner_group_num": 2},
        {"use_relative_positions": True},
        {"hidden_act": "relu"},
    ],
    ids=["groups", "relative positions", "relu"],
)
def test_other_networks_in_onnx(tmp_path: Path, network: dict[str, object]) -> None:
    run = make_run(tmp_path / "run", "classification", write_vocabulary(tmp_path / "vocab.txt"), **network)
    target = tmp_path / "model.onnx"
    export_well({"run_dir": run, "export_file_name": target, "file_format": "ONNX"})
    _, exported_network = open_exported(target)
    inputs = batch(1, LENGTH)
    assert largest_difference(outputs(checkpoint_network(run), inputs), outputs(exported_network, inputs)) < 2e-5
