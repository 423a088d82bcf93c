from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from src.config.sections import OptimizerConfig
from src.train.optimizers import build_optimizer, describe_groups, is_decayed
from src.train.schedule import WarmupPolynomialDecay

STEPS = 20
MODES = {"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}
SHAPES = {
    "dense.weight": (4, 3),
    "dense.bias": (4,),
    "layernorm.gamma": (3,),
    "embedding_table": (5, 2),
    "zero": (2, 2),
}


class Weights(nn.Cell):
    """Parameters of every kind, without a loss: the optimizers are given gradients."""

    def __init__(self, dtype: type = np.float32) -> None:
        super().__init__()
        generator = np.random.default_rng(3)
        for index, (name, shape) in enumerate(SHAPES.items()):
            value = np.zeros(shape) if name == "zero" else generator.normal(size=shape) * (1 + index)
            setattr(self, f"weight_{index}", Parameter(Tensor(value.astype(dtype)), name=name))


def config_of(name: str, **changes: object) -> OptimizerConfig:
    settings = {
        "learning_rate": 0.05,
        "end_learning_rate": 0.001,
        "power": 2.0,
        "warmup_steps": 5,
        "weight_decay": 0.1,
        "beta1": 0.9,
        "beta2": 0.99,
    }
    return OptimizerConfig(name=name, **(settings | changes))


def gradients_of_steps() -> list[list[np.ndarray]]:
    generator = np.random.default_rng(4)
    return [[generator.normal(size=shape).astype(np.float32) for shape in SHAPES.values()] for _ in range(STEPS)]


class Reference:
    """The three optimizers in float64."""

    def __init__(self, weights: list[np.ndarray], config: OptimizerConfig) -> None:
        self.weights = [weight.astype(np.float64) for weight in weights]
        self.first = [np.zeros_like(weight) for weight in self.weights]
        self.second = [np.zeros_like(weight) for weight in self.weights]
        self.decays = [True, False, False, True, True]
        self.config = config
        self.schedule = WarmupPolynomialDecay.from_config(config, STEPS)

    def step(self, number: int, gradients: list[np.ndarray]) -> None:
        for index, gradient in enumerate(gradients):
            change = self.change(index, gradient.astype(np.float64))
            self.weights[index] = self.weights[index] - self.schedule.at(number) * change

    def change(self, index: int, gradient: np.ndarray) -> np.ndarray:
        config, weight = self.config, self.weights[index]
        decay = config.weight_decay if self.decays[index] else 0.0
        if config.name == "Momentum":
            self.first[index] = config.momentum * self.first[index] + gradient + decay * weight
            return self.first[index]
        self.first[index] = config.beta1 * self.first[index] + (1 - config.beta1) * gradient
        self.second[index] = config.beta2 * self.second[index] + (1 - config.beta2) * gradient**2
        direction = self.first[index] / (np.sqrt(self.second[index]) + config.eps) + decay * weight
        if config.name == "AdamWeightDecay" or not self.decays[index]:
            return direction
        norms = np.linalg.norm(weight), np.linalg.norm(direction)
        return direction * (norms[0] / norms[1] if min(norms) > 0 else 1.0)


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> str:
    ms.set_context(mode=MODES[request.param])
    yield request.param
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb", "Momentum"])
def test_equals_float64_reference(name: str, mode: str) -> None:
    network, config = Weights(), config_of(name)
    optimizer = build_optimizer(network, config, STEPS)
    initial = [weight.asnumpy().copy() for weight in network.trainable_params()]
    reference = Reference(initial, config)
    for number, gradients in enumerate(gradients_of_steps()):
        optimizer(tuple(Tensor(gradient) for gradient in gradients))
        reference.step(number, gradients)
        for weight, expected in zip(network.trainable_params(), reference.weights, strict=True):
            # float32 against float64: about ten units in the last place of the largest weights.
            np.testing.assert_allclose(weight.asnumpy(), expected, rtol=2e-6, atol=4e-6, err_msg=weight.name)
    assert optimizer.global_step.asnumpy() == STEPS
    for weight, before in zip(network.trainable_params(), initial, strict=True):
        assert np.abs(weight.asnumpy() - before).min() > 1e-4, weight.name


@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb", "Momentum"])
def test_first_update_with_warmup_changes_nothing_but_the_state(name: str) -> None:
    network = Weights()
    optimizer = build_optimizer(network, config_of(name), STEPS)
    before = [weight.asnumpy().copy() for weight in network.trainable_params()]
    optimizer(tuple(Tensor(gradient) for gradient in gradients_of_steps()[0]))
    for weight, old in zip(network.trainable_params(), before, strict=True):
        np.testing.assert_array_equal(weight.asnumpy(), old)
    assert optimizer.global_step.asnumpy() == 1


def test_lamb_leaves_excluded_parameters_without_trust_ratio() -> None:
    """With warm-up 0 the first step of an excluded tensor is lr * g / (|g| + eps'), whatever its norm."""
    network = Weights()
    optimizer = build_optimizer(network, config_of("Lamb", warmup_steps=0, eps=1e-12), STEPS)
    bias = network.trainable_params()[1]
    before = bias.asnumpy().copy()
    optimizer(tuple(Tensor(np.ones(shape, np.float32)) for shape in SHAPES.values()))
    np.testing.assert_allclose(before - bias.asnumpy(), 0.05 * 0.1 / np.sqrt(0.01), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "moments"), [("AdamWeightDecay", "moments1"), ("Lamb", "moments1"), ("Momentum", "moments")]
)
def test_half_precision_parameters_have_float32_moments(name: str, moments: str) -> None:
    network = Weights(np.float16)
    optimizer = build_optimizer(network, config_of(name), STEPS)
    assert {moment.dtype for moment in getattr(optimizer, moments)} == {ms.float32}
    config = config_of(name)
    reference = Reference([weight.asnumpy() for weight in network.trainable_params()], config)
    for number, gradients in enumerate(gradients_of_steps()):
        optimizer(tuple(Tensor(gradient) for gradient in gradients))
        reference.step(number, gradients)
    for weight, expected in zip(network.trainable_params(), reference.weights, strict=True):
        assert weight.dtype == ms.float16
        np.testing.assert_allclose(weight.asnumpy(), expected, atol=0.03, err_msg=weight.name)


