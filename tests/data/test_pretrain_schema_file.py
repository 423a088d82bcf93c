from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError
from src.data.pretraining.records import columns_of, schema_json
from src.data.pretraining.table import PretrainTable, read_pretrain_table
from tests.data.pretrain_samples import write_pretrain_folder

LENGTH, SLOTS = 16, 4


def read(path: Path, schema: Path | None) -> PretrainTable:
    return read_pretrain_table(path, schema, vocab_size=100, seq_length=LENGTH, lengths=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pretrain_folder(tmp_path / "data", 10, manifest=False)
    return tmp_path / "data"


def write_schema(path: Path, change: Callable[[dict[str, Any]], None] = lambda content: None) -> Path:
    content = schema_json(columns_of(LENGTH, SLOTS), 10)
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_a_schema_that_fits(folder: Path, tmp_path: Path) -> None:
    assert read(folder, write_schema(tmp_path / "schema.json")).rows == 10
    assert read(folder, tmp_path).rows == 10


@pytest.mark.parametrize(("rows", "expected"), [(4, 4), (100, 10), (0, 10)])
def test_num_rows_is_the_most_of_the_whole_data_set(folder: Path, tmp_path: Path, rows: int, expected: int) -> None:
    schema = write_schema(tmp_path / "schema.json", lambda content: content.update(numRows=rows))
    table = read(folder, schema)
    assert table.rows == expected
    if rows == 4:
        assert table.place_of(0).endswith("pretrain-00000.tfrecord: record 0")
        assert table.place_of(3).endswith("pretrain-00001.tfrecord: record 2")


def test_what_else_mindspore_takes(folder: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        del content["numRows"]
        content["columns"]["input_ids"].update(type="int32", shape=[-1])
        del content["columns"]["input_mask"]["shape"]
        content["columns"] = [{"name": name, **column} for name, column in content["columns"].items()]

    assert read(folder, write_schema(tmp_path / "schema.json", change)).rows == 10


def _column(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["columns"][name].update(values)


BAD_SCHEMAS = [
    (lambda content: content.update(datasetType="MR"), r"datasetType is 'MR', 'TF' expected"),
    (lambda content: content.update(numRows="all"), r"numRows is 'all'"),
    (lambda content: content.update(numRows=-1), r"numRows is -1"),
    (lambda content: content.pop("columns"), r"the schema has no columns"),
    (lambda content: content.update(columns=["input_ids"]), r"the schema has no columns"),
    (lambda content: content["columns"].update(input_ids="int64"), r"column 'input_ids' has no type"),
    (_column("input_ids", shape="16"), r"the shape of column 'input_ids' is '16'"),
    (_column("input_ids", rank=2), r"column 'input_ids' has rank 2, but a shape of 1 numbers"),
    (_column("input_ids", shape=[32]), r"column 'input_ids' has 32 values, in the records of .* it has 16"),
    (_column("masked_lm_ids", shape=[20]), r"column 'masked_lm_ids' has 20 values, in .* it has 4"),
    (_column("masked_lm_weights", type="int64"), r"'masked_lm_weights' is int64, in .* it is float32"),
    (_column("segment_ids", type="float32"), r"column 'segment_ids' is float32, in .* it is int64"),
    (_column("segment_ids", type="string"), r"column 'segment_ids' is string"),
    (lambda content: content["columns"].pop("input_mask"), r"column 'input_mask' is missing in the schema"),
    (
        lambda content: content["columns"].update(extra={"type": "int64", "rank": 1, "shape": [1]}),
        r"column 'extra' is not in the records",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD_SCHEMAS)
def test_a_schema_that_does_not_fit(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    schema = write_schema(tmp_path / "schema.json", change)
    with pytest.raises(DataError, match=rf"schema\.json: .*{message}.* -> mend the schema"):
        read(folder, schema)


@pytest.mark.parametrize("text", ["{", "[]", "\ufeff{}", ""])
def test_malformed_json(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"schema\.json: the schema is no JSON"):
        read(folder, tmp_path / "schema.json")


def test_a_schema_in_no_text_form(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"schema\.json: the schema is no JSON"):
        read(folder, tmp_path / "schema.json")


def test_a_schema_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    for schema in (tmp_path / "absent.json", folder):
        with pytest.raises(DataError, match=r"there is no such schema -> give the path of a schema\.json"):
            read(folder, schema)


def test_a_schema_whose_name_the_file_system_refuses(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the schema: File name too long"):
        read(folder, tmp_path / ("x" * 300))


@pytest.mark.parametrize("manifest", [True, False])
def test_a_schema_beside_the_records_must_not_contradict_them(tmp_path: Path, manifest: bool) -> None:
    write_pretrain_folder(tmp_path, 10, manifest=manifest)
    schema = write_schema(tmp_path / "schema.json", lambda content: content.update(numRows=3))
    assert read(tmp_path, None).rows == 10
    write_schema(schema, lambda content: content["columns"].pop("input_mask"))
    assert read(tmp_path, None).rows == 10
    write_schema(schema, _column("input_ids", shape=[128]))
    with pytest.raises(DataError, match=r"column 'input_ids' has 128 values"):
        read(tmp_path, None)


def test_a_broken_schema_beside_the_records_is_refused(folder: Path) -> None:
    (folder / "schema.json").write_text("{")
    with pytest.raises(DataError, match=r"schema\.json: the schema is no JSON.* -> mend or remove it"):
        read(folder, None)


def test_a_schema_of_mindrecord_files_is_compared_too(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path / "data", 6, file_format="mindrecord")
    schema = write_schema(tmp_path / "schema.json", _column("input_ids", shape=[128]))
    with pytest.raises(DataError, match=r"column 'input_ids' has 128 values"):
        read(tmp_path / "data", schema)
