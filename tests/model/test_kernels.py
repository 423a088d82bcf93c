"""Compiled kernels beside PyTorch's operators, values and gradients."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
import pytest
import torch
from mindspore import Tensor, nn

from src.model.kernels import (
    BiasGelu,
    DropoutKey,
    DropoutNormalization,
    KernelDropout,
    KernelNormalization,
    KernelTranspose,
    MaskedSoftmax,
    MergeHeads,
    ResidualNormalization,
    SplitHeads,
)
from tests.kernels.needs import needs_compiler
from tests.model.test_backward import EPSILON, check_gradients, random

pytestmark = needs_compiler

KEY = np.array([0.25, -1.5], np.float32)
# Sizes below, at and beyond the sixteen numbers that a kernel takes at a time, and more rows than a chunk has.
SHAPES = [(1, 1), (3, 15), (2, 16), (5, 33), (70, 48)]


def kept(shape: tuple[int, ...], probability: float, key: np.ndarray = KEY) -> np.ndarray:
    """Return the factors of dropout, computed anew in NumPy."""
    first, second = key.view(np.uint32)

    def mixed(x: np.ndarray) -> np.ndarray:
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
        return x ^ (x >> np.uint32(16))

    places = np.arange(math.prod(shape), dtype=np.uint32).reshape(shape)
    bits = mixed(mixed(places ^ first) + second)
    below = np.uint32(np.float32(probability).astype(np.float64) * 2**32)
    return np.where(bits < below, 0, np.float32(1) / np.float32(1 - np.float32(probability))).astype(np.float32)


class WithConstants(nn.Cell):
    """Call a cell whose last inputs have no gradient."""

    def __init__(self, cell: nn.Cell, *constants: np.ndarray) -> None:
        super().__init__()
        self.cell = cell
        self.constants = tuple(map(Tensor, constants))

    def construct(self, *inputs: Tensor) -> Tensor:
        return self.cell(*inputs, *self.constants)


@pytest.mark.parametrize("shape", SHAPES)
def test_bias_gelu(shape: tuple[int, int]) -> None:
    def formula(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(x + bias, approximate="tanh")

    check_gradients(BiasGelu(), formula, [3 * random(*shape), random(shape[1])])


def test_gelu_of_large_and_bad_numbers() -> None:
    x = np.array([[-1e30, -300, -40, -9, 0, 9, 40, 300, 1e30, np.inf, np.nan]], np.float32)
    found = BiasGelu()(Tensor(x), Tensor(np.zeros(x.shape[1], np.float32))).asnumpy()
    np.testing.assert_allclose(found[0, 4:9], [0, 9, 40, 300, 1e30], rtol=1e-6)
    np.testing.assert_allclose(found[0, 1:4], 0, atol=1e-6)
    assert np.isinf(found[0, 9])
    assert np.isnan(found[0, 10])


@pytest.mark.parametrize("shape", [(3, 2), (2, 16), (2, 3, 33), (70, 48)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_normalization(shape: tuple[int, ...], offset: float) -> None:
    size = shape[-1]
    inputs = [random(*shape, offset=offset), random(size, offset=1.0), random(size)]
    formula = torch.nn.functional.layer_norm
    check_gradients(KernelNormalization(EPSILON), lambda x, g, b: formula(x, (size,), g, b, EPSILON), inputs)


def residual_inputs(rows: int, size: int) -> list[np.ndarray]:
    """Return x, bias, residual, gamma, beta."""
    return [random(rows, size), random(size), random(rows, size, offset=1.0), random(size, offset=1.0), random(size)]


@pytest.mark.parametrize(("rows", "size"), [(3, 5), (2, 16), (70, 48)])
def test_residual_normalization(rows: int, size: int) -> None:
    def formula(x: torch.Tensor, b: torch.Tensor, r: torch.Tensor, g: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x + b + r, (size,), g, o, EPSILON)

    check_gradients(ResidualNormalization(EPSILON), formula, residual_inputs(rows, size))


@pytest.mark.parametrize(("rows", "size"), [(3, 5), (2, 16), (70, 48)])
def test_dropout_normalization(rows: int, size: int) -> None:
    factors = torch.tensor(kept((rows, size), 0.3))

    def formula(x: torch.Tensor, b: torch.Tensor, r: torch.Tensor, g: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(r + (x + b) * factors, (size,), g, o, EPSILON)

    cell = WithConstants(DropoutNormalization(EPSILON, 0.3), KEY)
    check_gradients(cell, formula, residual_inputs(rows, size))


@pytest.mark.parametrize("shape", [(7,), (3, 16), (2, 3, 5, 33), (40_000,)])
def test_dropout(shape: tuple[int, ...]) -> None:
    factors = torch.tensor(kept(shape, 0.1))
    check_gradients(WithConstants(KernelDropout(0.1), KEY), lambda x: x * factors, [random(*shape)])


def test_dropout_drops_what_it_says() -> None:
    ones, size = Tensor(np.ones((1000, 1000), np.float32)), 1_000_000
    draw = DropoutKey()
    masks = [KernelDropout(0.1)(ones, draw()).asnumpy() > 0 for _ in range(2)]
    for mask in masks:
        # Four standard deviations of a binomial distribution; rows and columns of 1000 at 5.5, for there are 2000.
        assert abs(mask.mean() - 0.9) < 4 * 0.3 / math.sqrt(size)
        for axis in (0, 1):
            assert np.abs(mask.mean(axis) - 0.9).max() < 5.5 * 0.3 / math.sqrt(1000)
    # Two keys and neighbouring places are independent: both dropped with probability 0.01.
    both = [(~masks[0] & ~masks[1]).mean(), (~masks[0][:, 1:] & ~masks[0][:, :-1]).mean()]
    np.testing.assert_allclose(both, 0.01, atol=4 * math.sqrt(0.01 * 0.99 / size))


def test_keys_follow_the_seed() -> None:
    def draws() -> list[float]:
        ms.set_seed(3)
        first, second = DropoutKey(), DropoutKey()
        return [float(x) for cell in (first, first, second) for x in cell().asnumpy()]

    found = draws()
    assert len(set(found)) == 6
    assert draws() == found


def apart(x: torch.Tensor, batch: int, heads: int) -> torch.Tensor:
    """Return [B, N, T, H] of [B T, N H]."""
    return x.reshape(batch, -1, heads, x.shape[1] // heads).transpose(1, 2)


@pytest.mark.parametrize(("heads", "size"), [(2, 4), (3, 16), (1, 20)])
@pytest.mark.parametrize("is_query", [False, True])
def test_split_heads(heads: int, size: int, is_query: bool) -> None:
    batch, length = 2, 3
    scale = size**-0.5 if is_query else 1.0
    cell = WithConstants(SplitHeads(heads, is_query), np.zeros((batch, 1, 1, 9), np.float32))
    inputs = [random(batch * length, heads * size), random(heads * size)]
    check_gradients(cell, lambda x, b: apart(x + b, batch, heads) * scale, inputs)


def test_merge_heads() -> None:
    cell = WithConstants(MergeHeads(3), np.zeros((2, 1, 1, 9), np.float32))
    check_gradients(cell, lambda x: x.transpose(1, 2).reshape(8, 15), [random(2, 3, 4, 5)])


@pytest.mark.parametrize(("queries", "length"), [(8, 8), (1, 33), (40, 40)])
def test_masked_softmax(queries: int, length: int) -> None:
    mask = np.zeros((2, 1, 1, length), np.float32)
    mask[1, ..., length // 2 :] = -10_000
    scores = 4 * random(2, 3, queries, length)
    check_gradients(WithConstants(MaskedSoftmax(), mask), lambda x: torch.softmax(x + torch.tensor(mask), -1), [scores])
    found = MaskedSoftmax()(Tensor(scores), Tensor(mask)).asnumpy()
    assert (found[1, ..., length // 2 :] == 0).all()


def test_softmax_of_a_row_that_sees_nothing() -> None:
    mask = np.full((1, 1, 1, 5), -10_000, np.float32)
    found = MaskedSoftmax()(Tensor(np.zeros((1, 1, 1, 5), np.float32)), Tensor(mask)).asnumpy()
    np.testing.assert_allclose(found, 0.2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (64, 64), (130, 65)])
def test_transpose(shape: tuple[int, int]) -> None:
    values = random(*shape)
    np.testing.assert_array_equal(KernelTranspose()(Tensor(values)).asnumpy(), values.T)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_shows(bad: float) -> None:
    """The train step finds overflows by their gradients, so no kernel may hide one."""
    x, vector = random(4, 16), random(16)
    x[1, 3] = bad
    cells: list[tuple[nn.Cell, list[np.ndarray]]] = [
        (BiasGelu(), [x, vector]),
        (KernelNormalization(EPSILON), [x, vector, vector]),
        (ResidualNormalization(EPSILON), [x, vector, random(4, 16), vector, vector]),
        (KernelDropout(0.1), [x, KEY]),
        (MaskedSoftmax(), [x.reshape(1, 1, 4, 16), np.zeros((1, 1, 1, 16), np.float32)]),
    ]
    for cell, inputs in cells:
        assert not np.isfinite(cell(*map(Tensor, inputs)).asnumpy()).all(), type(cell).__name__
