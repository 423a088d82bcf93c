from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.batching import BatchGeometry, MicroBatch
from src.data.dataset import TrainStart, evaluation_dataset, train_dataset
from src.data.pretraining import record_rows
from src.data.pretraining.table import PRETRAIN_COLUMNS, PretrainTable, read_pretrain_table
from tests.data.pretrain_samples import Record, pretrain_records, write_pretrain_folder, write_tfrecord
from tests.data.record_samples import flip

VOCABULARY, LENGTH, SLOTS, ROWS = 100, 16, 4, 41
FORMS = [("tfrecord", True), ("tfrecord", False), ("mindrecord", True)]


def read(path: Path, **options: Any) -> PretrainTable:
    given: dict[str, Any] = {"vocab_size": VOCABULARY, "seq_length": LENGTH, "lengths": False, **options}
    return read_pretrain_table(path, given.pop("schema", None), **given)


def assert_rows(batch: dict[str, np.ndarray], records: list[Record]) -> None:
    for place, record in enumerate(records):
        for name, values in record.items():
            np.testing.assert_array_equal(batch[name][place], values, err_msg=f"{name} of row {place}")


@pytest.mark.parametrize(("file_format", "manifest"), FORMS)
@pytest.mark.parametrize("lengths", [False, True])
def test_rows_are_those_of_the_sorted_files(tmp_path: Path, file_format: str, manifest: bool, lengths: bool) -> None:
    records = write_pretrain_folder(tmp_path, ROWS, files=3, file_format=file_format, manifest=manifest)
    table = read(tmp_path, lengths=lengths)
    assert (table.rows, table.max_seq_length, table.slots, table.source) == (ROWS, LENGTH, SLOTS, tmp_path)
    assert [path.name for path in table.files] == [f"pretrain-0000{number}.{file_format}" for number in range(3)]
    assert (table.tokenizer is not None) == manifest
    real = [int(record["input_mask"].sum()) for record in records]
    assert table.lengths.tolist() == (real if lengths else [LENGTH] * ROWS)
    order = np.random.default_rng(1).permutation(ROWS)
    assert_rows(table.batch(order, ROWS, LENGTH), [records[row] for row in order])
    assert table.place_of(0).endswith(f"pretrain-00000.{file_format}: record 0")
    assert table.place_of(ROWS - 1).endswith(f"pretrain-00002.{file_format}: record 13")
    table.close()
    assert_rows(table.batch([7], 1, LENGTH), [records[7]])


def test_types_and_fillers_of_a_batch(tmp_path: Path) -> None:
    records = write_pretrain_folder(tmp_path, 5)
    batch = read(tmp_path).batch([4, 1], 3, LENGTH + 2)
    assert tuple(batch) == PRETRAIN_COLUMNS
    shapes = {"next_sentence_labels": (3, 1), "row_weight": (3,)}
    shapes.update({name: (3, SLOTS) for name in PRETRAIN_COLUMNS if name.startswith("masked")})
    for name, values in batch.items():
        assert values.shape == shapes.get(name, (3, LENGTH + 2)), name
        assert values.dtype == (np.float32 if "weight" in name else np.int32), name
    np.testing.assert_array_equal(batch["input_ids"][:2, :LENGTH], [records[4]["input_ids"], records[1]["input_ids"]])
    assert not batch["input_ids"][:, LENGTH:].any()
    assert batch["row_weight"].tolist() == [1, 1, 0]
    assert not batch["masked_lm_weights"][2].any()
    assert batch["input_mask"][2].tolist() == [1] + [0] * (LENGTH + 1)


def test_an_empty_micro_batch_is_all_fillers(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, 5)
    table = read(tmp_path)
    batch = table.batch([], 2, LENGTH)
    assert batch["row_weight"].tolist() == [0, 0]
    assert table.normalizers([batch]).tolist() == [0, 0]


