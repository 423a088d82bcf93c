"""The last layer is computed only where something reads it; the whole one is what it must equal."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel
from src.model.compiled import portable
from src.model.fill_mask import AlbertFillMask
from src.model.heads import AlbertCLSModel
from src.model.losses import AlbertCLS
from src.model.pretraining import AlbertPreTraining, AlbertPreTrainingModel
from tests.parity import cases, pretraining
from tests.parity.cases import small_config

# Of the largest gradient; the products have other shapes, so that their sums are rounded in another order.
TOLERANCE = 1e-5
# Float16 has 11 bits.
SIXTEEN_BIT_TOLERANCE = 2e-3
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "groups and inner groups": {"num_hidden_groups": 2, "inner_group_num": 2},
    "recompute": {"recompute": True},
    "relative positions": {"use_relative_positions": True},
    "float16": {"compute_type": "float16"},
    "one layer": {"num_hidden_layers": 1},
}
# Compiling takes long.
IN_GRAPHS = ("plain", "recompute")
MODES = [(name, ms.PYNATIVE_MODE) for name in NETWORKS] + [(name, ms.GRAPH_MODE) for name in IN_GRAPHS]
Found = tuple[float, list[np.ndarray]]


class WholeCLSModel(AlbertCLSModel):
    """Pools the output of a last layer that is computed everywhere."""

    def construct(self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor) -> Tensor:
        _, pooled_BD = self.albert(input_ids_BT, segment_ids_BT, input_mask_BT)
        return self.dense_1(pooled_BD)


class WholePreTrainingModel(AlbertPreTrainingModel):
    """Gathers from the output of a last layer that is computed everywhere."""

    def construct(
        self, input_ids_BT: Tensor, input_mask_BT: Tensor, segment_ids_BT: Tensor, positions_BP: Tensor
    ) -> tuple[Tensor, Tensor]:
        sequence_BTD, pooled_BD = self.albert(input_ids_BT, segment_ids_BT, input_mask_BT)
        size = sequence_BTD.shape[2]
        index_BPD = ops.broadcast_to(positions_BP.expand_dims(2), (*positions_BP.shape, size))
        hidden_QD = ops.gather_elements(sequence_BTD, 1, index_BPD).reshape(-1, size)
        return self.cls1(hidden_QD, self.albert.albert_embedding_lookup.embedding_table), self.cls2(pooled_BD)


def forms_of(config: NetworkConfig) -> contextlib.AbstractContextManager[None]:
    """Leave the compiled kernels out where layers are to be recomputed: with them nothing is."""
    return portable() if config.recompute else contextlib.nullcontext()


def loss_and_gradients(network: nn.Cell, inputs: list[Tensor]) -> Found:
    pretraining.random_weights(network)
    network.set_train(True)
    (loss, _), gradients = ms.value_and_grad(network, None, network.trainable_params(), has_aux=True)(*inputs)
    return float(loss.asnumpy()), [gradient.asnumpy() for gradient in gradients]


def classified(model: type[AlbertCLSModel], config: NetworkConfig) -> Found:
    case = replace(cases.SMALL_CASES[0], config=config)
    inputs = [Tensor(values) for values in cases.random_batch(case).values()]
    with forms_of(config):
        network = AlbertCLS(model(config, case.num_labels), case.kind)
    return loss_and_gradients(network, inputs)


def pretrained(model: type[AlbertPreTrainingModel], config: NetworkConfig, predictions: int = 4) -> Found:
    batch = pretraining.random_batch(config, rows=3, length=10, predictions=min(predictions, 4))
    # In any order, one of them twice, the first token too; and as many slots as were asked for.
    places = np.resize(np.array([7, 0, 3, 7], np.int32), (3, predictions))
    for number, values in ((4, places), (5, np.resize(batch[5], places.shape)), (6, np.ones(places.shape, np.float32))):
        batch[number] = values
    with forms_of(config):
        network = AlbertPreTraining(model(config))
    return loss_and_gradients(network, [Tensor(values) for values in batch])


def check(found: Found, whole: Found, tolerance: float) -> None:
    assert found[0] == pytest.approx(whole[0], rel=tolerance)
    largest = max(np.abs(gradient).max() for gradient in whole[1])
    assert largest > 0.01
    for ours, expected in zip(found[1], whole[1], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * largest)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode"), MODES)
def test_loss_and_gradients_are_those_of_the_whole_layer(name: str, mode: int) -> None:
    ms.set_context(mode=mode)
    config = small_config(**NETWORKS[name])
    tolerance = SIXTEEN_BIT_TOLERANCE if config.compute_type == "float16" else TOLERANCE
    check(classified(AlbertCLSModel, config), classified(WholeCLSModel, config), tolerance)
    check(pretrained(AlbertPreTrainingModel, config), pretrained(WholePreTrainingModel, config), tolerance)


def test_there_may_be_more_predictions_than_tokens() -> None:
    config = small_config()
    found, whole = (pretrained(model, config, 14) for model in (AlbertPreTrainingModel, WholePreTrainingModel))
    check(found, whole, TOLERANCE)


@pytest.mark.parametrize("spreads_mask", [True, False])
def test_selected_and_pooled_output_are_those_of_the_whole_sequence(spreads_mask: bool) -> None:
    config = small_config(initializer_range=0.5)
    model = AlbertModel(config)
    # Not on every device, nor in graphs for any shape.
    model.spreads_mask = spreads_mask
    ids, mask, segments = (Tensor(values) for values in pretraining.random_batch(config, 3, 10, 2)[:3])
    places = np.array([[2, 9], [0, 0], [5, 1]], np.int32)
    sequence, pooled = model(ids, segments, mask)
    selected, pooled_too = model.at_positions(ids, segments, mask, Tensor(places))
    expected = sequence.asnumpy()[np.arange(3)[:, None], places].reshape(6, -1)
    # Absolute, of numbers around 1.
    np.testing.assert_allclose(selected.asnumpy(), expected, atol=1e-5)
    np.testing.assert_allclose(pooled_too.asnumpy(), pooled.asnumpy(), atol=1e-5)
    np.testing.assert_allclose(model.pooled(ids, segments, mask).asnumpy(), pooled.asnumpy(), atol=1e-5)


def test_filling_masks_reads_the_same() -> None:
    inputs = [Tensor(values) for values in pretraining.random_batch(small_config(), 3, 10, 2)]
    found = []
    for model in (AlbertPreTrainingModel, WholePreTrainingModel):
        network = AlbertFillMask(model(small_config())).set_train(False)
        pretraining.random_weights(network)
        found.append(network(*inputs[:3], inputs[4]).asnumpy())
    assert found[0].shape == (3, 2, 50)
    # Absolute, of logarithms around -4.
    np.testing.assert_allclose(*found, atol=1e-5)


def test_output_has_the_type_of_the_parameters() -> None:
    model = AlbertModel(small_config(dtype="float16", compute_type="float16"))
    ids, mask, segments = (Tensor(values) for values in pretraining.random_batch(small_config(), 3, 10, 2)[:3])
    selected, pooled = model.at_positions(ids, segments, mask, Tensor([[1], [2], [3]], ms.int32))
    assert {selected.dtype, pooled.dtype, model.pooled(ids, segments, mask).dtype} == {ms.float16}
