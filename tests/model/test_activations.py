from __future__ import annotations

import math

import numpy as np
import pytest
from mindspore import Tensor, ops

from src.common.errors import ConfigError
from src.model.activations import Tanh, make_activation

X = np.linspace(-9, 9, 2001).astype(np.float32)
X64 = X.astype(np.float64)
TANH_FORM = 0.5 * X64 * (1 + np.tanh(math.sqrt(2 / math.pi) * (X64 + 0.044715 * X64**3)))
ERF_FORM = 0.5 * X64 * (1 + np.vectorize(math.erf)(X64 / math.sqrt(2)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gelu", TANH_FORM), ("gelu_new", TANH_FORM), ("gelu_erf", ERF_FORM), ("relu", np.maximum(X64, 0))],
)
def test_activations_equal_their_formulas(name: str, expected: np.ndarray) -> None:
    assert np.abs(make_activation(name)(Tensor(X)).asnumpy() - expected).max() < 2e-6


def test_the_two_forms_of_gelu_differ() -> None:
    assert np.abs(TANH_FORM - ERF_FORM).max() > 1e-4


def test_gelu_has_the_gradient_of_its_formula() -> None:
    gradient = ops.grad(make_activation("gelu"))(Tensor(X)).asnumpy()
    inner = math.sqrt(2 / math.pi) * (X64 + 0.044715 * X64**3)
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * X64**2)
    expected = 0.5 * (1 + np.tanh(inner)) + 0.5 * X64 * slope / np.cosh(inner) ** 2
    assert np.abs(gradient - expected).max() < 5e-6


def test_tanh_is_accurate() -> None:
    assert np.abs(Tanh()(Tensor(X)).asnumpy() - np.tanh(X64)).max() < 3e-6


def test_unknown_activation_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"swish.*gelu_erf"):
        make_activation("swish")
