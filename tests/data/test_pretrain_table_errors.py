"""What is refused before training: each message names the place and what to do."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.pretraining.table import PretrainTable, read_pretrain_table
from tests.data.pretrain_samples import Record, pretrain_records, write_pretrain_folder, write_tfrecord
from tests.data.record_samples import flip

VOCABULARY, LENGTH, SLOTS = 100, 16, 4


def read(path: Path, **options: Any) -> PretrainTable:
    given: dict[str, Any] = {"vocab_size": VOCABULARY, "seq_length": LENGTH, "lengths": False, **options}
    return read_pretrain_table(path, given.pop("schema", None), **given)


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _set(name: str, position: int, value: float) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record[name][position] = value

    return change


def _replace(name: str, values: Any) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record[name] = np.asarray(values)

    return change


def _into_padding(record: Record) -> None:
    """Predict the first place of padding of a row that is shortened for it."""
    for name in ("input_ids", "input_mask", "segment_ids"):
        record[name][10:] = 0
    record["masked_lm_positions"][:] = [1, 10, 2, 3]
    record["masked_lm_weights"][:] = 1


BAD_RECORDS = [
    (lambda record: record.pop("masked_lm_ids"), r"column 'masked_lm_ids' is missing; columns there: input_ids"),
    (lambda record: record.pop("segment_ids"), r"column 'segment_ids' is missing"),
    (_replace("input_ids", np.zeros(LENGTH, np.float32)), r"column 'input_ids' holds float values, int64 expected"),
    (_replace("masked_lm_weights", np.ones(SLOTS, int)), r"'masked_lm_weights' holds int64 values, float expected"),
    (_replace("segment_ids", np.zeros(8, int)), r"column 'segment_ids' has 8 values, 16 expected"),
    (_replace("masked_lm_positions", np.ones(3, int)), r"column 'masked_lm_positions' has 3 values, 4 expected"),
    (_replace("next_sentence_labels", [0, 1]), r"column 'next_sentence_labels' has 2 values, 1 expected"),
    (_set("input_ids", 3, 100), r"'input_ids' holds 100 at position 3, ids of the network's vocabulary are 0 to 99"),
    (_set("input_ids", 3, -1), r"'input_ids' holds -1 at position 3"),
    (_set("input_mask", 0, 0), r"'input_mask' holds \d at position \d+, the mask must be ones, then zeros"),
    (_set("input_mask", 0, 2), r"'input_mask' holds 2 at position 0"),
    (_replace("input_mask", np.zeros(LENGTH, int)), r"the record has no tokens"),
    (_set("segment_ids", 2, 2), r"'segment_ids' holds 2 at position 2, 0 or 1 expected"),
    (_set("next_sentence_labels", 0, 2), r"'next_sentence_labels' holds 2 at position 0, 0 or 1 expected"),
    (_set("masked_lm_weights", 0, 0.5), r"'masked_lm_weights' holds 0.5 at position 0, 0 or 1 expected"),
    (_set("masked_lm_weights", 0, float("nan")), r"'masked_lm_weights' holds nan at position 0"),
    (_set("masked_lm_positions", 0, LENGTH), r"'masked_lm_positions' holds 16 at position 0, which is not the place"),
    (_set("masked_lm_positions", 0, -1), r"'masked_lm_positions' holds -1 at position 0"),
    (_into_padding, r"'masked_lm_positions' holds 10 at position 1, which is not the place of a token"),
    (_set("masked_lm_ids", 0, 100), r"'masked_lm_ids' holds 100 at position 0, ids .* are 0 to 99"),
]


@pytest.mark.parametrize(("change", "message"), BAD_RECORDS)
def test_every_record_of_other_programs_is_checked(
    tmp_path: Path, change: Callable[[Record], None], message: str
) -> None:
    records = pretrain_records(6, LENGTH, SLOTS, VOCABULARY)
    change(records[5])
    write_tfrecord(tmp_path / "a.tfrecord", records[:2])
    write_tfrecord(tmp_path / "b.tfrecord", records[2:])
    with pytest.raises(DataError, match=rf"b\.tfrecord: record 3: .*{message}.* -> "):
        read(tmp_path)


def test_a_record_without_predictions_is_read(tmp_path: Path) -> None:
    """The reference's masking leaves some: no n-gram of whole words fits the few places of a short record."""
    records = pretrain_records(3, LENGTH, SLOTS, VOCABULARY)
    for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"):
        records[1][name] = np.zeros_like(records[1][name])
    write_tfrecord(tmp_path / "a.tfrecord", records)
    table = read(tmp_path)
    batch = table.batch([1], 1, LENGTH)
    assert batch["row_weight"].tolist() == [1]
    assert table.normalizers([batch]).tolist() == [0, 1]


