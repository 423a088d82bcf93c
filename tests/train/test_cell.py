from __future__ import annotations

from collections.abc import Iterator

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from src.common.errors import ConfigError
from src.config.sections import LossScaleConfig, OptimizerConfig
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer

MODES = {"graph": ms.GRAPH_MODE, "pynative": ms.PYNATIVE_MODE}
NO_SCALE = LossScaleConfig(enable=False)


class SquaredDistance(nn.Cell):
    """The contract of the loss networks: rows with weights, sums divided by ``normalizers``."""

    def __init__(self) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.dense = nn.Dense(3, 2)
        self.dense.weight.set_data(Tensor(generator.normal(size=(2, 3)).astype(np.float32)))
        self.dense.bias.set_data(Tensor(generator.normal(size=2).astype(np.float32)))
        self.figure_names = ("absolute_error",)

    def construct(self, x: Tensor, y: Tensor, weight: Tensor, normalizers: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        error = (self.dense(x) - y).sum(axis=1)
        loss = (weight * ops.square(error)).sum() / normalizers[0]
        return loss, ((weight * ops.abs(error)).sum() / normalizers[0],)


@pytest.fixture(params=list(MODES), autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    ms.set_context(mode=MODES[request.param])
    yield request.param
    ms.set_context(mode=ms.GRAPH_MODE)


def build(
    name: str = "AdamWeightDecay",
    loss_scale: LossScaleConfig = NO_SCALE,
    max_grad_norm: float = 1.0,
    accumulation_steps: int = 1,
    **settings: float,
) -> TrainStepCell:
    network = SquaredDistance()
    config = OptimizerConfig(name=name, **({"learning_rate": 0.1, "warmup_steps": 0} | settings))
    optimizer = build_optimizer(network, config, train_steps=100)
    return TrainStepCell(network, optimizer, loss_scale, max_grad_norm, accumulation_steps)


def batch_of(seed: int, rows: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(rows, 3)), generator.normal(size=(rows, 2))
    weight = np.ones(rows)
    weight[-1] = 0
    return x.astype(np.float32), y.astype(np.float32), weight.astype(np.float32)


def train(cell: TrainStepCell, batch: tuple[np.ndarray, ...], normalizer: float = 3.0) -> dict[str, float]:
    tensors = [Tensor(array) for array in batch]
    values = cell(*tensors, Tensor([normalizer], ms.float32))
    return {name: value.asnumpy().item() for name, value in zip(cell.output_names, values, strict=True)}


def state_of(cell: TrainStepCell) -> dict[str, np.ndarray]:
    return {item.name: item.asnumpy().copy() for item in cell.get_parameters()}


def numpy_gradients(weight: np.ndarray, bias: np.ndarray, batch: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    x, y, row_weight = (array.astype(np.float64) for array in batch)
    factor = 2 * row_weight * (x @ weight.T + bias - y).sum(axis=1) / 3.0
    return np.tile(factor @ x, (2, 1)), np.tile(factor.sum(), 2)


@pytest.mark.parametrize("scale", [NO_SCALE, LossScaleConfig(enable=True, value=1024.0)])
@pytest.mark.parametrize("max_grad_norm", [0.0, 0.5])
def test_update_equals_numpy(scale: LossScaleConfig, max_grad_norm: float) -> None:
    cell = build("Momentum", scale, max_grad_norm, weight_decay=0.0, momentum=0.0)
    before = state_of(cell)
    weight, bias = before["dense.weight"].astype(np.float64), before["dense.bias"].astype(np.float64)
    gradients = numpy_gradients(weight, bias, batch_of(1))
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    factor = max_grad_norm / max(norm, max_grad_norm) if max_grad_norm else 1.0
    values = train(cell, batch_of(1))
    assert values["grad_norm"] == pytest.approx(norm, rel=1e-5)
    assert values["learning_rate"] == pytest.approx(0.1)
    assert values["loss_scale"] == (1024.0 if scale.enable else 1.0)
    assert not values["overflow"]
    after = state_of(cell)
    np.testing.assert_allclose(after["dense.weight"], weight - 0.1 * factor * gradients[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["dense.bias"], bias - 0.1 * factor * gradients[1], rtol=1e-5, atol=1e-6)


def test_small_gradients_are_not_clipped() -> None:
    results = [build("Momentum", max_grad_norm=limit, weight_decay=0.0) for limit in (0.0, 1e6)]
    for cell in results:
        train(cell, batch_of(1))
    np.testing.assert_allclose(state_of(results[0])["dense.weight"], state_of(results[1])["dense.weight"], rtol=1e-6)


@pytest.mark.parametrize("mode", ["graph"], indirect=True)
@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb", "Momentum"])
def test_loss_falls(name: str) -> None:
    cell = build(name)
    losses = [train(cell, batch_of(1))["loss"] for _ in range(30)]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb"])
@pytest.mark.parametrize("scale", [NO_SCALE, LossScaleConfig(enable=True, value=256.0, window=2)])
def test_accumulation_equals_the_big_batch(name: str, scale: LossScaleConfig) -> None:
    whole, parts = build(name, scale), build(name, scale, accumulation_steps=4)
    for update in range(3):
        batch = batch_of(update, rows=8)
        expected = train(whole, batch, normalizer=7.0)
        micro = [train(parts, tuple(array[start : start + 2] for array in batch), 7.0) for start in range(0, 8, 2)]
        assert sum(values["loss"] for values in micro) == pytest.approx(expected["loss"], rel=1e-6)
        assert sum(values["absolute_error"] for values in micro) == pytest.approx(expected["absolute_error"], rel=1e-6)
        assert [values["grad_norm"] for values in micro[:3]] == [0.0] * 3
        for name_of_value in ("grad_norm", "learning_rate", "loss_scale", "overflow"):
            assert micro[3][name_of_value] == pytest.approx(expected[name_of_value], rel=1e-6)
        after = state_of(parts)
        for key, value in state_of(whole).items():
            np.testing.assert_allclose(after[key], value, rtol=1e-6, atol=1e-6, err_msg=f"{key} after {update}")
        assert after["accumulated_micro_batches"] == 0
        assert not after["accumulated.dense.weight"].any()
        assert after["accumulated_loss"] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_overflow_skips_the_update_and_the_scale_shrinks(bad: float) -> None:
    cell = build(loss_scale=LossScaleConfig(enable=True, value=1024.0, window=2))
    train(cell, batch_of(0))
    before = state_of(cell)
    batch = batch_of(1)
    batch[0][0, 0] = bad
    values = train(cell, batch)
    assert values["overflow"]
    assert values["loss_scale"] == 1024.0
    after = state_of(cell)
    for key, value in before.items():
        if key not in ("loss_scale", "loss_scale_good_steps"):
            np.testing.assert_array_equal(after[key], value, err_msg=key)
    assert (after["loss_scale"], after["loss_scale_good_steps"]) == (512.0, 0)
    scales = [train(cell, batch_of(seed))["loss_scale"] for seed in range(5)]
    assert scales == [512.0, 512.0, 1024.0, 1024.0, 2048.0]
    assert cell.optimizer.global_step.asnumpy() == 6


def test_scaled_gradients_that_overflow_are_found_though_the_loss_is_finite() -> None:
    cell = build(loss_scale=LossScaleConfig(enable=True, value=2.0**40, window=1000))
    x, y, weight = batch_of(1)
    values = train(cell, (x * 1e13, y, weight))
    assert np.isfinite(values["loss"])
    assert values["overflow"]
    assert cell.optimizer.global_step.asnumpy() == 0


def test_not_finite_without_loss_scale_is_reported_before_the_update() -> None:
    cell = build()
    before = state_of(cell)
    x, y, weight = batch_of(1)
    x[1, 1] = np.nan
    values = train(cell, (x, y, weight))
    assert values["overflow"]
    for key, value in state_of(cell).items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    assert not train(cell, batch_of(2))["overflow"]


@pytest.mark.parametrize("bad_part", [0, 2])
def test_one_bad_micro_batch_skips_the_whole_update(bad_part: int) -> None:
    cell = build(accumulation_steps=3, loss_scale=LossScaleConfig(enable=True, value=8.0))
    before = state_of(cell)
    for part in range(3):
        batch = batch_of(part)
        if part == bad_part:
            batch[0][0, 0] = np.inf
        values = train(cell, batch)
    assert values["overflow"]
    after = state_of(cell)
    assert after.pop("loss_scale") == 4.0
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    # The sums are clean again: the next update is a good one.
    for part in range(3):
        values = train(cell, batch_of(part))
    assert not values["overflow"]
    assert cell.optimizer.global_step.asnumpy() == 1


def test_scale_stays_in_its_bounds() -> None:
    largest = build(loss_scale=LossScaleConfig(enable=True, value=2.0**31, window=1))
    still = (np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32), np.zeros(4, np.float32))
    assert [train(largest, still)["loss_scale"] for _ in range(4)] == [2.0**31, 2.0**32, 2.0**32, 2.0**32]
    smallest = build(loss_scale=LossScaleConfig(enable=True, value=2.0, window=1))
    bad = (np.full((4, 3), np.nan, np.float32), still[1], np.ones(4, np.float32))
    assert [train(smallest, bad)["loss_scale"] for _ in range(4)] == [2.0, 1.0, 1.0, 1.0]


def test_learning_rate_is_that_of_the_update() -> None:
    cell = build(warmup_steps=4, decay_steps=10)
    rates = [train(cell, batch_of(seed))["learning_rate"] for seed in range(6)]
    assert rates == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.06, 0.05], abs=1e-8)


class WithDropout(SquaredDistance):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p=0.5)

    def construct(self, x: Tensor, y: Tensor, weight: Tensor, normalizers: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        return super().construct(self.dropout(x), y, weight, normalizers)


def test_evaluation_before_and_between_leaves_dropout_on() -> None:
    network = WithDropout()
    optimizer = build_optimizer(network, OptimizerConfig(name="Lamb", learning_rate=1e-12), train_steps=100)
    cell = TrainStepCell(network, optimizer, NO_SCALE, 1.0)
    for _ in range(2):
        network.dropout.set_train(False)
        assert len({train(cell, batch_of(1))["loss"] for _ in range(8)}) > 1


def test_parameter_names_of_the_network_are_kept() -> None:
    cell = build(accumulation_steps=2, loss_scale=LossScaleConfig(enable=True))
    assert [item.name for item in cell.network.get_parameters()] == ["dense.weight", "dense.bias"]
    assert set(state_of(cell)) == {
        *("dense.weight", "dense.bias", "global_step", "loss_scale", "loss_scale_good_steps"),
        *("adam_m.dense.weight", "adam_m.dense.bias", "adam_v.dense.weight", "adam_v.dense.bias"),
        *("accumulated.dense.weight", "accumulated.dense.bias", "accumulated_loss", "accumulated_micro_batches"),
    }
    assert [item.name for item in cell.weights] == ["dense.weight", "dense.bias"]


@pytest.mark.parametrize(
    ("settings", "message"), [({"accumulation_steps": 0}, "less than 1"), ({"max_grad_norm": -1.0}, "negative")]
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**settings)


LIMIT = 1000.0


class Saturating(TrainStepCell):
    """The step on a chip that cuts gradients off at ``LIMIT`` and says so in its status alone."""

    def all_finite(self, gradients: tuple[Tensor, ...]) -> Tensor:
        largest = ops.zeros((), ms.float32)
        for gradient in gradients:
            largest = ops.maximum(largest, ops.reduce_max(ops.abs(gradient)))
        return largest < LIMIT


def saturating(kind: type[TrainStepCell], accumulation_steps: int = 1) -> TrainStepCell:
    network = SquaredDistance()
    optimizer = build_optimizer(network, OptimizerConfig(name="Lamb", learning_rate=0.1), train_steps=100)
    scale = LossScaleConfig(enable=True, value=16.0)
    return kind(network, optimizer, scale, 1.0, accumulation_steps, saturating=True)


def overflowing(seed: int) -> tuple[np.ndarray, ...]:
    x, y, weight = batch_of(seed)
    return x * 100, y, weight


def test_overflow_that_only_the_device_knows_skips_the_update() -> None:
    cell = saturating(Saturating)
    before = state_of(cell)
    values = train(cell, overflowing(1))
    assert values["overflow"]
    assert np.isfinite([values["loss"], values["grad_norm"]]).all()
    after = state_of(cell)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"loss_scale"}
    assert after["loss_scale"] == 8.0
    assert not train(cell, batch_of(1))["overflow"]
    assert state_of(cell)["global_step"] == 1


