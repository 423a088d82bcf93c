from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor

from src.export.networks import inference_network
from src.model.weights import load_weights
from src.tasks.assets import read_task_description
from tests.ascend310_infer.application import MODELS, SHAPES, Work, build


def python_outputs(kind: str, inputs: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return what the checkpoint of a fixture answers to batches."""
    folder = MODELS / kind / "run"
    network = inference_network(read_task_description(folder / "assets"))
    (checkpoint,) = (folder / "checkpoints").glob("*-best.ckpt")
    load_weights(network, checkpoint, what="all")
    return [network(*(Tensor(values.astype(np.int32)) for values in batch)).asnumpy() for batch in inputs]


def check_equals_python(work: Work, kind: str) -> None:
    batches = work.write(*(f"x_batch_{SHAPES[kind][0]}_{number:06d}" for number in range(6)), seed=3)
    ended = work.run(warmup=2)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == f"6 batches: {work.results}"
    results = json.loads((work.results / "results.json").read_text(encoding="utf-8"))
    (output,) = results.pop("outputs")
    assert results == {"model": str(work.model), "device": "CPU", "files": batches}
    assert (output["index"], output["dtype"]) == (0, "float32")
    expected = python_outputs(kind, [work.inputs(batch) for batch in batches])
    assert np.std(expected) > 0.1
    for batch, values in zip(batches, expected, strict=True):
        found = np.fromfile(work.results / f"{batch}_0.bin", "<f4").reshape(output["shape"])
        assert found.shape == values.shape
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-4)
    names = {f"{batch}_0.bin" for batch in batches} | {"results.json"}
    assert {path.name for path in work.results.iterdir()} == names


@pytest.mark.parametrize("kind", list(SHAPES))
def test_outputs_equal_those_of_python(application: Path, tmp_path: Path, kind: str) -> None:
    check_equals_python(Work(tmp_path, application, MODELS / kind / "model.mindir", (SHAPES[kind],) * 3), kind)


def test_a_plain_build_against_the_layout_of_the_tarball(lite_home: Path, tmp_path: Path) -> None:
    wheel = lite_home / "mindspore_lite"
    library = wheel / "lib" / "libmindspore-extendrt_python.so"
    if not library.exists():
        pytest.skip("LITE_HOME is no wheel from PyPI")
    runtime = tmp_path / "tarball" / "runtime"
    (runtime / "lib").mkdir(parents=True)
    (runtime / "include").symlink_to(wheel / "include")
    for other in (wheel / "lib").iterdir():
        (runtime / "lib" / other.name).symlink_to(other)
    (runtime / "lib" / "libmindspore-lite.so").symlink_to(library)
    application = build(tmp_path / "out", tmp_path / "tarball")
    shapes = (SHAPES["classifier"],) * 3
    work = Work(tmp_path, application, MODELS / "classifier" / "model.mindir", shapes)
    check_equals_python(work, "classifier")


def test_several_outputs_and_a_fourth_input(application: Path, tmp_path: Path) -> None:
    shapes = ((2, 4), (2, 4), (2, 4), (2, 3))
    work = Work(tmp_path, application, MODELS / "odd" / "many_outputs.mindir", shapes)
    for number, shape in enumerate(shapes):
        work.put(number, "a", np.arange(np.prod(shape)).reshape(shape) + number)
    assert work.run().status == 0
    described = json.loads((work.results / "results.json").read_text())["outputs"]
    assert [(output["index"], output["dtype"], output["shape"]) for output in described] == [
        (0, "float32", [2, 4]),
        (1, "int32", [2, 3]),
    ]
    ids, mask, segments, positions = work.inputs("a")
    np.testing.assert_array_equal(np.fromfile(work.results / "a_0.bin", "<f4"), (ids * mask * 0.5).ravel())
    np.testing.assert_array_equal(np.fromfile(work.results / "a_1.bin", "<i4"), (segments[:, :3] - positions).ravel())


def test_the_time_file(classifier: Work) -> None:
    ended = classifier.run()
    text = classifier.time_file.read_text()
    assert ended.out.startswith(text)
    number = r"(\d+\.\d{3})"
    first, latency, alone, whole = text.splitlines()
    mean = re.fullmatch(rf"NN inference cost average time: {number} ms of infer_count 3", first)
    shown = re.fullmatch(
        rf"latency in ms of a batch of 4 rows: mean {number}, p50 {number}, p90 {number}, p99 {number}, max {number}",
        latency,
    )
    assert mean is not None
    assert shown is not None
    values = [float(value) for value in shown.groups()]
    assert values[0] == float(mean.group(1))
    assert 0 < values[1] <= values[2] <= values[3] <= values[4]
    # Of three batches the second is the middle, and the third is the 90th percentile and all above.
    assert values[2] == values[3] == values[4]
    np.testing.assert_allclose(sum([values[1], values[4]]), 3 * values[0], rtol=0.5)
    rates = []
    for line, name in ((alone, "of the model alone"), (whole, "with reading and writing files")):
        rate = re.fullmatch(rf"throughput {name}: {number} batches/s, {number} rows/s", line)
        assert rate is not None
        rates.append([float(value) for value in rate.groups()])
        assert rates[-1][1] == pytest.approx(4 * rates[-1][0], rel=1e-2)
    assert rates[0][0] > rates[1][0]


def test_names_are_written_as_json(classifier: Work) -> None:
    names = ['quote " back\\slash', "tab\there", "ümlaut 词", "two.dots", " "]
    classifier.write(*names)
    assert classifier.run().status == 0
    files = json.loads((classifier.results / "results.json").read_text(encoding="utf-8"))["files"]
    assert set(names) < set(files)
    assert files == sorted(files, key=lambda name: name.encode())
    assert all((classifier.results / f"{name}_0.bin").stat().st_size == 4 * 2 * 4 for name in files)