def test_normalizers_are_the_sums_over_an_update(tmp_path: Path) -> None:
    records = write_pretrain_folder(tmp_path, 5)
    table = read(tmp_path)
    batches = [table.batch([0, 1, 2], 3, LENGTH), table.batch([3], 3, LENGTH)]
    expected = [sum(record["masked_lm_weights"].sum() for record in records[:4]), 4]
    assert table.normalizers(batches).tolist() == expected
    assert table.normalizers(batches).dtype == np.float32


def test_rows_of_one_length_can_be_padded_to_less(tmp_path: Path) -> None:
    records = write_pretrain_folder(tmp_path, ROWS)
    table = read(tmp_path, lengths=True)
    short = np.flatnonzero(table.lengths <= 10)
    batch = table.batch(short, len(short), 10)
    np.testing.assert_array_equal(batch["input_ids"], [records[row]["input_ids"][:10] for row in short])
    assert (batch["masked_lm_positions"] < 10).all()
    with pytest.raises(ValueError, match="do not fit"):
        table.batch([int(np.argmax(table.lengths))], 1, 10)
    with pytest.raises(ValueError, match="do not fit"):
        table.batch([0, 1], 1, LENGTH)


def test_padding_predictions_may_hold_anything(tmp_path: Path) -> None:
    records = pretrain_records(3, LENGTH, SLOTS, VOCABULARY)
    records[1]["masked_lm_positions"][-1] = 9999
    records[1]["masked_lm_ids"][-1] = -1
    records[1]["masked_lm_weights"][-1] = 0
    write_tfrecord(tmp_path / "a.tfrecord", records)
    batch = read(tmp_path).batch([1], 1, LENGTH)
    assert (batch["masked_lm_positions"][0, -1], batch["masked_lm_ids"][0, -1]) == (0, 0)


def test_names_of_foreign_files(tmp_path: Path) -> None:
    records = pretrain_records(4, LENGTH, SLOTS, VOCABULARY)
    extra = {"token_boundary": np.zeros(LENGTH, np.int64), "text": [b"anything"]}
    write_tfrecord(tmp_path / "wiki.tf_record-00001-of-2", [{**records[2], **extra}])
    write_tfrecord(tmp_path / "wiki.tf_record-00000-of-2", [{**record, **extra} for record in records[:2]])
    write_tfrecord(tmp_path / "zz_TFRecord", records[3:])
    for name in (".hidden.tfrecord", "notes.txt", "wiki.tfrecord.json"):
        (tmp_path / name).write_text("no records")
    (tmp_path / "more_tfrecords").mkdir()
    table = read(tmp_path)
    assert_rows(table.batch(range(4), 4, LENGTH), records)


@pytest.mark.parametrize(("file_format", "manifest"), FORMS)
def test_a_single_file(tmp_path: Path, file_format: str, manifest: bool) -> None:
    records = write_pretrain_folder(tmp_path, 10, file_format=file_format, manifest=manifest)
    table = read(tmp_path / f"pretrain-00001.{file_format}")
    assert table.rows == 5
    assert_rows(table.batch(range(5), 5, LENGTH), records[5:])


def test_a_single_file_of_any_name(tmp_path: Path) -> None:
    records = pretrain_records(2, LENGTH, SLOTS, VOCABULARY)
    assert_rows(read(write_tfrecord(tmp_path / "records", records)).batch([0, 1], 2, LENGTH), records)


@pytest.mark.parametrize(("file_format", "manifest"), FORMS)
def test_rows_at_most_are_spread_over_all_files(tmp_path: Path, file_format: str, manifest: bool) -> None:
    records = write_pretrain_folder(tmp_path, ROWS, files=3, file_format=file_format, manifest=manifest)
    table = read(tmp_path, rows_at_most=5, lengths=True)
    rows = [0, 8, 16, 24, 32]
    assert table.rows == len(table.lengths) == 5
    assert_rows(table.batch(range(5), 5, LENGTH), [records[row] for row in rows])
    assert table.place_of(4).endswith(f"pretrain-00002.{file_format}: record 5")
    assert read(tmp_path, rows_at_most=100).rows == ROWS


