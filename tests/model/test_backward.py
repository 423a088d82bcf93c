"""Written-out backward passes beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
import pytest
import torch
from mindspore import Tensor, nn

from src.model import backward
from src.model.backward import AddBias, Normalization, RowSum, Softmax, WeightProduct, written_out

EPSILON = 1e-12
# Sums of a few dozen float32 numbers of the size of 1, in another order.
TOLERANCE = 2e-5


def random(*shape: int, offset: float = 0.0) -> np.ndarray:
    """Return float32 numbers, the same for the same shape."""
    generator = np.random.default_rng(sum(shape))
    return (generator.standard_normal(shape) + offset).astype(np.float32)


class Weighted(nn.Cell):
    """Weigh the first output of a cell, so that its gradient is a tensor of its own."""

    def __init__(self, cell: nn.Cell, weights: np.ndarray) -> None:
        super().__init__()
        self.cell = cell
        self.weights = Tensor(weights)

    def construct(self, *inputs: Tensor) -> Tensor:
        """Return the sum float32[]."""
        outputs = self.cell(*inputs)
        output = outputs[0] if isinstance(outputs, tuple) else outputs
        return (output * self.weights).sum()


def check_gradients(cell: nn.Cell, formula: Callable[..., torch.Tensor], inputs: list[np.ndarray]) -> None:
    """Compare value and gradients of all inputs with PyTorch's."""
    theirs = [torch.tensor(values, requires_grad=True) for values in inputs]
    expected = formula(*theirs)
    weights = random(*expected.shape, offset=0.3)
    (expected * torch.tensor(weights)).sum().backward()
    positions = tuple(range(len(inputs)))
    value, gradients = ms.value_and_grad(Weighted(cell, weights), positions)(*map(Tensor, inputs))
    # Of a single input MindSpore returns the bare gradient.
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert float(value) == pytest.approx(float((expected * torch.tensor(weights)).sum()), rel=1e-5, abs=1e-4)
    for found, their in zip(gradients, theirs, strict=True):
        assert their.grad is not None
        np.testing.assert_allclose(found.asnumpy(), their.grad.numpy(), rtol=TOLERANCE, atol=TOLERANCE)


def test_this_device_has_the_written_out_form() -> None:
    assert written_out()


@pytest.mark.parametrize(("in_size", "out_size", "narrows"), [(12, 4, True), (4, 12, False), (12, 5, True)])
def test_weight_product(in_size: int, out_size: int, narrows: bool) -> None:
    cell = WeightProduct(in_size, out_size)
    assert cell.backward.narrows == narrows
    check_gradients(cell, lambda x, w: x @ w.T, [random(6, in_size), random(out_size, in_size)])


def test_add_bias() -> None:
    check_gradients(AddBias(), lambda x, b: x + b, [random(6, 5), random(5)])


@pytest.mark.parametrize("shape", [(6, 16), (2, 3, 16)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_normalization(shape: tuple[int, ...], offset: float) -> None:
    inputs = [random(*shape, offset=offset), random(16, offset=1.0), random(16)]
    formula = torch.nn.functional.layer_norm
    check_gradients(Normalization(EPSILON), lambda x, g, b: formula(x, (16,), g, b, EPSILON), inputs)


def test_softmax() -> None:
    check_gradients(Softmax(), lambda x: torch.softmax(x, -1), [random(2, 3, 4, 8)])


@pytest.mark.parametrize("kind", [ms.float32, ms.float16])
@pytest.mark.parametrize("on_a_cpu", [True, False])
def test_row_sum(kind: Any, on_a_cpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backward, "written_out", lambda: on_a_cpu)
    values = random(6, 5)
    found = RowSum()(Tensor(values, kind))
    assert found.dtype == kind
    np.testing.assert_allclose(found.asnumpy(), values.sum(0), rtol=1e-2 if kind == ms.float16 else 1e-6, atol=1e-2)


def test_elsewhere_no_product_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backward, "written_out", lambda: False)
    assert not WeightProduct(12, 4).backward.narrows
