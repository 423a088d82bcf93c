"""The scores of pre-training against numpy, from the logits that the network itself gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.config.sections import NetworkConfig
from src.data.batching import MicroBatch
from src.data.pretraining.table import PretrainTable, read_pretrain_table
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from src.runtime.process_group import ProcessGroup
from src.tasks import pretrain_score
from src.tasks.inference import evaluation_plan
from src.tasks.pretrain_score import score_pretraining
from tests.data.pretrain_samples import write_pretrain_folder

LENGTH, SLOTS, VOCAB_SIZE, ROWS = 16, 4, 30, 11
NETWORK = NetworkConfig(
    seq_length=LENGTH,
    vocab_size=VOCAB_SIZE,
    embedding_size=4,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=LENGTH,
    hidden_dropout_prob=0.5,
    attention_probs_dropout_prob=0.5,
    initializer_range=0.5,
)


@pytest.fixture(scope="module", autouse=True)
def pynative_mode() -> Iterator[None]:
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=mode)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PretrainTable:
    folder = tmp_path_factory.mktemp("records")
    write_pretrain_folder(folder, ROWS, seq_length=LENGTH, slots=SLOTS, vocab_size=VOCAB_SIZE)
    return read_pretrain_table(folder, None, vocab_size=VOCAB_SIZE, seq_length=LENGTH, lengths=True)


@pytest.fixture(scope="module")
def network() -> AlbertPreTraining:
    return AlbertPreTraining(AlbertPreTrainingModel(NETWORK))


@pytest.fixture(scope="module")
def expected(network: AlbertPreTraining, table: PretrainTable) -> dict[str, float]:
    """Compute the figures in float64, row by row, without batches, fillers or divisors."""
    network.set_train(False)
    mlm, sop, orders = [], [], []
    for row in range(table.rows):
        batch = table.batch([row], 1, LENGTH)
        inputs = (batch[name] for name in ("input_ids", "input_mask", "segment_ids", "masked_lm_positions"))
        logits_PV, logits_12 = (item.asnumpy().astype(np.float64) for item in network.albert(*map(Tensor, inputs)))
        for slot in np.flatnonzero(batch["masked_lm_weights"][0]):
            mlm.append(_scored(logits_PV[slot], int(batch["masked_lm_ids"][0, slot])))
        orders.append(int(batch["next_sentence_labels"][0, 0]))
        sop.append(_scored(logits_12[0], orders[-1]))
    (mlm_loss, mlm_accuracy), (sop_loss, sop_accuracy) = np.mean(mlm, axis=0), np.mean(sop, axis=0)
    return {
        "loss": mlm_loss + sop_loss,
        "mlm_loss": mlm_loss,
        "mlm_accuracy": mlm_accuracy,
        "perplexity": np.exp(mlm_loss),
        "sop_loss": sop_loss,
        "sop_accuracy": sop_accuracy,
        "sop_baseline": max(orders.count(0), orders.count(1)) / len(orders),
        "rows": len(sop),
        "predictions": len(mlm),
    }


def _scored(logits: np.ndarray, label: int) -> tuple[float, float]:
    """Return the negative log-likelihood of a label and whether it is the most likely one."""
    shifted = logits - logits.max()
    return float(np.log(np.exp(shifted).sum()) - shifted[label]), float(logits.argmax() == label)


@pytest.mark.parametrize(("size", "buckets"), [(4, (16,)), (4, (12, 16)), (1, (16,)), (16, (16,))])
def test_figures_equal_those_of_numpy(
    size: int, buckets: tuple[int, ...], network: AlbertPreTraining, table: PretrainTable, expected: dict[str, float]
) -> None:
    plan = evaluation_plan(table, size, buckets)
    assert sum(len(micro.indices) for micro in plan) == ROWS
    score = score_pretraining(network, table, plan, size, ProcessGroup())
    assert score.report == pytest.approx(expected, rel=5e-6)
    assert (score.name, score.value) == ("negative_loss", -score.figures["loss"])
    assert score.lines[0] == f"{ROWS} records, {expected['predictions']} predictions"
    assert score.lines[1].startswith(f"sop_baseline {expected['sop_baseline']:.6f}, ")
    assert score.lines[2].startswith(f"loss {score.figures['loss']:.6f}, mlm_loss ")


def test_dropout_is_off(network: AlbertPreTraining, table: PretrainTable, expected: dict[str, float]) -> None:
    network.set_train(True)
    score = score_pretraining(network, table, evaluation_plan(table, 4, (LENGTH,)), 4, ProcessGroup())
    assert score.figures["loss"] == pytest.approx(expected["loss"], rel=5e-6)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_ranks_share_the_records(
    size: int,
    network: AlbertPreTraining,
    table: PretrainTable,
    expected: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every rank scores its own batches, of five ranks two none; the sums of all give the figures."""
    plan = evaluation_plan(table, 4, (LENGTH,))
    assert len(plan) == 3
    given: dict[int, Any] = {}
    seen: dict[int, list[int]] = {}
    real = pretrain_score.evaluation_dataset

    def gather(group: ProcessGroup, values: Any) -> np.ndarray:
        given[group.rank] = values
        return np.array([given.get(rank, (0.0,) * len(values)) for rank in range(group.size)])

    def spy(table: PretrainTable, own: list[MicroBatch], batch_size: int) -> Any:
        seen[len(seen)] = [int(row) for micro in own for row in micro.indices]
        return real(table, own, batch_size)

    monkeypatch.setattr(pretrain_score, "gather", gather)
    monkeypatch.setattr(pretrain_score, "evaluation_dataset", spy)
    scores = [score_pretraining(network, table, plan, 4, ProcessGroup(rank, size)) for rank in range(size)]
    assert sorted(row for rows in seen.values() for row in rows) == list(range(ROWS))
    assert scores[-1].report == pytest.approx(expected, rel=5e-6)
