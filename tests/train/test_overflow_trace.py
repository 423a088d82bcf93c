"""The first tensor that is not finite is found, in networks in which a known one overflows."""

from __future__ import annotations

import json
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from src.config.sections import NetworkConfig
from src.model.heads import AlbertCLSModel
from src.model.losses import AlbertCLS
from src.model.squad import AlbertSquadModel
from src.model.squad_losses import AlbertSquad
from src.runtime.device import setup_device
from src.train.overflow_report import largest_values, write_report
from src.train.overflow_trace import OverflowTrace, trace_overflow
from tests.parity.cases import small_config

ROWS, LENGTH = 4, 12
ENCODER = "albert.albert.albert_encoder"
LAYER = f"{ENCODER}.group.0.inner_group.0"


def network_of(**changes: object) -> AlbertCLS:
    setup_device("CPU")
    config: NetworkConfig = small_config(num_hidden_layers=3, compute_type="float16", **changes)
    network = AlbertCLS(AlbertCLSModel(config, 2), "classification")
    random = np.random.RandomState(3)
    for parameter in network.get_parameters():
        values = random.standard_normal(parameter.shape).astype(np.float32) * 0.1
        parameter.set_data(Tensor(values + 1.0 if parameter.name.endswith("gamma") else values))
    return network


def scale(network: AlbertCLS, name: str, factor: float) -> None:
    parameter = network.parameters_dict()[name]
    parameter.set_data(Tensor(parameter.asnumpy() * np.float32(factor)))


def batch_of() -> tuple[Tensor, ...]:
    random = np.random.RandomState(1)
    ids = random.randint(5, 50, size=(ROWS, LENGTH)).astype(np.int32)
    mask = np.ones_like(ids)
    labels = np.array([0, 1, 0, 1], np.int32)
    arrays = (ids, mask, 0 * mask, labels, np.ones(ROWS, np.float32), np.array([ROWS], np.float32))
    return tuple(Tensor(array) for array in arrays)


def trace_of(network: AlbertCLS, loss_scale: float = 1.0, saturating: bool = False) -> OverflowTrace:
    return trace_overflow(network, list(network.trainable_params()), batch_of(), loss_scale, saturating)


def test_a_product_that_overflows_is_named() -> None:
    network = network_of()
    scale(network, f"{ENCODER}.embedding_hidden_mapping_in.weight", 1.5e5)
    trace = trace_of(network)
    assert trace.place == "mapping of the embeddings: output"
    assert trace.first is not None
    assert trace.first.figures.infinities > 0
    # The weight stays below float16's limit, so that the product is what overflows.
    assert all(np.isfinite(values).all() for values in trace.inputs.values())
    assert trace.parameters == []


def test_a_weight_that_float16_does_not_hold_is_named() -> None:
    network = network_of()
    scale(network, f"{LAYER}.intermediate.weight", 1e7)
    assert trace_of(network).place == "layer 1 feed-forward input: input 1"


def test_scores_and_later_layers_are_told_apart() -> None:
    """Queries and keys grow until the scores overflow: in the first layer they are still in range."""
    network = network_of()
    for name in ("query_layer", "key_layer"):
        scale(network, f"{LAYER}.attention.attention.{name}.weight", 2e3)
    assert trace_of(network).place == "layer 1 attention scores: output"
    # The same weights in every layer: only what the first one hands on can make the second one overflow.
    network = network_of()
    scale(network, f"{LAYER}.output.layernorm.gamma", 1e5)
    assert trace_of(network).place == "layer 2 attention query: input 0"


def test_operators_kept_in_float32_do_not_overflow() -> None:
    network = network_of(float32_operators=("attention_scores",))
    for name in ("query_layer", "key_layer"):
        scale(network, f"{LAYER}.attention.attention.{name}.weight", 2e3)
    trace = trace_of(network)
    assert trace.place == ""
    scores = [item for item in trace.seen if item.part == "layer 1 attention scores"]
    assert {item.figures.dtype for item in scores} == {"float32"}


