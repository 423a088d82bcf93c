from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from src.runtime.array_figures import aligned_table, figures_of
from src.runtime.dump_index import describe, long_names, write_index

NAME = (
    "MatMul.Default_network-AlbertCLS_albert-AlbertModel_dense-Linear_MatMul-op{}.0.0.{}"
    ".output.0.DefaultFormat.Float32.npy"
)


def dumped(folder: Path, name: str, values: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / name, values)
    return folder / name


def test_names_are_taken_apart_and_rows_stand_in_the_order_of_execution(tmp_path: Path) -> None:
    late = dumped(tmp_path / "update_3", NAME.format(1, 900), np.array([[1.0, np.inf, np.nan, -4.0]], np.float32))
    early = dumped(tmp_path / "update_3", NAME.format(0, 100), np.array(2, np.int64))
    tensors = [describe(path, path.name, 3, 0, tmp_path) for path in (late, early)]
    assert tensors[0].operator == "network_albert_dense_MatMul-op1"
    path = write_index(tmp_path, tensors)
    rows = list(csv.DictReader((tmp_path / "index.csv").read_text().splitlines()))
    assert [row["operator"][-3:] for row in rows] == ["op0", "op1"]
    assert rows[0]["shape"] == "scalar"
    wanted = {"update": "3", "tensor": "output 0", "shape": "1x4", "dtype": "float32", "min": "-4", "max": "1"}
    assert wanted.items() <= rows[1].items()
    assert (rows[1]["mean"], rows[1]["nan"], rows[1]["inf"]) == ("-1.5", "1", "1")
    assert (tmp_path / rows[1]["file"]) == late
    assert len(path.read_text().splitlines()) == 3


def test_a_name_that_mindspore_has_shortened(tmp_path: Path) -> None:
    path = dumped(tmp_path / "1", "1234.npy", np.zeros(2, np.float16))
    (tmp_path / "1" / "mapping.csv").write_text(f"1234.npy,{NAME.format(7, 5)}\n")
    full = long_names(tmp_path / "1")[path.name]
    assert describe(path, full, 0, 0, tmp_path).operator.endswith("op7")
    assert long_names(tmp_path) == {}


def test_a_name_of_another_form_stays_as_it_is(tmp_path: Path) -> None:
    path = dumped(tmp_path / "1", "odd.npy", np.zeros(2))
    assert describe(path, "odd.npy", 0, 0, tmp_path).operator == "odd.npy"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32, np.bool_])
def test_figures_of_any_type(dtype: type) -> None:
    figures = figures_of(np.array([0, 1, 1], dtype))
    assert (figures.minimum, figures.maximum, figures.nans, figures.is_finite) == (0, 1, 0, True)
    assert figures.mean == pytest.approx(2 / 3)


def test_figures_without_finite_values() -> None:
    figures = figures_of(np.array([np.nan, -np.inf]))
    assert (figures.nans, figures.infinities, figures.max_abs) == (1, 1, 0)
    assert not math.isnan(figures.mean)
    assert figures_of(np.zeros((0, 3), np.float32)).is_finite


def test_numbers_of_a_table_stand_on_the_right() -> None:
    assert aligned_table(["name", "n"], [["a", "1"], ["long", "10"]]) == ["name   n", "a      1", "long  10"]
