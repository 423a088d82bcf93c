from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import DataError
from src.data.batching import BatchGeometry, plan_epoch
from src.data.dataset import (
    INPUT_COLUMNS,
    NORMALIZERS,
    BackgroundDataset,
    TrainStart,
    evaluation_dataset,
    inference_dataset,
    train_dataset,
    train_rows,
    update_rows,
)
from src.data.table import FINETUNE_COLUMNS, FinetuneTable

TRAIN_COLUMNS = (*FINETUNE_COLUMNS, NORMALIZERS)
IGNORED = -100


def table_of(kind: str = "classification", rows: int = 11) -> FinetuneTable:
    """Row r has 3 to 8 tokens; of token labels every third counts."""
    generator = np.random.default_rng(rows)
    lengths = generator.integers(3, 9, rows)
    total = int(lengths.sum())
    labels = {
        "classification": np.arange(rows, dtype=np.int32) % 2,
        "regression": np.arange(rows, dtype=np.float32) / 4,
        "token_classification": np.where(np.arange(total) % 3 == 0, 1, IGNORED).astype(np.int32),
    }[kind]
    return FinetuneTable(
        source=Path("rows"),
        kind=kind,
        labels=("a", "b"),
        manifest=None,
        max_seq_length=8,
        token_ids=generator.integers(5, 50, total).astype(np.int32),
        segment_ids=np.zeros(total, np.int8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        label_ids=labels,
    )


def mean_loss(rows: list[tuple[np.ndarray, ...]], kind: str) -> float:
    """Return what the loss networks compute, with the sum of a row's ids as the loss of a row (of a token: its id)."""
    total = 0.0
    for row in rows:
        batch = dict(zip(TRAIN_COLUMNS, row, strict=True))
        ids, weight = batch["input_ids"].astype(float), batch["row_weight"]
        if kind == "token_classification":
            share = (ids * (batch["label_ids"] >= 0) * weight[:, None]).sum()
        else:
            share = (ids.sum(axis=1) * weight).sum()
        total += share / batch["normalizers"][0]
    return total


@pytest.mark.parametrize("kind", ["classification", "regression", "token_classification"])
@pytest.mark.parametrize("parts", [2, 3])
def test_accumulated_update_equals_the_big_batch(kind: str, parts: int) -> None:
    """Also for the last update, whose parts hold unequal numbers of rows or none."""
    table = table_of(kind)
    small = BatchGeometry(2, (8,), accumulation_steps=parts)
    big = BatchGeometry(2 * parts, (8,))
    for micros, whole in zip(*(plan_epoch(table.lengths, g, 1, 0, True) for g in (small, big)), strict=True):
        rows = list(update_rows(table, micros, 2))
        assert len(rows) == parts
        assert all(row[-1] == rows[0][-1] for row in rows)
        assert mean_loss(rows, kind) == pytest.approx(mean_loss(list(update_rows(table, whole, 2 * parts)), kind))


def test_normalizer_counts_what_the_loss_averages_over() -> None:
    table = table_of()
    (last,) = plan_epoch(table.lengths, BatchGeometry(4, (8,)), 0, 0, shuffle=False)[-1]
    assert len(last.indices) == 3
    assert next(update_rows(table, [last], 4))[-1].tolist() == [3.0]
    tags = table_of("token_classification")
    first = plan_epoch(tags.lengths, BatchGeometry(4, (8,)), 0, 0, shuffle=False)[0]
    counted = (tags.label_ids[: tags.offsets[4]] >= 0).sum()
    assert next(update_rows(tags, first, 4))[-1].tolist() == [float(counted)]


def test_an_update_without_labelled_tokens_counts_none() -> None:
    """Not 1: it is added to the counts of other processes, and the loss networks guard against 0."""
    tags = table_of("token_classification")
    bare = replace(tags, label_ids=np.full_like(tags.label_ids, IGNORED))
    for update in plan_epoch(bare.lengths, BatchGeometry(4, (8,), accumulation_steps=2), 0, 0, shuffle=False):
        assert [row[-1].tolist() for row in update_rows(bare, update, 4)] == [[0.0], [0.0]]


def test_columns_of_the_datasets() -> None:
    table, geometry = table_of("regression"), BatchGeometry(4, (4, 8), accumulation_steps=2)
    dataset = train_dataset(table, geometry, 5, True, TrainStart(), 1)
    assert tuple(dataset.get_col_names()) == TRAIN_COLUMNS
    shapes = set()
    for row in dataset.create_dict_iterator(num_epochs=1, output_numpy=True):
        length = row["input_ids"].shape[1]
        assert length in (4, 8)
        shapes.add(length)
        for name in INPUT_COLUMNS:
            assert (row[name].shape, row[name].dtype) == ((4, length), np.int32)
        assert (row["label_ids"].shape, row["label_ids"].dtype) == ((4,), np.float32)
        assert (row["row_weight"].shape, row["normalizers"].shape) == ((4,), (1,))
    assert shapes == {4, 8}
    plan = plan_epoch(table.lengths, BatchGeometry(4, (8,)), 0, 0, shuffle=False)
    inference = inference_dataset(table, [update[0] for update in plan], 4)
    rows = list(inference.create_dict_iterator(num_epochs=1, output_numpy=True))
    assert tuple(inference.get_col_names()) == INPUT_COLUMNS
    assert len(rows) == 3
    np.testing.assert_array_equal(rows[2]["input_ids"], table.batch([8, 9, 10], 4, 8)["input_ids"])


def test_evaluation_batches_have_all_columns_and_their_own_normalizers() -> None:
    table = table_of()
    plan = [update[0] for update in plan_epoch(table.lengths, BatchGeometry(4, (8,)), 0, 0, shuffle=False)]
    dataset = evaluation_dataset(table, plan, 4)
    assert tuple(dataset.get_col_names()) == TRAIN_COLUMNS
    rows = list(dataset.create_dict_iterator(num_epochs=1, output_numpy=True))
    assert [row["normalizers"].tolist() for row in rows] == [[4.0], [4.0], [3.0]]
    expected = table.batch([8, 9, 10], 4, 8)
    for name in FINETUNE_COLUMNS:
        np.testing.assert_array_equal(rows[2][name], expected[name])


@pytest.mark.parametrize("start", [TrainStart(0, 2), TrainStart(1, 0), TrainStart(1, 3), TrainStart(2, 0)])
def test_a_later_start_gives_the_rest(start: TrainStart) -> None:
    table, geometry = table_of(), BatchGeometry(2, (4, 8), accumulation_steps=2)
    per_epoch = len(plan_epoch(table.lengths, geometry, 9, 0, True))
    everything = list(train_rows(table, geometry, 9, True, TrainStart(), 3))
    rest = list(train_rows(table, geometry, 9, True, start, 3))
    done = (start.epoch * per_epoch + start.step_in_epoch) * geometry.accumulation_steps
    assert len(rest) == len(everything) - done > 0
    for ours, theirs in zip(rest, everything[done:], strict=True):
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(left, right)


def test_epochs_differ_and_each_holds_every_row() -> None:
    table, geometry = table_of(), BatchGeometry(4, (8,))
    epochs = []
    for epoch in range(2):
        rows = list(train_rows(table, geometry, 9, True, TrainStart(epoch), epoch + 1))
        kept = [ids[weight == 1] for ids, _, _, _, weight, _ in rows]
        epochs.append(np.concatenate(kept))
    assert not np.array_equal(*epochs)
    expected = table.batch(np.arange(11), 11, 8)["input_ids"]
    for found in epochs:
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(expected, axis=0))


def test_an_error_of_ours_reaches_the_reader_as_it_is() -> None:
    def rows() -> Iterator[tuple[np.ndarray, ...]]:
        yield (np.zeros(2, np.int32),)
        raise DataError("the record is damaged", "a.tfrecord: record 1", "copy it again")

    dataset = BackgroundDataset(rows, ["values"], 3)
    for iterator in (dataset.create_tuple_iterator(), dataset.create_dict_iterator(output_numpy=True)):
        # The reader is ahead: the error may come before the row that was read before it.
        with pytest.raises(DataError) as caught:
            list(iterator)
        assert str(caught.value) == "a.tfrecord: record 1: the record is damaged -> copy it again"


def test_other_errors_stay_those_of_mindspore() -> None:
    def rows() -> Iterator[tuple[np.ndarray, ...]]:
        raise KeyError("a mistake of ours")
        yield ()

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        list(BackgroundDataset(rows, ["values"], 3).create_tuple_iterator())


def test_start_behind_the_last_epoch_is_empty() -> None:
    assert list(train_rows(table_of(), BatchGeometry(2, (8,)), 0, True, TrainStart(3), 3)) == []
