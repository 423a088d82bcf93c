from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import ConfigError
from src.config.sections import OptimizerConfig
from src.train.schedule import LearningRate, WarmupPolynomialDecay


def graph_values(schedule: WarmupPolynomialDecay, steps: range) -> np.ndarray:
    ms.set_context(mode=ms.GRAPH_MODE)
    cell = LearningRate(schedule)
    return np.array([cell(Tensor([step], ms.int32)).asnumpy()[0] for step in steps])


def test_reference_values() -> None:
    schedule = WarmupPolynomialDecay(1.0, 0.0, warmup_steps=10, decay_steps=100, power=1.0)
    values = [schedule.at(step) for step in (0, 1, 5, 9, 10, 11, 50, 100, 1000)]
    assert values == pytest.approx([0, 0.1, 0.5, 0.9, 0.9, 0.89, 0.5, 0, 0], abs=1e-15)


@pytest.mark.parametrize(
    "schedule",
    [
        WarmupPolynomialDecay(1.0, 0.0, 10, 100, 1.0),
        WarmupPolynomialDecay(3e-5, 1e-10, 7, 50, 5.0),
        WarmupPolynomialDecay(2e-5, 1e-6, 0, 30, 2.0),
        WarmupPolynomialDecay(1e-3, 0.0, 200, 100, 1.0),  # the warm-up outlasts the decay
        WarmupPolynomialDecay(1e-3, 2e-3, 3, 40, 0.5),
    ],
)
def test_graph_equals_python(schedule: WarmupPolynomialDecay) -> None:
    steps = range(110)
    expected = np.array([schedule.at(step) for step in steps])
    np.testing.assert_allclose(graph_values(schedule, steps), expected, rtol=2e-5, atol=1e-7 * schedule.learning_rate)


def test_decay_steps_default_to_the_training_steps() -> None:
    config = OptimizerConfig(name="Lamb", learning_rate=1.0)
    assert WarmupPolynomialDecay.from_config(config, 20).decay_steps == 20
    config = config.model_copy(update={"decay_steps": 7})
    assert WarmupPolynomialDecay.from_config(config, 20).decay_steps == 7


def test_no_steps_to_decay_over() -> None:
    config = OptimizerConfig(name="Lamb", learning_rate=1.0)
    with pytest.raises(ConfigError, match="no steps to decay over"):
        WarmupPolynomialDecay.from_config(config, 0)
