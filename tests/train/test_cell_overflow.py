"""Updates whose gradients are not finite."""

from __future__ import annotations

from collections.abc import Iterator

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.config.sections import LossScaleConfig, OptimizerConfig
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer
from tests.train.cell_samples import MODES, SquaredDistance, batch_of, build, state_of, train


@pytest.fixture(params=list(MODES), autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    ms.set_context(mode=MODES[request.param])
    yield request.param
    ms.set_context(mode=ms.GRAPH_MODE)


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