def test_more_files_than_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = write_pretrain_folder(tmp_path, 12, files=6)
    monkeypatch.setattr(record_rows, "_MOST_OPEN_FILES", 2)
    table = read(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert_rows(table.batch(range(12), 12, LENGTH), records)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2


def test_threads_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = write_pretrain_folder(tmp_path, 40, files=8)
    monkeypatch.setattr(record_rows, "_MOST_OPEN_FILES", 2)
    table, failures = read(tmp_path), []

    def work(seed: int) -> None:
        for _ in range(20):
            rows = np.random.default_rng(seed).permutation(40)[:16]
            try:
                assert_rows(table.batch(rows, 16, LENGTH), [records[row] for row in rows])
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_identity_tells_rows_and_content(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path / "a", 10, seed=1)
    write_pretrain_folder(tmp_path / "b", 10, seed=1, manifest=False)
    write_pretrain_folder(tmp_path / "c", 10, seed=2)
    first, same, other = (read(tmp_path / name).identity() for name in "abc")
    assert first == same != other
    assert first != read(tmp_path / "a", rows_at_most=9).identity()
    assert (first["rows"], first["files"]) == (10, 2)


def test_training_and_evaluation_datasets(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, 10)
    table = read(tmp_path, lengths=True)
    geometry = BatchGeometry(4, (8, LENGTH), accumulation_steps=2)
    dataset = train_dataset(table, geometry, 0, True, TrainStart(), 1)
    assert tuple(dataset.get_col_names()) == (*PRETRAIN_COLUMNS, "normalizers")
    rows = list(dataset.create_dict_iterator(output_numpy=True))
    assert sum(row["row_weight"].sum() for row in rows) == 10
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        both = [sum(row[name].sum() for row in (first, second)) for name in ("masked_lm_weights", "row_weight")]
        assert first["normalizers"].tolist() == second["normalizers"].tolist() == both
    (row,) = evaluation_dataset(table, [MicroBatch(np.arange(3), LENGTH)], 4).create_dict_iterator(output_numpy=True)
    assert row["normalizers"].tolist() == [row["masked_lm_weights"].sum(), 3]


def _rewrite(path: Path, change: Callable[[Record], None]) -> None:
    """Write the folder's last file again with another last record, of the same size or not."""
    records = pretrain_records(10, LENGTH, SLOTS, VOCABULARY)[5:]
    change(records[-1])
    write_tfrecord(path / "pretrain-00001.tfrecord", records)


def _other_ids(record: Record) -> None:
    record["input_ids"][1] = 101


def test_a_file_that_changes_during_training_is_a_clear_error(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, 10)
    table = read(tmp_path)
    _rewrite(tmp_path, _other_ids)
    with pytest.raises(DataError, match=r"pretrain-00001\.tfrecord: record 4: column 'input_ids' holds 101"):
        table.batch(range(10), 10, LENGTH)
    flip(tmp_path / "pretrain-00000.tfrecord", 300)
    dataset = train_dataset(table, BatchGeometry(5, (LENGTH,)), 0, False, TrainStart(), 1)
    with pytest.raises(DataError, match=r"pretrain-00000\.tfrecord: record \d .*checksum differs") as caught:
        list(dataset.create_tuple_iterator())
    assert "\n" not in str(caught.value)


def test_a_length_that_changes_during_training_is_a_clear_error(tmp_path: Path) -> None:
    write_pretrain_folder(tmp_path, 10)
    table = read(tmp_path, lengths=True)

    def shorten(record: Record) -> None:
        end = int(record["input_mask"].sum())
        record["input_mask"][end - 1] = 0

    _rewrite(tmp_path, shorten)
    with pytest.raises(DataError, match=r"pretrain-00001\.tfrecord: record 4: the record has changed"):
        table.batch(range(10), 10, LENGTH)
