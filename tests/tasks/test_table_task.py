from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.sections import NetworkConfig
from src.data.table import FinetuneTable
from src.runtime.process_group import ProcessGroup
from src.tasks.base import UPDATE_ROWS
from src.tasks.table_task import TableTask

LENGTHS = np.array([2, 3, 5, 6, 7, 3, 4, 8, 2, 5])


def table() -> FinetuneTable:
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    tokens = np.ones(offsets[-1], np.int32)
    return FinetuneTable(
        Path("rows.tfrecord"), "classification", ("a", "b"), None, 8, tokens, tokens, offsets, np.zeros(10, np.int32)
    )


class RowsTask(TableTask[FinetuneTable]):
    """As much of a task as its batches need."""

    shuffle_key = "do_shuffle"

    def __init__(self, train: FinetuneTable | None, group: ProcessGroup, lengths: tuple[int, ...] = (4, 8, 99)) -> None:
        super().__init__(NetworkConfig(), group, seed=7, shuffle=True)
        self._train = train
        self._lay_batches(lengths, 8, 2, 3)

    def _rows_identity(self) -> dict[str, Any]:
        return {"rows": self._train_table().rows}


# The rest of the contract is not looked at.
RowsTask.__abstractmethods__ = frozenset()


def group(rank: int = 0, size: int = 1) -> ProcessGroup:
    return ProcessGroup(rank=rank, size=size)


def test_what_a_resumed_run_keeps() -> None:
    identity = RowsTask(table(), group(size=2)).data_identity()
    # Lengths that no row needs are left out.
    assert identity == {UPDATE_ROWS: 12, "bucket_list": [4, 8], "do_shuffle": True, "seed": 7, "rows": 10}
    assert list(identity)[:4] == [UPDATE_ROWS, "bucket_list", "do_shuffle", "seed"]


def test_rows_of_the_training_data_have_a_place_and_make_steps() -> None:
    task = RowsTask(table(), group())
    assert task.place_of(3) == "rows.tfrecord: row 3"
    # Five rows of up to 4 tokens and five longer ones, six rows an update.
    assert task.steps_per_epoch() == 2


@pytest.mark.parametrize("question", [lambda task: task.steps_per_epoch(), lambda task: task.data_identity()])
def test_without_training_data_nothing_is_trained(question: Any) -> None:
    with pytest.raises(ValueError, match="without training data"):
        question(RowsTask(None, group()))


def test_batches_that_are_scored() -> None:
    task = RowsTask(table(), group(size=2))
    every = task._scored_batches(table(), 3, 0)
    assert sorted(np.concatenate([batch.indices for batch in every]).tolist()) == list(range(10))
    # One batch of each process.
    assert len(task._scored_batches(table(), 3, 1)) == 2 < len(every)
    shuffled = task._scored_batches(table(), 3, 0, shuffle=True)
    assert sorted(np.concatenate([batch.indices for batch in shuffled]).tolist()) == list(range(10))
    assert any((one.indices.tolist() != two.indices.tolist()) for one, two in zip(every, shuffled, strict=True))
