from __future__ import annotations

from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.errors import ConfigError
from src.config.sections import NetworkConfig
from src.model.albert_model import AlbertModel, check_sequence_length
from src.model.attention import AttentionBlock
from src.model.compiled import portable
from src.model.heads import AlbertCLSModel
from src.model.layers import ResidualOutput, new_weight
from src.model.losses import AlbertCLS
from src.model.names import backbone_shapes
from tests.parity.cases import SMALL_CASES, differences, random_batch, random_weights, small_config, tiny_config
from tests.parity.ours import our_outcome

# The model zoo's names, written out: they must never change, for checkpoints in the field have them.
EMBEDDING = "albert_embedding_postprocessor"
LAYER = "albert_encoder.group.0.inner_group.0"
MODEL_ZOO_NAMES = {
    "albert_embedding_lookup.embedding_table",
    f"{EMBEDDING}.embedding_table",
    f"{EMBEDDING}.full_position_embeddings",
    *(f"{EMBEDDING}.layernorm.{kind}" for kind in ("gamma", "beta")),
    *(f"albert_encoder.embedding_hidden_mapping_in.{kind}" for kind in ("weight", "bias")),
    *(f"{LAYER}.attention.attention.{p}_layer.{k}" for p in ("query", "key", "value") for k in ("weight", "bias")),
    *(f"{LAYER}.{part}dense.{k}" for part in ("attention.output.", "output.") for k in ("weight", "bias")),
    *(f"{LAYER}.{part}layernorm.{k}" for part in ("attention.output.", "output.") for k in ("gamma", "beta")),
    *(f"{LAYER}.intermediate.{kind}" for kind in ("weight", "bias")),
    *(f"dense.{kind}" for kind in ("weight", "bias")),
}


