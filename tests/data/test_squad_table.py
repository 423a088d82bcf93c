from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.manifest import manifest_path
from src.data.squad_table import SQUAD_COLUMNS, read_squad_table, table_of_features
from src.data.table import read_table
from tests.data import record_samples
from tests.data.record_samples import flip
from tests.data.squad_record_samples import (
    LENGTH,
    foreign_row,
    sample_features,
    sample_file,
    write_foreign,
    write_sample,
)


def _read(path: Path, **demands: Any) -> Any:
    return read_squad_table(path, **{"vocab_size": 100, "max_length": 512, **demands})


@pytest.mark.parametrize("name", ["a.tfrecord", "a.mindrecord"])
@pytest.mark.parametrize("shards", [1, 3])
def test_what_was_written_is_read(tmp_path: Path, name: str, shards: int) -> None:
    features = sample_features()
    write_sample(tmp_path / name, features, shard_num=shards)
    table = _read(tmp_path / name)
    assert (table.rows, table.max_seq_length) == (6, LENGTH)
    assert table.manifest is not None
    assert table.source == tmp_path / name
    np.testing.assert_array_equal(table.lengths, features.lengths)
    np.testing.assert_array_equal(table.token_ids, features.token_ids)
    np.testing.assert_array_equal(table.start_positions, features.start_position)
    np.testing.assert_array_equal(table.end_positions, features.end_position)
    np.testing.assert_array_equal(table.is_impossible, features.is_impossible)
    np.testing.assert_array_equal(table.segment_ids, table_of_features(features, sample_file()).segment_ids)


