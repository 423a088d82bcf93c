from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import ConfigError
from src.model.heads import AlbertCLSModel, AlbertInference, AlbertNERModel
from src.model.losses import AlbertCLS
from tests.parity.cases import tiny_config

IDS = Tensor(np.arange(12).reshape(2, 6) % 11, ms.int32)
MASK = Tensor(np.array([[1] * 6, [1] * 4 + [0] * 2]), ms.int32)
SEGMENTS = Tensor(np.zeros((2, 6)), ms.int32)


def test_shapes_and_types_of_logits() -> None:
    sequence = AlbertInference(AlbertCLSModel(tiny_config(), 3))(IDS, MASK, SEGMENTS)
    token = AlbertInference(AlbertNERModel(tiny_config(), 5))(IDS, MASK, SEGMENTS)
    assert (sequence.shape, sequence.dtype) == ((2, 3), ms.float32)
    assert (token.shape, token.dtype) == ((2, 6, 5), ms.float32)


@pytest.mark.parametrize("inference_first", [False, True])
def test_parameter_names_do_not_depend_on_who_wraps_the_model(inference_first: bool) -> None:
    model = AlbertCLSModel(tiny_config(), 2)
    if inference_first:
        AlbertInference(model)
    network = AlbertCLS(model, "classification")
    AlbertInference(model)
    names = [parameter.name for parameter in network.trainable_params()]
    assert names[0] == "albert.albert.albert_embedding_lookup.embedding_table"
    assert names[-2:] == ["albert.dense_1.weight", "albert.dense_1.bias"]
    assert len(set(names)) == 27


def test_classifier_dropout_is_its_own() -> None:
    model = AlbertCLSModel(tiny_config(classifier_dropout_prob=0.5), 2)
    network = AlbertInference(model)
    network.set_train(True)
    first, second = (network(IDS, MASK, SEGMENTS).asnumpy() for _ in range(2))
    network.set_train(False)
    third, fourth = (network(IDS, MASK, SEGMENTS).asnumpy() for _ in range(2))
    assert np.abs(first - second).max() > 0
    assert np.array_equal(third, fourth)


@pytest.mark.parametrize("head", [AlbertCLSModel, AlbertNERModel])
def test_a_head_without_outputs_is_refused(head: type) -> None:
    with pytest.raises(ConfigError, match="num_class"):
        head(tiny_config(), 0)
