from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from src.data.table import FinetuneTable, read_table
from src.tasks.inference import evaluation_plan, labels_of, run_inference, sentences_of
from tests.data.record_samples import sample_rows, write_sample


@pytest.fixture(autouse=True)
def pynative_mode() -> Iterator[None]:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


class Sums(nn.Cell):
    """Answer with the sum of a row's visible ids and the length it runs at; remember the shapes."""

    def __init__(self, per_token: bool = False) -> None:
        super().__init__()
        self.per_token = per_token
        self.shapes: list[tuple[int, ...]] = []

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> Tensor:
        self.shapes.append(tuple(input_ids.shape))
        visible = (input_ids * input_mask).astype(ms.float32)
        if self.per_token:
            return ops.stack((visible, visible + segment_ids), axis=-1)
        total = visible.sum(axis=1)
        return ops.stack((total, ops.zeros_like(total) + input_ids.shape[1]), axis=1)


def table_of(lengths: list[int], kind: str = "classification") -> FinetuneTable:
    """Row r holds r + 1 at every place; its label is r, token labels are the places."""
    rows = [np.full(length, row + 1, np.int32) for row, length in enumerate(lengths)]
    labels = np.arange(len(lengths), dtype=np.int32)
    if kind == "token_classification":
        labels = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    return FinetuneTable(
        source=Path("rows"),
        kind=kind,
        labels=("a", "b"),
        manifest=None,
        max_seq_length=8,
        token_ids=np.concatenate(rows),
        segment_ids=np.ones(sum(lengths), np.int8),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        label_ids=labels,
    )


LENGTHS = [3, 8, 2, 5, 4, 7, 1, 4, 6]


@pytest.mark.parametrize("buckets", [(8,), (4, 8), (2, 4, 6, 8)])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 9, 20])
def test_every_row_once_in_row_order(batch_size: int, buckets: tuple[int, ...]) -> None:
    table = table_of(LENGTHS)
    network = Sums()
    outputs = run_inference(network, table, evaluation_plan(table, batch_size, buckets), batch_size)
    assert outputs.rows.tolist() == list(range(9))
    expected = [(row + 1) * length for row, length in enumerate(LENGTHS)]
    assert outputs.stacked()[:, 0].tolist() == expected
    # Each row ran at the shortest length that holds it.
    assert outputs.stacked()[:, 1].tolist() == [min(b for b in buckets if b >= length) for length in LENGTHS]
    assert set(network.shapes) <= {(batch_size, bucket) for bucket in buckets}


def test_shuffled_evaluation_gives_the_same_rows() -> None:
    table = table_of(LENGTHS)
    plain, shuffled = (evaluation_plan(table, 2, (4, 8), shuffle_seed=seed) for seed in (None, 3))
    assert [micro.indices.tolist() for micro in plain] != [micro.indices.tolist() for micro in shuffled]
    results = [run_inference(Sums(), table, plan, 2).stacked() for plan in (plain, shuffled)]
    np.testing.assert_array_equal(*results)


def test_token_outputs_lose_their_padding() -> None:
    table = table_of(LENGTHS, "token_classification")
    outputs = run_inference(Sums(per_token=True), table, evaluation_plan(table, 4, (4, 8)), 4)
    for row, (length, values) in enumerate(zip(LENGTHS, outputs.values, strict=True)):
        assert values.tolist() == [[row + 1.0, row + 2.0]] * length


@pytest.mark.parametrize("kind", ["classification", "token_classification"])
def test_outputs_do_not_keep_their_batch_alive(kind: str) -> None:
    per_token = kind == "token_classification"
    table = table_of(LENGTHS, kind)
    outputs = run_inference(Sums(per_token), table, evaluation_plan(table, 4, (8,)), 4)
    assert all(values.base is None for values in outputs.values)


@pytest.mark.parametrize(
    ("rows", "sentences"),
    [
        ([0, 1, 2, 3, 4], [[0], [1, 2, 3], [4]]),
        # The records 2 and 3 go on with record 1: without it, or without 2, there is nothing to go on with.
        ([0, 2, 3], [[0], [1, 2]]),
        ([1, 3, 4], [[0], [1], [2]]),
        ([], []),
    ],
)
def test_records_of_a_sentence_belong_together(tmp_path: Path, rows: list[int], sentences: list[list[int]]) -> None:
    samples = sample_rows("token_classification", 5)
    write_sample(tmp_path / "tags.tfrecord", samples, "token_classification", settings={"continued_rows": [2, 3]})
    table = read_table(tmp_path / "tags.tfrecord")
    assert sentences_of(table, np.array(rows, np.int64)) == sentences


def test_without_the_list_of_continued_rows_every_record_is_a_sentence() -> None:
    assert sentences_of(table_of(LENGTHS, "token_classification"), np.arange(3)) == [[0], [1], [2]]


def test_first_batches_only() -> None:
    table = table_of(LENGTHS)
    plan = evaluation_plan(table, 2, (8,), max_batches=2)
    outputs = run_inference(Sums(), table, plan, 2)
    assert outputs.rows.tolist() == [0, 1, 2, 3]


def test_progress_counts_rows_without_fillers() -> None:
    table, seen = table_of(LENGTHS), []
    run_inference(Sums(), table, evaluation_plan(table, 4, (8,)), 4, seen.append)
    assert seen == [4, 8, 9]


def test_the_network_is_left_in_evaluation_mode() -> None:
    network = Sums()
    network.set_train(True)
    table = table_of([2])
    run_inference(network, table, evaluation_plan(table, 1, (8,)), 1)
    assert not network.training


def test_labels_of_some_rows() -> None:
    rows = np.array([1, 3])
    labels = labels_of(table_of(LENGTHS), rows)
    assert isinstance(labels, np.ndarray)
    assert labels.tolist() == [1, 3]
    per_token = labels_of(table_of(LENGTHS, "token_classification"), rows)
    assert [item.tolist() for item in per_token] == [list(range(8)), list(range(5))]


def test_labels_must_be_there() -> None:
    table = table_of([2])
    bare = FinetuneTable(**{**table.__dict__, "label_ids": None})
    with pytest.raises(ValueError, match="no labels"):
        labels_of(bare, np.array([0]))
