"""What our network computes with a TensorFlow checkpoint, beside a numpy ALBERT that reads TensorFlow's variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.weights.own_outputs import own_outputs
from src.weights.read_input import read_input
from src.weights.tf_bundle import open_bundle
from src.weights.tf_bundle_writer import write_bundle
from tests.tensorflow import layouts, numpy_albert
from tests.weights.convert_samples import convert

TOLERANCE = 1e-5
GROUPS = {"num_hidden_groups": 2, "inner_group_num": 2}
ENCODER = {"hidden states", "pooled"}
LAYOUTS: dict[str, tuple[Callable[[Mapping[str, Any]], layouts.Shapes], set[str]]] = {
    "google": (layouts.google, {"masked tokens", "order"}),
    "google classes": (lambda config: layouts.google(config, "classes"), {"classes", "classes of tokens"}),
    "google answers": (lambda config: layouts.google(config, "answers"), {"answers"}),
    "hub": (layouts.hub, set()),
    "own norms": (layouts.own_norms, {"masked tokens", "order"}),
    "brightmart": (layouts.brightmart, {"masked tokens", "order"}),
}


def check(folder: Path, layout: str, config: Mapping[str, Any]) -> dict[str, float]:
    """Convert a checkpoint of our own writer and return the largest difference of each output."""
    shapes, heads = LAYOUTS[layout]
    values = layouts.random_values(shapes(config))
    folder.mkdir()
    write_bundle(folder / "model.ckpt-1", values)
    (folder / "albert_config.json").write_text(json.dumps(config))
    convert(folder, folder.parent / "w.ckpt")
    read = read_input(folder.parent / "w.ckpt")
    batch = layouts.random_batch(config)
    expected = numpy_albert.outputs(values, config, batch)
    ours = own_outputs(read.weights, read.network, batch)
    assert set(expected) == set(ours) == ENCODER | heads
    convert(folder.parent / "w.ckpt", folder.parent / "back" / "model.ckpt-1")
    check_back(folder.parent / "back", layout, values)
    return {name: float(np.abs(ours[name] - expected[name]).max()) for name in expected}


def check_back(folder: Path, layout: str, values: Mapping[str, np.ndarray]) -> None:
    """Compare the variables of a converted checkpoint with the first ones, where the layout is Google's."""
    if layout in ("own norms", "brightmart"):
        return  # They go out in Google's layout, whose variables are others.
    back = open_bundle(folder)
    assert set(back.shapes()) == {name.removeprefix("module/") for name in values}
    assert all(back.read(name.removeprefix("module/")).tobytes() == array.tobytes() for name, array in values.items())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_computes_the_same_in_a_small_network(tmp_path: Path, layout: str) -> None:
    groups = {} if layout in ("own norms", "brightmart") else GROUPS
    found = check(tmp_path / "tf", layout, {**layouts.TINY, **groups})
    assert max(found.values()) < TOLERANCE, found


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["google", "own norms", "brightmart"])
def test_every_layout_computes_the_same_in_the_shape_of_base(tmp_path: Path, layout: str) -> None:
    found = check(tmp_path / "tf", layout, layouts.BASE)
    assert max(found.values()) < TOLERANCE, found


def test_the_comparison_would_find_a_changed_variable(tmp_path: Path) -> None:
    config = layouts.TINY
    values = layouts.random_values(layouts.google(config))
    batch = layouts.random_batch(config)
    expected = numpy_albert.outputs(values, config, batch)
    unnoticed = []
    for name in values:
        changed = {**values, name: np.ascontiguousarray(values[name][::-1] + 0.1)}
        found = numpy_albert.outputs(changed, config, batch)
        if max(float(np.abs(found[key] - expected[key]).max()) for key in expected) < 100 * TOLERANCE:
            unnoticed.append(name)
    # Attention does not depend on the bias of keys: it adds the same to every score of a row.
    assert unnoticed in ([], [f"{layouts.TRANSFORMER}/group_0/inner_group_0/attention_1/self/key/bias"])