def test_check_rows_leaves_the_rest_to_the_reading(tmp_path: Path) -> None:
    records = pretrain_records(6, LENGTH, SLOTS, VOCABULARY)
    records[5]["input_ids"][1] = 100
    write_tfrecord(tmp_path / "a.tfrecord", records)
    table = read(tmp_path, check_rows=2)
    assert table.batch([0, 4], 2, LENGTH)["row_weight"].sum() == 2
    with pytest.raises(DataError, match="record 5: column 'input_ids' holds 100"):
        table.batch([5], 1, LENGTH)


@pytest.mark.parametrize(("length", "slots", "column"), [(8, SLOTS, "input_ids"), (LENGTH, 3, "masked_lm_positions")])
def test_files_of_different_widths(tmp_path: Path, length: int, slots: int, column: str) -> None:
    write_tfrecord(tmp_path / "a.tfrecord", pretrain_records(2, LENGTH, SLOTS, VOCABULARY))
    write_tfrecord(tmp_path / "b.tfrecord", pretrain_records(2, length, slots, VOCABULARY))
    with pytest.raises(DataError, match=rf"b\.tfrecord: record 0: column '{column}' has .* -> .*of one shape"):
        read(tmp_path, check_rows=1)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: there is no such folder -> .*data_dir"):
        read(tmp_path / "absent")


def test_a_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read: File name too long -> check the path"):
        read(tmp_path / ("x" * 300))


def test_a_folder_without_records(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"holds no records.*-> create them with create_pretraining_data\.py"):
        read(tmp_path)


def test_records_that_are_not_finished(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path / "pretrain.unfinished")
    with pytest.raises(DataError, match=r"not finished: pretrain\.unfinished -> .*--resume true"):
        read(tmp_path)


def test_an_unfinished_run_beside_finished_records_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pretrain_folder(tmp_path, 10)
    write_pretrain_folder(tmp_path / "more.unfinished")
    assert read(tmp_path).rows == 10
    assert "more.unfinished is left out" in caplog.text


def test_mixed_formats(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, manifest=False)
    (tmp_path / "a.mindrecord").write_bytes(b"x")
    with pytest.raises(DataError, match=r"TFRecord and MindRecord files are mixed: a\.mindrecord and pretrain-00001"):
        read(tmp_path)


def test_a_mindrecord_without_manifest(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, file_format="mindrecord", manifest=False)
    with pytest.raises(DataError, match=r"pretrain-00000\.mindrecord: a MindRecord without its manifest -> keep"):
        read(tmp_path)


