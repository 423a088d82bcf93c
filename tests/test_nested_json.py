"""A file of JSON with brackets too deep for Python's reader is refused like any other damaged one, by every reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import AlbertError, CheckpointError, ConfigError, DataError
from src.common.run_directory import is_run_directory
from src.config.float32_operators import read_float32_operators
from src.data.delimited import Columns, read_delimited
from src.data.meta_data import read_meta_data
from src.data.pretraining.documents import detect_format, read_documents
from src.data.pretraining.manifest import find_manifests, read_pretrain_manifest
from src.data.pretraining.schema_file import read_schema
from src.data.pretraining.sources import LineReader
from src.data.squad import read_squad
from src.evaluate.squad_predictions import read_predictions
from src.export.description import described_file, is_description, read_description
from src.runtime.doctor.variable_rules import json_file
from src.runtime.launch.rank_table import read_rank_table
from src.train.checkpoint_files import read_manifest
from src.train.metrics_log import read_metrics
from src.weights.array_folder import read_arrays
from src.weights.config_files import read_config_file
from src.weights.huggingface_tokenizer import find_tokenizer
from src.weights.safetensors_source import SafetensorsFile

DEEP = "[" * 100_000
TOO_DEEP = "its brackets are nested too deep"

# Reader of a file of this name, its error, and what that says.
REFUSED: dict[str, tuple[Callable[[Path], Any], type[AlbertError], str]] = {
    "hccl.json": (read_rank_table, ConfigError, f"the rank table is no JSON: {TOO_DEEP}"),
    "mixlist.json": (read_float32_operators, ConfigError, "the file is no JSON"),
    "config.json": (read_config_file, CheckpointError, "the file is no JSON"),
    "arrays/manifest.json": (lambda path: read_arrays(path.parent), CheckpointError, "the manifest is no JSON"),
    "manifest.json": (lambda path: read_manifest(path.parent, "squad"), CheckpointError, f"damaged: {TOO_DEEP}"),
    "model.json": (read_description, CheckpointError, "the description of the model is damaged"),
    "metrics.jsonl": (read_metrics, DataError, "metrics.jsonl:1: this line is not JSON"),
    "squad.json": (read_squad, DataError, f"not valid json: {TOO_DEEP}"),
    "predictions.json": (read_predictions, DataError, f"not valid json: {TOO_DEEP}"),
    "rows.jsonl": (lambda path: read_delimited("dev", path, Columns()), DataError, f"not valid JSON: {TOO_DEEP}"),
    "meta_data": (read_meta_data, DataError, f"the meta data are not JSON: {TOO_DEEP}"),
    "schema.json": (read_schema, DataError, f"the schema is no JSON: {TOO_DEEP}"),
    "text.manifest.json": (read_pretrain_manifest, DataError, "the manifest is not valid"),
    "wiki.jsonl": (
        lambda path: list(read_documents(LineReader(path), "wikiextractor_json", 1000)),
        DataError,
        f"wiki.jsonl:1: not a line of JSON: {TOO_DEEP}",
    ),
}
# Reader of such a file that takes a damaged one for none.
PASSED_OVER: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "environment.json": (lambda path: is_run_directory(path.parent), False),
    "model.json": (lambda path: (is_description(path), described_file(path)), (False, "")),
    "tokenizer_config.json": (lambda path: find_tokenizer(path.parent), None),
    # A text may begin with a brace.
    "wiki.txt": (detect_format, "sentences"),
}


def write(path: Path, text: str = DEEP) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_needed_is_refused(tmp_path: Path, name: str) -> None:
    read, error, message = REFUSED[name]
    with pytest.raises(error) as caught:
        read(write(tmp_path / name))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", PASSED_OVER)
def test_a_file_that_may_be_damaged_is_passed_over(tmp_path: Path, name: str) -> None:
    read, expected = PASSED_OVER[name]
    assert read(write(tmp_path / name, f'{{"text": {DEEP}')) == expected


def test_the_manifests_of_a_folder_are_found_with_a_damaged_one(tmp_path: Path) -> None:
    path = write(tmp_path / "text.manifest.json")
    assert find_manifests(tmp_path) == [path]


def test_the_doctor_tells_of_it(tmp_path: Path) -> None:
    assert json_file(str(write(tmp_path / "dump.json"))) == f"is no JSON: {TOO_DEEP}"


def test_the_header_of_a_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(len(DEEP).to_bytes(8, "little") + DEEP.encode())
    with pytest.raises(CheckpointError, match="the header of the file is damaged"):
        SafetensorsFile(tmp_path / "a.safetensors")
