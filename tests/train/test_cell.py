from __future__ import annotations

from collections.abc import Iterator

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.errors import ConfigError
from src.config.sections import LossScaleConfig, OptimizerConfig
from src.train.cell import TrainStepCell
from src.train.optimizers import build_optimizer
from tests.train.cell_samples import MODES, NO_SCALE, SquaredDistance, batch_of, build, state_of, train


@pytest.fixture(params=list(MODES), autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    ms.set_context(mode=MODES[request.param])
    yield request.param
    ms.set_context(mode=ms.GRAPH_MODE)


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
