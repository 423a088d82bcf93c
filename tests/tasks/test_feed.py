from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mindspore as ms
import numpy as np
import pytest

from src.data.batching import BatchGeometry, steps_per_epoch
from src.data.dataset import TrainStart
from src.tasks.feed import TrainFeed, feed_from

EPOCHS = 2


class Table:
    """Ten rows whose only column is their number."""

    columns = ("row",)
    lengths = np.array([3, 5, 4, 8, 2, 7, 6, 1, 3, 5], dtype=np.int32)

    def batch(self, indices: Any, batch_size: int, length: int) -> dict[str, np.ndarray]:
        return {"row": np.array([*indices, *[-1] * (batch_size - len(indices))], np.int32)}

    def normalizers(self, batches: Any) -> np.ndarray:
        return np.array([sum((batch["row"] >= 0).sum() for batch in batches)], np.float32)


def feed(geometry: BatchGeometry, start: TrainStart = TrainStart()) -> TrainFeed:  # noqa: B008
    return feed_from(Table(), geometry, seed=1, shuffle=True, start=start, epochs=EPOCHS)


def rows_of(rows: Any, normalizers: Any) -> tuple[list[int], float]:
    return [row for row in rows.asnumpy().tolist() if row >= 0], float(normalizers.asnumpy()[0])


GEOMETRY = BatchGeometry(2, (4, 8), accumulation_steps=2)


@pytest.mark.parametrize("start", [TrainStart(), TrainStart(1, 2)])
def test_the_host_knows_what_each_batch_holds(start: TrainStart) -> None:
    results = list(feed(GEOMETRY, start).run(rows_of))
    updates = (EPOCHS - start.epoch) * steps_per_epoch(Table.lengths, GEOMETRY) - start.step_in_epoch
    assert len(results) == 2 * updates
    for info, (rows, _) in results:
        assert info.indices.tolist() == rows
        assert info.tokens == Table.lengths[rows].sum()
        assert info.length == (4 if max(Table.lengths[rows], default=info.length) <= 4 else 8)


def test_the_number_of_batches_is_known_without_making_them() -> None:
    """MindSpore's data sink asks for it; it would otherwise read everything to count it."""
    assert feed(GEOMETRY).dataset.pipeline.get_dataset_size() == len(list(feed(GEOMETRY).run(rows_of)))


def test_a_queue_on_the_device_gives_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CPU has the queue, so a stand-in for MindSpore's function takes the rows from the same pipeline."""
    sinks = []

    def data_sink(step: Callable[..., Any], dataset: Any, sink_size: int) -> Callable[[], Any]:
        sinks.append(sink_size)
        batches: Iterator[Any] = dataset.create_tuple_iterator(num_epochs=1)
        return lambda: step(*next(batches))

    monkeypatch.setattr(ms, "data_sink", data_sink)
    direct = [(info.indices.tolist(), outputs) for info, outputs in feed(GEOMETRY).run(rows_of)]
    sunk = [(info.indices.tolist(), outputs) for info, outputs in feed(GEOMETRY).run(rows_of, from_queue=True)]
    assert sunk == direct
    assert sinks == [1]


def test_the_cpu_has_no_queue() -> None:
    with pytest.raises(ValueError, match="Data sinking supports ascend or gpu"):
        next(feed(GEOMETRY).run(rows_of, from_queue=True))
