"""A refactoring keeps the loss: the same weights, rows and settings give the numbers stored here."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor, nn

from src.config.sections import LossScaleConfig, NetworkConfig, OptimizerConfig
from src.model.heads import AlbertCLSModel
from src.model.losses import AlbertCLS
from src.model.squad import AlbertSquadModel
from src.model.squad_beam import AlbertSquadBeamModel
from src.model.squad_losses import AlbertSquad
from src.runtime.device import setup_device
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer

STEPS, SQUAD_STEPS = 8, 3
# Float32 on another processor sums in another order; a change of the mathematics moves the losses far more.
TOLERANCE = 2e-5
GOLDEN = {
    "AdamWeightDecay": [1.126468, 1.062011, 1.147199, 0.945358, 1.436471, 0.90711, 1.407984, 1.542651],
    "Lamb": [1.126468, 1.062011, 1.106976, 1.004817, 1.243403, 0.934112, 1.201464, 1.336843],
    "Momentum": [1.126468, 1.062011, 1.113477, 1.070153, 1.137392, 1.059078, 1.104751, 1.117577],
}
SQUAD_GOLDEN = {"span": [1.570288, 1.711985, 1.659792], "beam": [2.42625, 2.117589, 2.021568]}
NETWORK = NetworkConfig(
    seq_length=12,
    vocab_size=50,
    embedding_size=8,
    hidden_size=16,
    num_hidden_layers=4,
    num_attention_heads=2,
    intermediate_size=32,
    hidden_dropout_prob=0,
    attention_probs_dropout_prob=0,
    classifier_dropout_prob=0,
    max_position_embeddings=16,
    num_hidden_groups=2,
    inner_group_num=2,
)


def train_cell(network: nn.Cell, random: np.random.RandomState, name: str, steps: int) -> TrainStepCell:
    """Fill the weights and return a step of training."""
    for parameter in sorted(network.trainable_params(), key=lambda item: item.name):
        values = random.standard_normal(parameter.shape).astype(np.float32) * 0.1
        parameter.set_data(Tensor(values + 1.0 if parameter.name.endswith("gamma") else values))
    config = OptimizerConfig(name=name, learning_rate=0.01, warmup_steps=2, power=2.0, momentum=0.9)
    optimizer = build_optimizer(network, config, steps)
    return TrainStepCell(network, optimizer, LossScaleConfig(), max_grad_norm=1.0)


def losses_of(name: str) -> list[float]:
    setup_device("CPU")
    random = np.random.RandomState(7)
    cell = train_cell(AlbertCLS(AlbertCLSModel(NETWORK, 3), "classification"), random, name, STEPS)
    lengths = random.randint(3, 13, size=(STEPS, 6))
    losses = []
    for step in range(STEPS):
        mask = (np.arange(12) < lengths[step][:, None]).astype(np.int32)
        ids = random.randint(5, 50, size=(6, 12)).astype(np.int32) * mask
        segments = random.randint(0, 2, size=(6, 12)).astype(np.int32) * mask
        labels = random.randint(0, 3, size=6).astype(np.int32)
        batch = (ids, mask, segments, labels, np.ones(6, np.float32), np.array([6], np.float32))
        losses.append(float(cell(*(Tensor(item) for item in batch))[0].asnumpy()))
    return losses


def squad_losses_of(head: str) -> list[float]:
    """Windows behind a question of two tokens; every third one holds no answer."""
    setup_device("CPU")
    random = np.random.RandomState(7)
    # One layer: the encoder's mathematics are watched by the other goldens.
    config = NETWORK.model_copy(update={"num_hidden_layers": 1, "num_hidden_groups": 1, "inner_group_num": 1})
    model = AlbertSquadBeamModel(config) if head == "beam" else AlbertSquadModel(config)
    cell = train_cell(AlbertSquad(model), random, "AdamWeightDecay", SQUAD_STEPS)
    losses = []
    for _ in range(SQUAD_STEPS):
        lengths = random.randint(8, 13, size=6)
        mask = (np.arange(12) < lengths[:, None]).astype(np.int32)
        ids = random.randint(5, 50, size=(6, 12)).astype(np.int32) * mask
        segments = (np.arange(12) >= 4).astype(np.int32) * mask
        impossible = (np.arange(6) % 3 == 0).astype(np.float32)
        places = np.sort(random.randint(4, lengths - 1, size=(2, 6)), axis=0)
        starts, ends = np.where(impossible, 0, places).astype(np.int32)
        batch = (ids, mask, segments, starts, ends, impossible, np.ones(6, np.float32), np.array([6], np.float32))
        losses.append(float(cell(*(Tensor(item) for item in batch))[0].asnumpy()))
    return losses


@pytest.mark.parametrize("head", list(SQUAD_GOLDEN))
def test_losses_of_question_answering(head: str) -> None:
    np.testing.assert_allclose(squad_losses_of(head), SQUAD_GOLDEN[head], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", list(GOLDEN))
def test_losses_are_those_of_the_first_version(name: str) -> None:
    np.testing.assert_allclose(losses_of(name), GOLDEN[name], rtol=0, atol=TOLERANCE)
