"""Score a pre-training network on held-out records; several processes share the records."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
from mindspore import nn

from src.common.heartbeat import alive
from src.data.batching import MicroBatch
from src.data.dataset import evaluation_dataset
from src.data.pretraining.table import PretrainTable
from src.evaluate.pretrain_metrics import PretrainTotals
from src.model.pretraining import EMPTY_GUARD
from src.runtime.collectives import gather
from src.runtime.process_group import ProcessGroup
from src.tasks.base import Score
from src.train.progress import EvaluationProgress

# Places among the network's inputs.
_SOP_LABEL, _ROW_WEIGHT = 3, -2


def score_pretraining(
    network: nn.Cell, table: PretrainTable, plan: list[MicroBatch], batch_size: int, group: ProcessGroup
) -> Score:
    """Return losses, accuracies and perplexity; the sum of both losses, which is what training minimizes, decides.

    Args:
        network: ``AlbertPreTraining``.
        table: The records.
        plan: Batches of all processes; each takes its share.
        batch_size: Rows of a batch; missing ones are fillers.
        group: The processes.
    """
    own = plan[group.rank :: group.size]
    with EvaluationProgress(sum(len(micro.indices) for micro in own), "evaluate") as progress:
        totals = _run(network, table, own, batch_size, progress)
    shares = gather(group, astuple(totals))
    totals = PretrainTotals(*(float(value) for value in shares.sum(axis=0)))
    figures = totals.figures()
    counts = {"rows": int(totals.rows), "predictions": int(totals.predictions)}
    report: dict[str, Any] = {**figures, "sop_baseline": totals.sop_baseline, **counts}
    lines = (
        f"{totals.rows:,.0f} records, {totals.predictions:,.0f} predictions",
        f"sop_baseline {totals.sop_baseline:.6f}, the accuracy of always giving the more frequent order",
        ", ".join(f"{name} {value:.6f}" for name, value in figures.items()),
    )
    return Score("negative_loss", -figures["loss"], figures, report, lines)


def _run(
    network: nn.Cell, table: PretrainTable, plan: list[MicroBatch], batch_size: int, progress: EvaluationProgress
) -> PretrainTotals:
    """Return the sums over the planned batches."""
    network.set_train(False)
    totals = PretrainTotals()
    if not plan:
        # There are fewer batches than processes, and MindSpore takes no dataset without rows.
        return totals
    batches = evaluation_dataset(table, plan, batch_size).create_tuple_iterator(num_epochs=1, do_copy=False)
    done = 0
    for micro, batch in zip(plan, batches, strict=True):
        alive()
        predictions, rows = (float(value) for value in batch[-1].asnumpy())
        swapped = float((batch[_SOP_LABEL].asnumpy()[:, 0] * batch[_ROW_WEIGHT].asnumpy()).sum())
        _, figures = network(*batch)
        mlm_loss, sop_loss, mlm_accuracy, sop_accuracy = (float(np.float64(item.asnumpy())) for item in figures)
        # The network divides by the batch's counts; multiplied again they are sums, which add up over batches.
        guarded = predictions + EMPTY_GUARD
        totals += PretrainTotals(
            mlm_loss * guarded, mlm_accuracy * guarded, predictions, sop_loss * rows, sop_accuracy * rows, rows, swapped
        )
        done += len(micro.indices)
        progress(done)
    return totals