@pytest.mark.parametrize("bad", [0, 1])
def test_overflow_of_any_micro_batch_skips_its_update_alone(bad: int) -> None:
    cell = saturating(Saturating, accumulation_steps=2)
    weight = cell.network.dense.weight.asnumpy().copy()
    seen = [train(cell, overflowing(1) if part == bad else batch_of(1))["overflow"] for part in range(2)]
    assert seen == [False, True]
    np.testing.assert_array_equal(cell.network.dense.weight.asnumpy(), weight)
    assert state_of(cell)["accumulated_overflows"] == 0
    assert [train(cell, batch_of(1))["overflow"] for _ in range(2)] == [False, False]
    assert state_of(cell)["global_step"] == 1


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_mindspores_check_changes_no_number(accumulation_steps: int) -> None:
    """On a device that does not saturate ``amp.all_finite`` looks at the values: the same updates are skipped."""
    plain = build("Lamb", LossScaleConfig(enable=True, value=16.0), 1.0, accumulation_steps)
    asking = saturating(TrainStepCell, accumulation_steps)
    for number in range(6):
        x, y, weight = batch_of(number)
        if number == 2:
            x[0, 0] = np.inf
        results = [train(cell, (x, y, weight)) for cell in (plain, asking)]
        np.testing.assert_equal(results[0], results[1])
    assert results[0]["loss_scale"] == 8.0
    assert set(state_of(asking)) - set(state_of(plain)) == (
        {"accumulated_overflows"} if accumulation_steps > 1 else set()
    )
    for name, value in state_of(plain).items():
        np.testing.assert_array_equal(state_of(asking)[name], value, err_msg=name)
