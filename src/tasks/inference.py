"""Run a network over a table in batches and give the outputs back in row order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mindspore import nn

from src.data.batch_table import BatchTable
from src.data.batching import BatchGeometry, MicroBatch, plan_epoch
from src.data.dataset import inference_dataset
from src.data.table import FinetuneTable


@dataclass(frozen=True)
class Outputs:
    """Network outputs of the rows that were run.

    Attributes:
        rows: int64 [rows], ascending row numbers in the table.
        values: One float32 array a row: [C] for a sequence head, [T, C] without padding for a token head.
    """

    rows: np.ndarray
    values: list[np.ndarray]

    def stacked(self) -> np.ndarray:
        """Return the outputs of a sequence head as one array [rows, C]."""
        return np.stack(self.values)


def labels_of(table: FinetuneTable, rows: np.ndarray) -> np.ndarray | list[np.ndarray]:
    """Return the labels of some rows: an array, or for token classification one int32 [T] a row."""
    if table.label_ids is None:
        raise ValueError("the table has no labels")
    if table.kind != "token_classification":
        return table.label_ids[rows]
    return [table.label_ids[table.offsets[row] : table.offsets[row + 1]] for row in rows]


def sentences_of(table: FinetuneTable, rows: np.ndarray) -> list[list[int]]:
    """Return, sentence by sentence, the places in ``rows`` of its records: the converter may part a sentence.

    Only records that follow one another are joined: where a plan left out a record, what continues it begins anew.
    Without the list of continued rows in the manifest every record is a sentence.

    Args:
        table: The rows.
        rows: int64 [rows], ascending row numbers in the table.
    """
    continued = frozenset(table.manifest.settings.get("continued_rows", ()) if table.manifest else ())
    sentences: list[list[int]] = []
    for place, row in enumerate(rows.tolist()):
        if row in continued and place and rows[place - 1] == row - 1:
            sentences[-1].append(place)
        else:
            sentences.append([place])
    return sentences


def evaluation_plan(
    table: BatchTable,
    batch_size: int,
    buckets: tuple[int, ...],
    max_batches: int = 0,
    shuffle_seed: int | None = None,
) -> list[MicroBatch]:
    """Return the batches that cover every row once.

    Args:
        table: The rows.
        batch_size: Rows of a batch.
        buckets: Padded lengths.
        max_batches: Number of batches to return; 0 returns all.
        shuffle_seed: Seed of the order; ``None`` keeps file order inside each bucket.
    """
    shuffle = shuffle_seed is not None
    updates = plan_epoch(table.lengths, BatchGeometry(batch_size, buckets), shuffle_seed or 0, 0, shuffle)
    plan = [update[0] for update in updates]
    return plan[:max_batches] if max_batches else plan


def run_inference(
    network: nn.Cell,
    table: FinetuneTable,
    plan: list[MicroBatch],
    batch_size: int,
    on_batch: Callable[[int], None] | None = None,
) -> Outputs:
    """Run ``network`` over the planned batches.

    Args:
        network: construct(input_ids, input_mask, segment_ids), each int32 [B, T], to float32 [B, C] or [B, T, C].
        table: The rows.
        plan: Batches, see ``evaluation_plan``; filler rows are dropped from the result.
        batch_size: B of every batch.
        on_batch: Called with the number of rows done after every batch.
    """
    network.set_train(False)
    values: dict[int, np.ndarray] = {}
    lengths = table.lengths
    dataset = inference_dataset(table, plan, batch_size)
    for micro, tensors in zip(plan, dataset.create_tuple_iterator(num_epochs=1, do_copy=False), strict=True):
        result = network(*tensors).asnumpy()
        for place, row in enumerate(micro.indices):
            value = result[place]
            # A view would keep the outputs of the whole batch, padding included.
            values[int(row)] = (value[: lengths[row]] if value.ndim == 2 else value).copy()
        if on_batch is not None:
            on_batch(len(values))
    rows = np.array(sorted(values), dtype=np.int64)
    return Outputs(rows, [values[int(row)] for row in rows])
