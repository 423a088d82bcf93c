"""Checkpoints that a real TensorFlow writes and reads; ``make test-tensorflow`` names its Python.

TensorFlow writes a checkpoint of random values in every layout, in the shape of base. This project converts it without
TensorFlow, its network computes, and the outputs are compared: with the model garden's own encoder where that wrote the
checkpoint, else with an ALBERT in float64 numpy. Then the checkpoint goes out again, and TensorFlow reads it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from src.weights.own_outputs import own_outputs
from src.weights.read_input import read_input
from tests.tensorflow import layouts, numpy_albert
from tests.weights.convert_samples import convert

PYTHON = os.environ.get("TENSORFLOW_PYTHON", "")
PROGRAM = Path(__file__).parent / "program.py"
CONFIG = layouts.BASE
TOLERANCE = 1e-5
GOOGLE = ("google", "google classes", "google answers", "google adam", "google slots", "google shards", "google half",
          "google bfloat", "hub")  # fmt: skip
# What goes out in Google's layout, whose variables are others then.
CHANGED = ("own norms", "brightmart")
GARDEN = ("garden", "garden trained")

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs a real TensorFlow: make test-tensorflow")


def tensorflow(*words: object) -> None:
    """Run the program under TensorFlow."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}
    command = [PYTHON, str(PROGRAM), *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Let TensorFlow write every layout; return the folder of their folders."""
    folder = tmp_path_factory.mktemp("tensorflow")
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG))
    tensorflow("write", ",".join((*GOOGLE, *CHANGED, *GARDEN)), config, folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def returned(written: Path) -> Path:
    """Convert every checkpoint to .ckpt and back; let TensorFlow read and restore what was written."""
    words: dict[str, list[object]] = {"read": [], "restore": []}
    for layout in (*GOOGLE, *CHANGED, *GARDEN):
        place = written / layout
        convert(place, place / "w.ckpt")
        names = ("--tf_layout", "model_garden") if layout in GARDEN else ()
        prefix = place / "back" / "model.ckpt-9"
        convert(place / "w.ckpt", prefix, *names)
        for command, arguments in words.items():
            arguments += [prefix, place / f"{command}.npz"]
    for command, arguments in words.items():
        tensorflow(command, *arguments)
    return written


def test_this_environment_has_no_tensorflow() -> None:
    assert importlib.util.find_spec("tensorflow") is None


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def differences(folder: Path, expected: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return how far our outputs are from the others, of the checkpoint that was converted from a folder."""
    read = read_input(folder / "w.ckpt")
    ours = own_outputs(read.weights, read.network, layouts.random_batch(CONFIG))
    ours["last hidden state"] = ours["hidden states"][-1]
    found = {name: float(np.abs(ours[name] - values).max()) for name, values in expected.items()}
    print(f"{folder.name:16}" + ", ".join(f"{name} {value:.1e}" for name, value in found.items()))
    return found


@pytest.mark.parametrize("layout", [*GOOGLE, *CHANGED])
def test_outputs_equal_those_of_numpy(returned: Path, layout: str) -> None:
    values = arrays(returned / layout / "values.npz")
    expected = numpy_albert.outputs(values, CONFIG, layouts.random_batch(CONFIG))
    assert max(differences(returned / layout, expected).values()) < TOLERANCE


@pytest.mark.parametrize("layout", GARDEN)
def test_outputs_equal_those_of_the_model_garden(returned: Path, layout: str) -> None:
    assert max(differences(returned / layout, arrays(returned / layout / "outputs.npz")).values()) < TOLERANCE


@pytest.mark.parametrize("layout", GOOGLE)
def test_google_variables_come_back_equal_to_the_bit(returned: Path, layout: str) -> None:
    first = {name.removeprefix("module/"): array for name, array in arrays(returned / layout / "values.npz").items()}
    for command in ("read", "restore"):
        back = arrays(returned / layout / f"{command}.npz")
        state = set(first) - set(back)
        assert state == {name for name in first if name.endswith(("/Adam", "/Adam_1", "/adam_m", "/adam_v", "_power"))
                         or name == "global_step"}  # fmt: skip
        assert len(back) == {"google classes": 27, "google answers": 27, "hub": 25}.get(layout, 32)
        assert all(back[name].tobytes() == first[name].tobytes() for name in back)


@pytest.mark.parametrize("layout", GARDEN)
def test_the_model_garden_takes_its_variables_back_equal_to_the_bit(returned: Path, layout: str) -> None:
    first = {
        name: array
        for name, array in arrays(returned / layout / "values.npz").items()
        if "OPTIMIZER_SLOT" not in name and not name.startswith(("optimizer/", "save_counter/"))
    }
    back = arrays(returned / layout / "read.npz")
    assert len(first) == len(back) == 25
    kinds = [sorted((array.shape, array.tobytes()) for array in found.values()) for found in (first, back)]
    assert kinds[0] == kinds[1]
    config = returned / "config.json"
    tensorflow("encode", returned / layout / "back" / "model.ckpt-9", config, returned / layout / "again.npz")
    expected, found = arrays(returned / layout / "outputs.npz"), arrays(returned / layout / "again.npz")
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


@pytest.mark.parametrize("layout", CHANGED)
def test_other_layouts_go_out_in_googles(returned: Path, layout: str) -> None:
    batch = layouts.random_batch(CONFIG)
    expected = numpy_albert.outputs(arrays(returned / layout / "values.npz"), CONFIG, batch)
    changed = json.loads((returned / layout / "back" / "albert_config.json").read_text())
    back = arrays(returned / layout / "restore.npz")
    found = numpy_albert.outputs(back, changed, batch)
    assert max(float(np.abs(found[name] - expected[name]).max()) for name in expected) < TOLERANCE
    # Once in Google's layout, the variables stay equal to the bit.
    convert(returned / layout / "back", returned / layout / "again.ckpt")
    first, second = (read_input(returned / layout / name).weights for name in ("w.ckpt", "again.ckpt"))
    assert set(first) == set(second)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
