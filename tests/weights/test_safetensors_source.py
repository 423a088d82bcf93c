from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from src.common.errors import CheckpointError
from src.weights.safetensors_source import SafetensorsFile


def write(path: Path, header: Any, data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def sample(path: Path) -> dict[str, np.ndarray]:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "half": np.array([0.5, -2.0], np.float16),
        "long": np.array([[1 << 40]]),
        "scalar": np.array(2.5, np.float64),
        "none": np.zeros((0, 4), np.float32),
    }
    save_file(arrays, path, metadata={"format": "pt"})
    return arrays


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    arrays = sample(tmp_path / "a.safetensors")
    source = SafetensorsFile(tmp_path / "a.safetensors")
    assert list(source.shapes()) == sorted(arrays)
    for name, values in arrays.items():
        assert source.dtypes()[name] == values.dtype.name
        assert source.shapes()[name] == values.shape
        read = source.read(name)
        assert np.array_equal(read, values)
        assert read.dtype == (np.int64 if name == "long" else np.float32)
    with pytest.raises(CheckpointError, match="there is no tensor b"):
        source.read("b")


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    header = {"w": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    data = np.array([0x3FC0, 0xC000, 0x7F80], "<u2").tobytes()
    source = SafetensorsFile(write(tmp_path / "b.safetensors", header, data))
    assert source.dtypes() == {"w": "bfloat16"}
    assert source.read("w").tolist() == [1.5, -2.0, np.inf]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([1], "header of the file is damaged"),
        ({"w": 5}, "entry of 'w' is damaged"),
        ({"w": {"dtype": "F32", "shape": [1]}}, "entry of 'w' is damaged"),
        ({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, "entry of 'w' is damaged"),
        ({"w": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, "entry of 'w' is damaged"),
        ({"w": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, "of type 'F8_E4M3'"),
        ({"w": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, "of type"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "does not fit its shape"),
        ({"w": {"dtype": "F16", "shape": [1], "data_offsets": [2, 4]}}, "gap or overlap"),
        ({"w": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}, "the data have 4 bytes"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        SafetensorsFile(write(tmp_path / "c.safetensors", header, b"1234"))


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    sample(tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    for size in range(len(content)):
        cut.write_bytes(content[:size])
        with pytest.raises(CheckpointError):
            SafetensorsFile(cut)


def test_a_changed_header_never_ends_in_another_error(tmp_path: Path) -> None:
    sample(tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    draw = random.Random(3)
    refused = 0
    for _ in range(300):
        changed = bytearray(content)
        changed[draw.randrange(320)] = draw.randrange(256)
        (tmp_path / "b.safetensors").write_bytes(changed)
        try:
            source = SafetensorsFile(tmp_path / "b.safetensors")
            for name in source.shapes():
                source.read(name)
        except CheckpointError:
            refused += 1
    assert refused > 100


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        SafetensorsFile(tmp_path / "none.safetensors")
