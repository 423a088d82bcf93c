"""With 16-bit compute only the matrix products are 16-bit: softmax, LayerNorm, log-softmax and loss stay float32."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from tests.parity.cases import small_config
from tests.parity.pretraining import random_batch, random_weights

LAYERS = 2
# Float16 has 11 bits: every rounding is off by up to 2^-11 = 5e-4 of the value.
LOSS_TOLERANCE = 2e-3
GRADIENT_TOLERANCE = 1e-2


def network_of(compute_type: str) -> AlbertPreTraining:
    config = small_config(num_hidden_layers=LAYERS, compute_type=compute_type)
    network = AlbertPreTraining(AlbertPreTrainingModel(config))
    random_weights(network)
    network.set_train(True)
    return network


def inputs_of() -> list[Tensor]:
    return [Tensor(item) for item in random_batch(small_config(), rows=4, length=12, predictions=3)]


def record_types(network: nn.Cell) -> dict[str, list[set[str]]]:
    """Let every primitive and LayerNorm of the network record its types of floating input and output."""
    seen: dict[str, list[set[str]]] = defaultdict(list)

    def recorded(kind: str, inner: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*tensors: Tensor) -> Tensor:
            result = inner(*tensors)
            outputs = result if isinstance(result, tuple) else (result,)
            types = {str(item.dtype) for item in (*tensors, *outputs) if isinstance(item, Tensor)}
            seen[kind].append({name for name in types if name.startswith("Float")})
            return result

        return run

    for _, cell in network.cells_and_names():
        for name, value in list(vars(cell).items()):
            if isinstance(value, ops.Primitive):
                object.__setattr__(cell, name, recorded(value.name, value))
    return seen


def test_products_are_sixteen_bit_and_everything_that_sums_is_not() -> None:
    network = network_of("float16")
    seen = record_types(network)
    loss, figures = network(*inputs_of())
    embedding_and_layers_and_head = 1 + 2 * LAYERS + 1
    assert seen["Softmax"] == [{"Float32"}] * LAYERS
    assert seen["LayerNorm"] == [{"Float32"}] * embedding_and_layers_and_head
    assert seen["LogSoftmax"] == [{"Float32"}] * 2
    assert seen["Sigmoid"] == [{"Float32"}] * (LAYERS + 2)
    assert {loss.dtype, *(figure.dtype for figure in figures)} == {ms.float32}
    # The recorder sees 16 bits where they are: six products of a layer, the mapping, and the vocabulary's scores.
    assert seen["BatchMatMul"] == [{"Float16"}] * (2 * LAYERS)
    assert seen["MatMul"].count({"Float16"}) == 6 * LAYERS + 2


@pytest.mark.slow
@pytest.mark.parametrize("mode", [ms.GRAPH_MODE, ms.PYNATIVE_MODE])
def test_loss_and_gradients_agree_with_float32(mode: int) -> None:
    ms.set_context(mode=mode)
    found = {}
    for compute_type in ("float32", "float16"):
        network = network_of(compute_type)
        weights = network.trainable_params()
        (loss, _), gradients = ms.value_and_grad(network, None, weights, has_aux=True)(*inputs_of())
        assert {gradient.dtype for gradient in gradients} == {ms.float32}
        found[compute_type] = float(loss.asnumpy()), np.concatenate([g.asnumpy().ravel() for g in gradients])
    (expected, gradient), (loss, gradient16) = found["float32"], found["float16"]
    assert 0 < abs(loss - expected) < LOSS_TOLERANCE * expected
    assert np.linalg.norm(gradient16 - gradient) < GRADIENT_TOLERANCE * np.linalg.norm(gradient)