def test_groups_are_reported() -> None:
    decayed, excluded = describe_groups(Weights(), config_of("Lamb"))
    assert decayed.names == ("dense.weight", "embedding_table", "zero")
    assert excluded.names == ("dense.bias", "layernorm.gamma")
    assert (decayed.parameter_count, excluded.parameter_count) == (26, 7)
    assert (decayed.weight_decay, excluded.weight_decay) == (0.1, 0.0)
    assert str(decayed) == "decay (weight_decay 0.1): 3 tensors, 26 weights"


def test_filter_ignores_case() -> None:
    assert not is_decayed("albert.LayerNorm.gamma", ("layernorm", "bias"))
    assert not is_decayed("cls1.output_bias", ("layernorm", "Bias"))
    assert is_decayed("albert_embedding_lookup.embedding_table", ("layernorm", "bias"))


@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb", "Momentum"])
@pytest.mark.parametrize("decay_filter", [(), ("",)])
def test_one_group_may_be_empty(name: str, decay_filter: tuple[str, ...]) -> None:
    network = Weights()
    optimizer = build_optimizer(network, config_of(name, decay_filter=decay_filter, warmup_steps=0), STEPS)
    before = network.trainable_params()[0].asnumpy().copy()
    optimizer(tuple(ops.ones(shape, ms.float32) for shape in SHAPES.values()))
    assert np.abs(network.trainable_params()[0].asnumpy() - before).min() > 1e-4


def test_betas_of_zero_are_allowed() -> None:
    network = Weights()
    config = config_of("AdamWeightDecay", beta1=0.0, beta2=0.0, weight_decay=0.0, warmup_steps=0)
    optimizer = build_optimizer(network, config, STEPS)
    before = network.trainable_params()[0].asnumpy().copy()
    optimizer(tuple(ops.ones(shape, ms.float32) * 3 for shape in SHAPES.values()))
    np.testing.assert_allclose(before - network.trainable_params()[0].asnumpy(), 0.05, rtol=1e-4)
