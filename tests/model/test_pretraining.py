from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor

from src.config.sections import NetworkConfig
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel

TINY = NetworkConfig(
    seq_length=8,
    vocab_size=11,
    embedding_size=4,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=8,
    hidden_dropout_prob=0,
    attention_probs_dropout_prob=0,
)


@pytest.fixture(scope="module")
def network() -> AlbertPreTraining:
    return AlbertPreTraining(AlbertPreTrainingModel(TINY))


def batch(weights: list[list[float]], row_weights: list[float]) -> list[Tensor]:
    rows = len(weights)
    random = np.random.RandomState(3)
    ids = random.randint(5, 11, (rows, 8)).astype(np.int32)
    mask = np.ones((rows, 8), np.int32)
    order = random.randint(0, 2, (rows, 1)).astype(np.int32)
    positions = np.tile(np.array([[1, 3]], np.int32), (rows, 1))
    labels = random.randint(5, 11, (rows, 2)).astype(np.int32)
    weight = np.array(weights, np.float32)
    row_weight = np.array(row_weights, np.float32)
    normalizers = np.array([(weight * row_weight[:, None]).sum(), row_weight.sum()], np.float32)
    arrays = (ids, mask, mask * 0, order, positions, labels, weight, row_weight, normalizers)
    return [Tensor(array) for array in arrays]


def test_head_parameters_have_the_model_zoo_names(network: AlbertPreTraining) -> None:
    heads = {item.name: tuple(item.shape) for item in network.trainable_params() if ".cls" in item.name}
    assert heads == {
        "albert.cls1.dense.weight": (4, 8),
        "albert.cls1.dense.bias": (4,),
        "albert.cls1.layernorm.gamma": (4,),
        "albert.cls1.layernorm.beta": (4,),
        "albert.cls1.output_bias": (11,),
        "albert.cls2.dense.weight": (2, 8),
        "albert.cls2.dense.bias": (2,),
    }


@pytest.mark.slow
def test_parameters_of_base_with_both_heads_are_counted_as_in_the_reference() -> None:
    base = AlbertPreTraining(AlbertPreTrainingModel(NetworkConfig()))
    assert sum(item.size for item in base.trainable_params()) == 11_813_810


def test_a_batch_without_predictions_has_no_language_model_loss(network: AlbertPreTraining) -> None:
    loss, figures = network(*batch([[0, 0], [0, 0]], [1, 1]))
    mlm_loss, sop_loss, mlm_accuracy, _ = (float(item.asnumpy()) for item in figures)
    assert (mlm_loss, mlm_accuracy) == (0, 0)
    assert float(loss.asnumpy()) == pytest.approx(sop_loss)
    assert sop_loss == pytest.approx(np.log(2), abs=0.1)


def test_a_batch_of_fillers_has_loss_0(network: AlbertPreTraining) -> None:
    loss, figures = network(*batch([[1, 0], [1, 1]], [0, 0]))
    assert [float(item.asnumpy()) for item in (loss, *figures)] == [0] * 5


def test_padding_predictions_and_filler_rows_change_nothing(network: AlbertPreTraining) -> None:
    inputs = batch([[1, 0], [1, 1]], [1, 0])
    before = float(network(*inputs)[0].asnumpy())
    labels = inputs[5].asnumpy()
    labels[0, 1], labels[1], order = 7, 9, 1 - inputs[3].asnumpy()
    order[0] = inputs[3].asnumpy()[0]
    inputs[5], inputs[3] = Tensor(labels), Tensor(order)
    assert float(network(*inputs)[0].asnumpy()) == before


def test_loss_of_fresh_weights_is_that_of_guessing(network: AlbertPreTraining) -> None:
    loss, _ = network(*batch([[1, 1]] * 4, [1] * 4))
    assert float(loss.asnumpy()) == pytest.approx(np.log(11) + np.log(2), abs=0.2)


def test_parts_of_a_batch_add_up_to_the_whole(network: AlbertPreTraining) -> None:
    whole = batch([[1, 1], [1, 0], [1, 1], [0, 0]], [1, 1, 1, 1])
    halves = [[item[:2] for item in whole[:-1]] + whole[-1:], [item[2:] for item in whole[:-1]] + whole[-1:]]
    parts = sum(float(network(*half)[0].asnumpy()) for half in halves)
    assert parts == pytest.approx(float(network(*whole)[0].asnumpy()), abs=1e-5)
