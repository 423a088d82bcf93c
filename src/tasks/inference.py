"""Run a network over a table in batches, in one process or several, and give the outputs back in row order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from mindspore import Tensor

from src.common.heartbeat import alive
from src.data.batch_table import BatchTable
from src.data.batching import BatchGeometry, MicroBatch, plan_epoch
from src.data.dataset import inference_dataset
from src.data.table import FinetuneTable
from src.runtime.collectives import gather_arrays
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.train.progress import EvaluationProgress


@dataclass(frozen=True)
class Outputs:
    """Network outputs of the rows that were run.

    Attributes:
        rows: int64 [rows], ascending row numbers in the table.
        values: One float32 array a row: [C] for a sequence head, [T, C] without padding for a token head, or what
            the caller made of them.
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


Condense: TypeAlias = Callable[[Sequence[np.ndarray], np.ndarray, np.ndarray], list[np.ndarray]]
"""Makes of the arrays of a batch one float32 array a row, given the numbers and the lengths of its rows."""


def rows_of_output(outputs: Sequence[np.ndarray], rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Return the network's only output row by row: [C] of a sequence head, [T, C] without padding of a token head.

    Args:
        outputs: float32 [B, C] or [B, T, C].
        rows: Numbers of the rows that count, int64 [rows].
        lengths: Tokens of each of them, int32 [rows]; the fillers behind them are dropped.
    """
    (result,) = outputs
    # A view would keep the outputs of the whole batch, padding included.
    return [
        (result[place, :length] if result.ndim == 3 else result[place]).copy() for place, length in enumerate(lengths)
    ]


class InferenceNetwork(Protocol):
    """A network that answers: a cell, or an exported one.

    It takes token ids, mask and segments, each int32 [B, T], perhaps more, and returns one or several [B, ...].
    """

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the outputs."""

    def set_train(self, mode: bool = True) -> object:
        """Choose between training and inference; without effect on an exported network."""


def run_batch(network: InferenceNetwork, inputs: Sequence[Tensor | np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of a batch as arrays."""
    result = network(*(item if isinstance(item, Tensor) else Tensor(item) for item in inputs))
    return [item.asnumpy() for item in (result if isinstance(result, tuple) else (result,))]


def run_inference(
    network: InferenceNetwork,
    table: BatchTable,
    plan: list[MicroBatch],
    batch_size: int,
    on_batch: Callable[[int], None] | None = None,
    *,
    group: ProcessGroup = ONE_PROCESS,
    condense: Condense = rows_of_output,
) -> Outputs:
    """Run ``network`` over the planned batches; several processes share them, and each gets all outputs.

    Args:
        network: The network.
        table: The rows.
        plan: Batches, see ``evaluation_plan``.
        batch_size: B of every batch.
        on_batch: Called with the number of this process's rows done after every batch.
        group: The processes; all of them must call.
        condense: See ``Condense``. Arrays of different rows may differ in their first dimension only.
    """
    network.set_train(False)
    values: list[np.ndarray] = []
    own = plan[group.rank :: group.size]
    if own:
        dataset = inference_dataset(table, own, batch_size)
        for micro, tensors in zip(own, dataset.create_tuple_iterator(num_epochs=1, do_copy=False), strict=True):
            alive()
            values += condense(run_batch(network, tensors), micro.indices, table.lengths[micro.indices])
            if on_batch is not None:
                on_batch(len(values))
    together = gather_arrays(group, values)
    rows = np.concatenate([micro.indices for rank in range(group.size) for micro in plan[rank :: group.size]])
    order = np.argsort(rows, kind="stable")
    return Outputs(rows[order].astype(np.int64), [together[place] for place in order])


def run_with_progress(
    network: InferenceNetwork,
    table: BatchTable,
    plan: list[MicroBatch],
    batch_size: int,
    title: str,
    group: ProcessGroup,
    condense: Condense = rows_of_output,
) -> Outputs:
    """Call ``run_inference`` with a line of progress under the name ``title``."""
    rows = sum(len(micro.indices) for micro in plan[group.rank :: group.size])
    with EvaluationProgress(rows, title) as progress:
        return run_inference(network, table, plan, batch_size, progress, group=group, condense=condense)