def test_a_batch_is_padded_and_filled(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord")
    table = _read(tmp_path / "a.tfrecord")
    batch = table.batch([1, 2], 3, 14)
    assert tuple(batch) == SQUAD_COLUMNS == table.columns
    assert batch["input_ids"].tolist() == [
        [2, 5, 6, 3, 7, 8, 9, 10, 11, 3, 0, 0, 0, 0],
        [2, 5, 6, 3, 7, 8, 9, 10, 11, 12, 13, 14, 3, 0],
        [2] + [0] * 13,
    ]
    assert batch["input_mask"].sum(axis=1).tolist() == [10, 13, 1]
    assert batch["segment_ids"].tolist() == [[0] * 4 + [1] * 6 + [0] * 4, [0] * 4 + [1] * 9 + [0], [0] * 14]
    assert batch["start_positions"].tolist() == [0, 5, 0]
    assert batch["end_positions"].tolist() == [0, 6, 0]
    assert batch["is_impossible"].tolist() == [1, 0, 0]
    assert batch["row_weight"].tolist() == [1, 1, 0]
    types = {name: values.dtype for name, values in batch.items()}
    floats = {name for name, dtype in types.items() if dtype == np.float32}
    assert floats == {"is_impossible", "row_weight"}
    assert {types[name] for name in set(types) - floats} == {np.dtype(np.int32)}
    assert table.normalizers([batch, table.batch([0], 3, 14), table.batch([], 3, 14)]).tolist() == [3]


def test_rows_that_do_not_fit_a_batch() -> None:
    table = table_of_features(sample_features(), sample_file())
    with pytest.raises(ValueError, match="do not fit 1x16"):
        table.batch([0, 1], 1, 16)
    with pytest.raises(ValueError, match="up to 13 tokens do not fit 2x12"):
        table.batch([0], 2, 12)


def test_a_row_is_named(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord", shard_num=2)
    table = _read(tmp_path / "a.tfrecord")
    assert table.place_of(2) == f"{tmp_path}/a.tfrecord-00000-of-00002: record 2"
    assert table.place_of(5) == f"{tmp_path}/a.tfrecord-00001-of-00002: record 2"
    made = table_of_features(sample_features(), sample_file())
    assert made.place_of(3) == "sample.json: question id1, window 1"


def test_several_files_are_one_table(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord")
    write_sample(tmp_path / "b.mindrecord", questions=4)
    write_foreign(tmp_path / "c.tf_record", [foreign_row()])
    for path in (f"{tmp_path}/a.tfrecord, {tmp_path}/b.mindrecord,{tmp_path}/c.tf_record", f"{tmp_path}/[abc].*"):
        table = _read(path)
        assert (table.rows, table.manifest) == (15, None)
        assert table.place_of(14) == f"{tmp_path}/c.tf_record: record 0"
        assert table.start_positions.tolist()[-1] == 4


def test_files_of_different_vocabularies_are_not_mixed(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord")
    write_sample(tmp_path / "b.tfrecord", tokenizer={**record_samples.TOKENIZER, "sha256": "1" * 64})
    with pytest.raises(DataError, match=r"b\.tfrecord: files read together have different tokenizers"):
        _read(tmp_path / "*.tfrecord")


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"p_mask": None},
        {"unique_ids": None, "is_impossible": np.array([0.0], np.float32)},
        # The TF official models' names: the mask has the opposite sense.
        {"paragraph_mask": 1 - foreign_row()["p_mask"], "p_mask": None, "class_index": np.array([0])},
    ],
)
def test_records_of_other_programs(tmp_path: Path, columns: dict[str, Any]) -> None:
    table = _read(write_foreign(tmp_path / "a.tf_record", [foreign_row(), foreign_row()]))
    other = _read(write_foreign(tmp_path / "b.tf_record", [foreign_row(**columns)]))
    assert (table.rows, other.rows, other.manifest, other.max_seq_length) == (2, 1, None, LENGTH)
    for name, values in other.batch([0], 1, LENGTH).items():
        np.testing.assert_array_equal(values, table.batch([1], 1, LENGTH)[name])


@pytest.mark.parametrize("told", [np.array([0]), np.array([1]), np.array([1.0], np.float32), None])
def test_positions_0_mean_no_answer_in_files_of_other_programs(tmp_path: Path, told: Any) -> None:
    row = foreign_row(start_positions=np.array([0]), end_positions=np.array([0]), is_impossible=told)
    table = _read(write_foreign(tmp_path / "a.tf_record", [row]))
    assert table.is_impossible.tolist() == [True]


def test_a_mindrecord_of_the_model_zoo(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sample(tmp_path / "a.mindrecord")
    manifest_path(tmp_path / "a.mindrecord").unlink()
    with caplog.at_level(logging.WARNING):
        table = _read(tmp_path / "a.mindrecord")
    assert (table.rows, table.manifest) == (6, None)
    assert table.start_positions.tolist() == [5, 0, 5, 0, 0, 0]
    assert "changed values cannot be noticed" in caplog.text


_PLACES = np.arange(LENGTH)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"p_mask": np.ones(LENGTH, int)}, r"'p_mask' holds 1 at position 0, but input_mask and segment_ids"),
        ({"p_mask": np.zeros(LENGTH, int)}, r"'p_mask' holds 0 at position 1, but input_mask and segment_ids"),
        ({"p_mask": np.zeros(LENGTH - 1, int)}, "'p_mask' has 15 values, 16 expected"),
        ({"input_ids": np.full(LENGTH, 100)}, r"'input_ids' holds 100 at position 0, outside 0\.\.99"),
        ({"input_mask": (_PLACES % 2 == 0).astype(int)}, "the mask must be ones, then zeros"),
        ({"input_mask": np.zeros(LENGTH, int)}, "the row has no tokens"),
        ({"segment_ids": np.ones(LENGTH, int)}, r"'segment_ids' holds 1 at position 0, the question's"),
        ({"segment_ids": ((_PLACES > 3) & (_PLACES < 7)).astype(int)}, "'segment_ids' holds 0 at position 7"),
        ({"segment_ids": np.where(_PLACES > 3, 2, 0)}, "'segment_ids' holds 2 at position 4, outside"),
        ({"start_positions": np.array([-1])}, "'start_positions' holds -1, outside the row's tokens"),
        ({"end_positions": np.array([9])}, "'end_positions' holds 9, outside the row's tokens"),
        ({"end_positions": np.array([8])}, "'end_positions' holds 8, which is no token of the passage"),
        ({"start_positions": np.array([2])}, "'start_positions' holds 2, which is no token of the passage"),
        ({"start_positions": np.array([0])}, "'start_positions' holds 0, which is no token of the passage"),
        ({"start_positions": np.array([7]), "end_positions": np.array([5])}, "'end_positions' holds 5, before"),
        ({"is_impossible": np.array([2])}, "'is_impossible' holds 2, 0 or 1 expected"),
        ({"is_impossible": np.array([1])}, "'is_impossible' holds 1, but the positions of the answer are not 0"),
        ({"is_impossible": np.array([0, 0])}, "'is_impossible' has 2 values, 1 expected"),
        ({"start_positions": np.array([4.0])}, "'start_positions' holds float values, int64 expected"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = write_foreign(tmp_path / "a.tf_record", [foreign_row(), foreign_row(**columns)])
    with pytest.raises(DataError, match=f"{path}: record 1[:( ].*{message}"):
        _read(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"paragraph_mask": foreign_row()["p_mask"], "p_mask": None}, "'paragraph_mask' holds 0 at position 0"),
        ({"is_impossible": np.array([0.5], np.float32)}, r"'is_impossible' holds 0\.5, 0 or 1 expected"),
        ({"p_mask": np.zeros(LENGTH - 1, int)}, "'p_mask' has 15 values a row, 16 expected"),
        ({"start_positions": np.array([4, 4])}, "'start_positions' has 2 values, 1 expected"),
    ],
)
def test_a_column_that_is_wrong_in_all_records(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = write_foreign(tmp_path / "a.tf_record", [foreign_row(**columns)])
    with pytest.raises(DataError, match=f"{path}: record 0: column {message}"):
        _read(path)


@pytest.mark.parametrize("missing", ["input_ids", "segment_ids", "start_positions", "end_positions"])
def test_a_missing_column(tmp_path: Path, missing: str) -> None:
    path = write_foreign(tmp_path / "a.tf_record", [foreign_row(**{missing: None})])
    with pytest.raises(DataError, match=f"no training records of SQuAD: column '{missing}' is missing; columns there"):
        _read(path)


def test_rows_that_the_network_cannot_take(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord")
    with pytest.raises(DataError, match=r"record 0: the row has 13 tokens, at most 12 are possible"):
        _read(tmp_path / "a.tfrecord", max_length=12)
    with pytest.raises(DataError, match=r"record 0: column 'input_ids' holds 14 .* outside 0\.\.13 \(the vocabulary\)"):
        _read(tmp_path / "a.tfrecord", vocab_size=14)


@pytest.mark.parametrize("name", ["a.tfrecord", "a.mindrecord"])
def test_damage_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_sample(path)
    content = path.read_bytes()
    flip(path, len(content) // 2)
    with pytest.raises(DataError, match="damaged or changed: its sha256 differs"):
        _read(path)
    path.write_bytes(content[:-20])
    with pytest.raises(DataError, match=f"the file has {len(content) - 20} bytes, its manifest says {len(content)}"):
        _read(path)
    manifest_path(path).unlink()
    with pytest.raises(DataError, match=r"cut off|outside the file"):
        _read(path)


def test_a_wrong_manifest(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    write_sample(path)
    place = manifest_path(path)
    text = place.read_text()
    place.write_text(text.replace('"rows": 6', '"rows": 7'))
    with pytest.raises(DataError, match="the file has 6 rows, its manifest says 7"):
        _read(path)
    place.write_text(text.replace('"doc_stride": 4', '"doc_stride": "4"'))
    with pytest.raises(DataError, match=r"the manifest is not valid: settings\.doc_stride"):
        _read(path)
    place.write_text(text.replace('"labels": []', '"labels": ["no", "yes"]'))
    with pytest.raises(DataError, match="answers in a text have no class names"):
        _read(path)


@pytest.mark.parametrize("name", ["a.tfrecord", "a.mindrecord"])
@pytest.mark.parametrize("with_manifest", [True, False])
def test_records_of_another_kind(tmp_path: Path, name: str, with_manifest: bool) -> None:
    record_samples.write_sample(tmp_path / name)
    (tmp_path / "squad").mkdir()
    write_sample(tmp_path / "squad" / name)
    if not with_manifest:
        manifest_path(tmp_path / name).unlink()
        manifest_path(tmp_path / "squad" / name).unlink()
    kind = "the records are for classification" if with_manifest else "no training records of SQuAD"
    with pytest.raises(DataError, match=f"{name}: .*{kind}"):
        _read(tmp_path / name)
    for wanted in (None, "classification", "token_classification"):
        with pytest.raises(DataError, match=f"squad/{name}: the records are for answers in a text"):
            read_table(tmp_path / "squad" / name, kind=wanted)
    with pytest.raises(DataError, match="unknown kind of record 'squad'"):
        read_table(tmp_path / "squad" / name, kind="squad")


def test_evaluation_features_are_a_table() -> None:
    zeros = np.zeros(6, np.int32)
    features = sample_features(start_position=zeros, end_position=zeros, is_impossible=zeros.astype(bool))
    table = table_of_features(features, sample_file())
    batch = table.batch(np.arange(6), 6, LENGTH)
    assert (table.rows, table.max_seq_length, table.manifest) == (6, LENGTH, None)
    assert batch["segment_ids"][0].tolist() == [0] * 4 + [1] * 9 + [0] * 3
    assert batch["input_mask"].sum(axis=1).tolist() == features.lengths.tolist()
    assert not batch["is_impossible"].any()


def test_batches_pass_through_the_dataset(tmp_path: Path) -> None:
    from src.data.batching import BatchGeometry
    from src.data.dataset import TrainStart, train_dataset

    write_sample(tmp_path / "a.tfrecord")
    table = _read(tmp_path / "a.tfrecord")
    dataset = train_dataset(table, BatchGeometry(4, (LENGTH,)), seed=1, shuffle=True, start=TrainStart(), epochs=1)
    batches = list(dataset.create_dict_iterator(output_numpy=True))
    assert sorted(batch["row_weight"].sum() for batch in batches) == [2, 4]
    assert all(batch["normalizers"].tolist() == [batch["row_weight"].sum()] for batch in batches)
    answers = np.concatenate([batch["start_positions"][batch["row_weight"] == 1] for batch in batches])
    assert sorted(answers.tolist()) == [0, 0, 0, 0, 5, 5]
