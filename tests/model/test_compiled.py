"""When networks are made with the compiled kernels, and that they compute the same with and without."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.kernels import library
from src.kernels.library import compiled_library
from src.model import compiled
from src.model.compiled import Kernel, kernels_are_there, kernels_fit, portable, recomputes
from src.model.heads import AlbertCLSModel
from src.model.kernels import SumOfSquares
from tests.kernels.needs import needs_compiler
from tests.parity.cases import SMALL_CASES, Case, differences, random_batch, random_weights, tiny_config
from tests.parity.ours import our_outcome

pytestmark = needs_compiler


@pytest.fixture(name="no_kernels")
def _no_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(library.SWITCH, "off")
    for cached in (compiled_library, compiled._could_be_compiled):
        cached.cache_clear()
    yield
    for cached in (compiled_library, compiled._could_be_compiled):
        cached.cache_clear()


def _kernels_of(network: ms.nn.Cell) -> int:
    return sum(isinstance(cell, Kernel) for _, cell in network.cells_and_names())


@pytest.mark.slow
@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_results_and_gradients_are_those_of_mindspores_operators(case: Case) -> None:
    weights, batch = random_weights(case), random_batch(case)
    fused = our_outcome(case, weights, batch, ms.GRAPH_MODE)
    with portable():
        plain = our_outcome(case, weights, batch, ms.GRAPH_MODE)
    # Numbers of about 1, summed in another order.
    assert max(differences(fused, plain).values()) < 1e-5


def test_where_they_are_used() -> None:
    assert _kernels_of(AlbertCLSModel(tiny_config(), 2)) > 10
    with portable():
        assert not _kernels_of(AlbertCLSModel(tiny_config(), 2))
    assert _kernels_of(AlbertCLSModel(tiny_config(), 2)) > 10


@pytest.mark.parametrize(
    "changes",
    [{"compute_type": "float16"}, {"dtype": "float16"}],
    ids=lambda changes: next(iter(changes)),
)
def test_networks_without(changes: dict[str, object]) -> None:
    assert kernels_are_there()
    assert not kernels_fit(tiny_config(**changes))
    assert not _kernels_of(AlbertCLSModel(tiny_config(**changes), 2))


def test_recompute_has_no_effect_with_them(caplog: pytest.LogCaptureFixture) -> None:
    compiled._tell_of_recompute.cache_clear()
    config = tiny_config(recompute=True)
    with caplog.at_level(logging.INFO):
        assert not recomputes(config)
        assert _kernels_of(AlbertCLSModel(config, 2)) == _kernels_of(AlbertCLSModel(tiny_config(), 2))
    assert [record.getMessage()[:29] for record in caplog.records] == ["recompute has no effect here:"]
    with portable():
        assert recomputes(config)
    assert not recomputes(tiny_config())


def test_not_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ms, "get_context", lambda name: "Ascend" if name == "device_target" else None)
    assert not kernels_are_there()


def test_without_them_it_is_said_why(no_kernels: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        model = AlbertCLSModel(tiny_config(), 2)
    assert not _kernels_of(model)
    lines = [record.getMessage() for record in caplog.records if "kernels" in record.getMessage()]
    assert lines == ["without compiled kernels, which is slower: ALBERT_KERNELS is off"]


@pytest.mark.parametrize("shape", [(1,), (15,), (7, 33), (70_001,)])
def test_sum_of_squares(shape: tuple[int, ...]) -> None:
    values = np.random.RandomState(5).standard_normal(shape).astype(np.float32)
    expected = np.square(values.astype(np.float64)).sum()
    assert SumOfSquares()(Tensor(values)).asnumpy() == pytest.approx(expected, rel=1e-6)
    with portable():
        assert SumOfSquares()(Tensor(values)).asnumpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_sum_of_squares_shows_what_is_not_finite(bad: float) -> None:
    values = np.ones((40, 20), np.float32)
    values[33, 7] = bad
    assert not np.isfinite(SumOfSquares()(Tensor(values)).asnumpy())


def test_a_graph_that_is_not_float32_is_refused() -> None:
    kernel = Kernel("albert_dropout", lambda x, p, key: x)
    half = Tensor(np.ones((2, 16), np.float16))
    with pytest.raises(RuntimeError):
        kernel(half, Tensor(np.array([0.1], np.float32)), Tensor(np.ones(2, np.float32))).asnumpy()