def _inputs(batch: int, length: int, real: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    ids = np.arange(batch * length).reshape(batch, length) % 11
    mask = np.ones((batch, length)) * (np.arange(length) < (real or length))
    return Tensor(ids, ms.int32), Tensor(np.zeros((batch, length)), ms.int32), Tensor(mask, ms.int32)


@pytest.mark.parametrize(
    "changes",
    [{}, {"num_hidden_groups": 2, "inner_group_num": 3}, {"use_relative_positions": True}, {"dtype": "float16"}],
)
def test_the_network_has_the_parameters_that_names_lists(changes: dict[str, object]) -> None:
    config = tiny_config(**changes)
    parameters = {parameter.name: tuple(parameter.shape) for parameter in AlbertModel(config).trainable_params()}
    assert parameters == backbone_shapes(config)


def test_names_are_those_of_the_model_zoo() -> None:
    assert {parameter.name for parameter in AlbertModel(tiny_config()).get_parameters()} == MODEL_ZOO_NAMES


def test_base_network_has_the_published_number_of_parameters() -> None:
    model = AlbertModel(NetworkConfig())
    assert sum(parameter.size for parameter in model.trainable_params()) == 11_683_584


def test_weights_begin_as_a_truncated_normal_biases_at_zero() -> None:
    ms.set_seed(3)
    config = tiny_config(initializer_range=0.5)
    weights = new_weight((400, 100), config, "w").asnumpy()
    # A normal distribution cut off at two standard deviations has 0.8796 of the deviation.
    assert weights.std() == pytest.approx(0.5 * 0.8796, rel=0.02)
    assert np.abs(weights).max() <= 1.0
    for parameter in AlbertModel(config).get_parameters():
        values = parameter.asnumpy()
        if parameter.name.endswith(("bias", "beta")):
            assert not values.any()
        elif parameter.name.endswith("gamma"):
            assert (values == 1).all()
        else:
            assert 0 < np.abs(values).max() <= 1.0


def test_one_seed_gives_one_initialisation() -> None:
    def weights(seed: int) -> np.ndarray:
        ms.set_seed(seed)
        return np.concatenate([p.asnumpy().ravel() for p in AlbertModel(tiny_config()).get_parameters()])

    assert np.array_equal(weights(5), weights(5))
    assert not np.array_equal(weights(5), weights(6))


def test_graph_and_pynative_mode_give_the_same_numbers() -> None:
    case = SMALL_CASES[2]
    weights, batch = random_weights(case), random_batch(case)
    graph = our_outcome(case, weights, batch, ms.GRAPH_MODE)
    pynative = our_outcome(case, weights, batch, ms.PYNATIVE_MODE)
    assert max(differences(graph, pynative).values()) < 1e-6


def test_shapes_come_from_the_inputs_and_padding_changes_nothing() -> None:
    model = AlbertModel(tiny_config())
    short_ids, short_types, short_mask = _inputs(1, 5)
    sequence, pooled = model(short_ids, short_types, short_mask)
    assert sequence.shape == (1, 5, 8)
    assert pooled.shape == (1, 8)
    long_ids, long_types, long_mask = _inputs(1, 8, real=5)
    padded_sequence, padded_pooled = model(long_ids, long_types, long_mask)
    np.testing.assert_allclose(padded_sequence.asnumpy()[:, :5], sequence.asnumpy(), atol=1e-6)
    np.testing.assert_allclose(padded_pooled.asnumpy(), pooled.asnumpy(), atol=1e-6)


def test_segments_and_positions_matter() -> None:
    model = AlbertModel(tiny_config(initializer_range=0.5))
    ids, types, mask = _inputs(1, 6)
    plain = model(ids, types, mask)[0].asnumpy()
    assert np.abs(model(ids, types + 1, mask)[0].asnumpy() - plain).max() > 1e-3
    same_token = model(ids * 0, types, mask)[0].asnumpy()
    assert np.abs(same_token[0, 0] - same_token[0, 1]).max() > 1e-3


def test_all_layers_of_all_groups_take_part() -> None:
    case = SMALL_CASES[1]
    outcome = our_outcome(case, random_weights(case), random_batch(case), ms.PYNATIVE_MODE)
    assert len(outcome.hidden_states) == case.config.num_hidden_layers + 1
    key_biases = {name for name in outcome.gradients if name.endswith("key_layer.bias")}
    for name, gradient in outcome.gradients.items():
        # Softmax does not see what is added to all scores of a query, so key biases have no gradient.
        assert name in key_biases or np.abs(gradient).max() > 1e-6, name


@pytest.mark.parametrize("mode", [ms.GRAPH_MODE, ms.PYNATIVE_MODE])
def test_a_sequence_longer_than_the_positions_is_refused(mode: int) -> None:
    ms.set_context(mode=mode)
    with pytest.raises(ValueError, match="9 tokens is longer than max_position_embeddings 8"):
        AlbertModel(tiny_config())(*_inputs(1, 9))


def test_check_sequence_length_says_what_to_do() -> None:
    check_sequence_length(8, tiny_config())
    with pytest.raises(ConfigError, match=r"9 tokens.*max_position_embeddings 8.*shorten"):
        check_sequence_length(9, tiny_config())


@pytest.mark.slow
def test_one_exported_graph_runs_at_every_length(tmp_path: Path) -> None:
    ms.set_context(mode=ms.GRAPH_MODE)
    with portable():
        model = AlbertModel(tiny_config())
    any_shape = [Tensor(shape=[None, None], dtype=ms.int32)] * 3
    ms.export(model, *any_shape, file_name=str(tmp_path / "model"), file_format="MINDIR")
    exported = nn.GraphCell(ms.load(str(tmp_path / "model.mindir")))
    for inputs in (_inputs(2, 8, real=6), _inputs(3, 5)):
        for ours, theirs in zip(model(*inputs), exported(*inputs), strict=True):
            np.testing.assert_allclose(theirs.asnumpy(), ours.asnumpy(), atol=1e-6)


@pytest.mark.parametrize("mode", [ms.GRAPH_MODE, ms.PYNATIVE_MODE])
def test_each_application_of_a_shared_layer_has_its_own_dropout_mask(mode: int) -> None:
    ms.set_context(mode=mode)

    class Twice(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.layer = ResidualOutput(8, small_config(hidden_size=24, hidden_dropout_prob=0.5), applications=2)

        def construct(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
            return self.layer(x, residual, 0), self.layer(x, residual, 1)

    network = Twice()
    network.set_train(True)
    x = Tensor(np.random.RandomState(0).randn(16, 8).astype(np.float32))
    first, second = network(x, Tensor(np.zeros((16, 24), np.float32)))
    assert np.abs(first.asnumpy() - second.asnumpy()).max() > 0.1


def test_dropout_is_on_in_training_only() -> None:
    model = AlbertModel(tiny_config(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3))
    inputs = _inputs(2, 6)
    model.set_train(True)
    assert np.abs(model(*inputs)[0].asnumpy() - model(*inputs)[0].asnumpy()).max() > 1e-3
    model.set_train(False)
    assert np.array_equal(model(*inputs)[0].asnumpy(), model(*inputs)[0].asnumpy())


def test_float16_products_stay_close_to_float32() -> None:
    outputs = {}
    for compute_type in ("float32", "float16"):
        ms.set_seed(1)
        model = AlbertModel(small_config(compute_type=compute_type, initializer_range=0.1))
        sequence, pooled = model(*_inputs(2, 6))
        assert (sequence.dtype, pooled.dtype) == (ms.float32, ms.float32)
        outputs[compute_type] = sequence.asnumpy()
    difference = np.abs(outputs["float16"] - outputs["float32"]).max()
    assert 0 < difference < 0.02


def test_dtype_is_the_type_of_parameters_and_outputs() -> None:
    model = AlbertModel(tiny_config(dtype="float16", compute_type="float16"))
    assert {parameter.dtype for parameter in model.get_parameters()} == {ms.float16}
    assert {output.dtype for output in model(*_inputs(2, 6))} == {ms.float16}


@pytest.mark.parametrize("recompute", [False, True])
def test_recompute_marks_every_layer_and_nothing_else(recompute: bool) -> None:
    """Graphs take it from this flag of the cells; their results do not show it."""
    with portable():
        model = AlbertModel(small_config(recompute=recompute, num_hidden_groups=2, inner_group_num=2))
    marked = {name for name, cell in model.cells_and_names() if "output_recompute" in cell.get_flags()}
    layers = {f"albert_encoder.group.{group}.inner_group.{layer}" for group in range(2) for layer in range(2)}
    assert marked == (layers if recompute else set())


@pytest.mark.slow
@pytest.mark.parametrize("mode", [ms.GRAPH_MODE, ms.PYNATIVE_MODE])
def test_recompute_gives_the_same_gradients(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ms.set_context(mode=mode)
    passes: list[int] = []
    if mode == ms.PYNATIVE_MODE:
        once = AttentionBlock.construct

        def counted(block: AttentionBlock, *inputs: Any) -> Tensor:
            passes[-1] += 1
            return once(block, *inputs)

        monkeypatch.setattr(AttentionBlock, "construct", counted)
    case = SMALL_CASES[0]
    batch = [Tensor(values) for values in random_batch(case).values()]
    found = []
    for recompute in (False, True):
        ms.set_seed(11)
        config = small_config(recompute=recompute, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)
        # With compiled kernels nothing is recomputed.
        with portable():
            network = AlbertCLS(AlbertCLSModel(config, case.num_labels), "classification")
        network.set_train(True)
        gradient = ms.value_and_grad(network, None, network.trainable_params(), has_aux=True)
        passes.append(0)
        (loss, _), gradients = gradient(*batch)
        found.append((float(loss), [g.asnumpy() for g in gradients]))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for plain, recomputed in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(recomputed, plain, atol=1e-6)
    if mode == ms.PYNATIVE_MODE:
        layers = small_config().num_hidden_layers * small_config().inner_group_num
        assert passes == [layers, 2 * layers]