def test_gzip_files_must_be_unpacked(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, files=1, manifest=False)
    plain = tmp_path / "pretrain-00000.tfrecord"
    (tmp_path / "pretrain.tfrecord.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    with pytest.raises(DataError, match=r"pretrain\.tfrecord\.gz: .*random access -> unpack it with gunzip"):
        read(tmp_path)


@pytest.mark.parametrize("file_format", ["tfrecord", "mindrecord"])
def test_a_damaged_file_with_manifest(tmp_path: Path, file_format: str) -> None:
    write_pretrain_folder(tmp_path, file_format=file_format)
    flip(tmp_path / f"pretrain-00001.{file_format}", 400)
    for path in (tmp_path, tmp_path / f"pretrain-00001.{file_format}"):
        with pytest.raises(DataError, match=rf"pretrain-00001\.{file_format}: the file is damaged or changed"):
            read(path)


def test_a_damaged_foreign_file(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, manifest=False)
    flip(tmp_path / "pretrain-00001.tfrecord", 400)
    with pytest.raises(DataError, match=r"pretrain-00001\.tfrecord: record 1 \(byte \d+\): .*checksum differs"):
        read(tmp_path)


def test_a_missing_file_of_the_manifest(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path)
    (tmp_path / "pretrain-00001.tfrecord").unlink()
    with pytest.raises(DataError, match=r"pretrain-00001\.tfrecord: the file that the manifest names is missing"):
        read(tmp_path)


def test_a_file_that_no_manifest_names(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path)
    shutil.copy(tmp_path / "pretrain-00001.tfrecord", tmp_path / "old.tfrecord")
    with pytest.raises(DataError, match=r"no manifest in the folder names old\.tfrecord -> move it away"):
        read(tmp_path)


def test_two_manifests_of_one_file(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path)
    shutil.copy(tmp_path / "pretrain.manifest.json", tmp_path / "old.manifest.json")
    with pytest.raises(DataError, match=r"pretrain-00000\.tfrecord: two manifests name this file"):
        read(tmp_path)


def _other_vocabulary(content: dict[str, Any]) -> None:
    content["tokenizer"]["sha256"] = "1" * 64


def _second_of_two(content: dict[str, Any]) -> None:
    content.update(num_shards=2, shard_index=1)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"seq_length": 12}, lambda content: None, r"'columns' differs"),
        ({"slots": 3}, lambda content: None, r"'columns' differs"),
        ({"file_format": "mindrecord"}, lambda content: None, r"'file_format' differs"),
        ({}, _other_vocabulary, r"made with different vocabularies"),
        ({}, _second_of_two, r"parts 0 of 2 of 'wiki' are missing -> .*--shard_index"),
    ],
)
def test_sets_that_do_not_belong_together(
    tmp_path: Path, options: dict[str, Any], change: Callable[[dict[str, Any]], None], message: str
) -> None:
    write_pretrain_folder(tmp_path, name="books")
    write_pretrain_folder(tmp_path, name="wiki", **options)
    edit(tmp_path / "wiki.manifest.json", change)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize("file_format", ["tfrecord", "mindrecord"])
def test_records_that_do_not_fit_the_network(tmp_path: Path, file_format: str) -> None:
    write_pretrain_folder(tmp_path, file_format=file_format)
    with pytest.raises(DataError, match=r"vocabulary of 100, the network's vocab_size is 90 -> set vocab_size"):
        read(tmp_path, vocab_size=90)
    with pytest.raises(DataError, match=r"padded to 16 tokens, the network's seq_length is 12 -> set seq_length"):
        read(tmp_path, seq_length=12)


def test_foreign_records_longer_than_the_network_takes(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, manifest=False)
    with pytest.raises(DataError, match=r"pretrain-00000\.tfrecord: .*seq_length is 12 -> .*--max_seq_length 12"):
        read(tmp_path, seq_length=12)


def _without_segments(content: dict[str, Any]) -> None:
    del content["columns"]["segment_ids"]


def _odd_shape(content: dict[str, Any]) -> None:
    content["columns"]["masked_lm_ids"]["shape"] = []


@pytest.mark.parametrize("change", [_without_segments, _odd_shape])
@pytest.mark.parametrize("file_format", ["tfrecord", "mindrecord"])
def test_a_manifest_without_the_columns(
    tmp_path: Path, file_format: str, change: Callable[[dict[str, Any]], None]
) -> None:
    write_pretrain_folder(tmp_path, file_format=file_format)
    edit(tmp_path / "pretrain.manifest.json", change)
    with pytest.raises(DataError, match=r"pretrain\.manifest\.json: the manifest does not describe column '.*' as"):
        read(tmp_path)


def _one_row_less(content: dict[str, Any]) -> None:
    content["rows"] -= 1
    next(file for file in content["files"] if file["rows"])["rows"] -= 1


@pytest.mark.parametrize("file_format", ["tfrecord", "mindrecord"])
def test_a_manifest_with_other_rows(tmp_path: Path, file_format: str) -> None:
    write_pretrain_folder(tmp_path, file_format=file_format)
    edit(tmp_path / "pretrain.manifest.json", _one_row_less)
    with pytest.raises(DataError, match=rf"pretrain-00000\.{file_format}: the file holds 20 records, .* says 19"):
        read(tmp_path)


def test_fine_tuning_records_are_not_pre_training_records(tmp_path: Path) -> None:
    row = {name: np.ones(LENGTH, int) for name in ("input_ids", "input_mask", "segment_ids")}
    write_tfrecord(tmp_path / "train.tf_record", [{**row, "label_ids": np.array([1])}])
    with pytest.raises(DataError, match=r"column 'masked_lm_ids' is missing.* -> .*pre-training records"):
        read(tmp_path)
