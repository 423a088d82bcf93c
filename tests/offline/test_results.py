from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.offline.answers import change_info, refused


def _stem(folder: Path, number: int) -> Path:
    return folder / "answered" / f"sst2_batch_8_{number:06d}_0.bin"


def test_missing_results(answered: Path) -> None:
    _stem(answered, 1).unlink()
    refused(answered, what="1 results are missing: sst2_batch_8_000001_0.bin")
    (answered / "answered" / "results.json").unlink()
    refused(answered, what="results.json is missing")
    shutil.rmtree(answered / "answered")
    refused(answered, what="there are no results")


@pytest.mark.parametrize("change", [-1, 4])
def test_results_of_another_size(change: int, answered: Path) -> None:
    content = _stem(answered, 2).read_bytes()
    _stem(answered, 2).write_bytes(content[:change] if change < 0 else content + bytes(change))
    refused(answered, what=f"the file has {len(content) + change} bytes, {len(content)} are expected")


def test_results_that_belong_to_no_batch(answered: Path) -> None:
    extra = answered / "answered" / "sst2_batch_8_000005_0.bin"
    shutil.copy(_stem(answered, 0), extra)
    refused(answered, what="files that belong to no batch: sst2_batch_8_000005_0.bin")
    extra.unlink()
    stems = [f"sst2_batch_8_{number:06d}" for number in range(6)]
    change_info(answered / "answered", files=stems)
    refused(answered, what="results of other batches: sst2_batch_8_000005")
    change_info(answered / "answered", files=stems[:4])
    refused(answered, what="1 results are missing: sst2_batch_8_000004")


@pytest.mark.parametrize(
    ("outputs", "what"),
    [
        ([], "gave 0 outputs"),
        ([{"index": 1, "name": "x", "dtype": "float32", "shape": [8, 2]}], "gave 1 outputs"),
        ([{"index": 0, "name": "x", "dtype": "float32", "shape": [8, 3]}], "is float32 [8, 3]"),
        ([{"index": 0, "name": "x", "dtype": "float32", "shape": [2, 8]}], "is float32 [2, 8]"),
        ([{"index": 0, "name": "x", "dtype": "int32", "shape": [8, 2]}], "is int32 [8, 2]"),
        ([{"index": 0, "name": "x", "dtype": "strange", "shape": [8, 2]}], "is strange [8, 2]"),
        ([{"index": "zero"}], "does not describe results"),
    ],
)
def test_outputs_of_another_network(outputs: list[object], what: str, answered: Path) -> None:
    change_info(answered / "answered", outputs=outputs)
    refused(answered, what=what)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"model": 1}'])
def test_damaged_results(text: str, answered: Path) -> None:
    (answered / "answered" / "results.json").write_text(text)
    refused(answered, what="results.json")


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("rows", 36, "files are not those"),
        ("rows", 10**12, "files are not those"),
        ("batch_size", 0, "batch_size"),
        ("kind", "squad", "tokenizer"),
        ("labels", [], "labels"),
        ("files", [], "files"),
        ("more", 1, "more"),
        ("format_version", 2, "format_version"),
    ],
)
def test_a_damaged_manifest(key: str, value: object, what: str, answered: Path) -> None:
    place = answered / "asked" / "manifest.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {key: value}))
    refused(answered, what=what)


def test_a_missing_manifest(answered: Path) -> None:
    place = answered / "asked" / "manifest.json"
    place.write_text("no json")
    refused(answered, what="the manifest is damaged")
    place.unlink()
    refused(answered, what="it has no manifest.json")


def test_outputs_that_are_not_finite(answered: Path) -> None:
    values = np.fromfile(_stem(answered, 1), np.float32)
    values[4] = np.nan
    values.tofile(_stem(answered, 1))
    refused(answered, what="1 of 16 numbers are not finite: the file is damaged, or the model overflowed")