def test_a_number_that_is_none_in_one_row_of_the_embeddings(tmp_path: Path) -> None:
    network = network_of()
    name = "albert.albert.albert_embedding_lookup.embedding_table"
    table = network.parameters_dict()[name].asnumpy().copy()
    row = int(batch_of()[0].asnumpy()[2, 3])
    table[row] = np.nan
    network.parameters_dict()[name].set_data(Tensor(table))
    trace = trace_of(network)
    assert trace.place == "token embeddings: output"
    assert trace.parameters == [name]
    path = write_report(tmp_path, 7, trace, {"loss_scale": 1.0})
    report = json.loads(path.read_text())
    assert report["began_in"] == trace.place
    assert report["first"]["nan"] > 0
    saved = [np.load(tmp_path / file) for file in report["files"].values()]
    assert any(array.shape == table.shape and np.isnan(array[row]).all() for array in saved)
    assert any((array == row).any() for array in saved if array.dtype == np.int32)
    # A second report of the same step does not replace the first.
    assert write_report(tmp_path, 7, trace, {}).name == "step_7-2.json"


def test_a_row_that_is_not_read_does_no_harm() -> None:
    network = network_of()
    name = "albert.albert.albert_embedding_lookup.embedding_table"
    table = network.parameters_dict()[name].asnumpy().copy()
    table[0] = np.nan
    network.parameters_dict()[name].set_data(Tensor(table))
    trace = trace_of(network)
    assert (trace.place, trace.parameters) == ("", [name])


def test_a_loss_scale_that_is_too_large_overflows_in_the_backward_pass() -> None:
    network = network_of()
    assert trace_of(network, 2.0**10).place == ""
    trace = trace_of(network, 2.0**30)
    assert trace.place == "layer 3 feed-forward output: gradient of the output"
    assert np.isfinite(trace.loss)
    assert trace.gradients
    assert np.isinf(trace.inputs["gradient"]).any()
    table = largest_values(trace)
    assert [line.split()[:2] for line in table if line.endswith("<- first")] == [["layer", "3"]]


def test_a_device_that_saturates_shows_its_largest_number() -> None:
    """Here the number itself is made to appear: a bias at float16's limit, which is finite."""
    network = network_of()
    name = f"{LAYER}.intermediate.bias"
    bias = network.parameters_dict()[name].asnumpy().copy()
    bias[0] = 65504.0
    network.parameters_dict()[name].set_data(Tensor(bias))
    weight = network.parameters_dict()[f"{LAYER}.output.dense.weight"]
    weight.set_data(Tensor(np.zeros(weight.shape, np.float32)))
    assert trace_of(network).place == ""
    assert trace_of(network, saturating=True).place == "layer 1 feed-forward input: input 1"


def test_nothing_is_left_behind() -> None:
    network = network_of(hidden_dropout_prob=0.1)
    network.set_train(True)
    before = {item.name: item.asnumpy().copy() for item in network.get_parameters()}
    operators = {path: dict(vars(cell)) for path, cell in network.cells_and_names()}
    trace_of(network, 2.0**30)
    for name, value in before.items():
        np.testing.assert_array_equal(network.parameters_dict()[name].asnumpy(), value)
    assert ms.get_context("mode") == ms.GRAPH_MODE
    assert network.training
    for path, cell in network.cells_and_names():
        assert vars(cell).keys() == operators[path].keys()
        assert all(vars(cell)[name] is value for name, value in operators[path].items() if name in cell._primitives)


def test_the_head_of_question_answering() -> None:
    setup_device("CPU")
    network = AlbertSquad(AlbertSquadModel(small_config(num_hidden_layers=1)))
    weight = network.parameters_dict()["albert.dense1.weight"]
    weight.set_data(Tensor(np.full(weight.shape, 3e38, np.float32)))
    ids, mask = batch_of()[:2]
    place = Tensor(np.full(ROWS, 3, np.int32))
    inputs = (ids, mask, mask, place, place, Tensor(np.zeros(ROWS, np.float32)), *batch_of()[4:])
    trace = trace_overflow(network, list(network.trainable_params()), inputs, 1.0)
    assert trace.place == "head dense1.product: output"
