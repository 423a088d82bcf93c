from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.common.errors import ConfigError
from src.model.losses import AlbertCLS


class FixedLogits(nn.Cell):
    """A model whose logits are its parameter, so that losses can be checked by hand."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.num_labels = logits.shape[-1]
        self.logits = ms.Parameter(Tensor(logits.astype(np.float32)), name="logits")

    def construct(self, input_ids: Tensor, input_mask: Tensor, segment_ids: Tensor) -> Tensor:
        return self.logits * 1.0


def _run(
    kind: str, logits: np.ndarray, labels: np.ndarray, weight: list[float], count: float
) -> tuple[float, list[float], np.ndarray]:
    network = AlbertCLS(FixedLogits(logits), kind)
    none = Tensor(np.zeros((1, 1)), ms.int32)
    inputs = (none, none, none, Tensor(labels), Tensor(weight, ms.float32), Tensor([count], ms.float32))
    (loss, figures), (gradient,) = ms.value_and_grad(network, None, network.trainable_params(), has_aux=True)(*inputs)
    assert len(figures) == len(network.figure_names)
    return float(loss), [float(figure) for figure in figures], gradient.asnumpy()


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def test_classification_ignores_filler_rows() -> None:
    logits = np.random.RandomState(0).randn(4, 3) * 3
    labels = np.array([2, 0, 1, 1], np.int32)
    loss, (accuracy,), gradient = _run("classification", logits, labels, [1, 1, 1, 0], 3)
    log_probability = _log_softmax(logits)
    assert loss == pytest.approx(-log_probability[np.arange(3), labels[:3]].mean(), abs=5e-6)
    assert accuracy == pytest.approx((logits.argmax(-1) == labels)[:3].mean())
    expected = (np.exp(log_probability) - np.eye(3)[labels]) / 3
    expected[3] = 0
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_the_sum_over_parts_with_the_whole_count_is_the_loss_of_the_whole() -> None:
    logits = np.random.RandomState(1).randn(4, 3)
    labels = np.array([2, 0, 1, 1], np.int32)
    whole, _, _ = _run("classification", logits, labels, [1, 1, 1, 1], 4)
    parts = [_run("classification", logits[s], labels[s], [1, 1], 4)[0] for s in (slice(0, 2), slice(2, 4))]
    assert sum(parts) == pytest.approx(whole, abs=5e-6)


def test_classification_is_finite_for_extreme_logits() -> None:
    loss, _, gradient = _run("classification", np.array([[300.0, -300.0]]), np.array([1], np.int32), [1], 1)
    assert loss == pytest.approx(600)
    np.testing.assert_allclose(gradient, [[1, -1]], atol=1e-6)


def test_token_classification_counts_labelled_tokens_of_real_rows() -> None:
    logits = np.random.RandomState(2).randn(3, 4, 5)
    labels = np.array([[-100, 1, 4, -100], [-100, 0, -100, -100], [-100, 2, 2, 2]], np.int32)
    loss, (accuracy,), gradient = _run("token_classification", logits, labels, [1, 1, 0], 3)
    chosen = [(0, 1), (0, 2), (1, 1)]
    log_probability = _log_softmax(logits)
    assert loss == pytest.approx(-np.mean([log_probability[r, t, labels[r, t]] for r, t in chosen]), abs=5e-6)
    assert accuracy == pytest.approx(np.mean([logits[r, t].argmax() == labels[r, t] for r, t in chosen]))
    touched = {(int(r), int(t)) for r, t in np.argwhere(np.abs(gradient).sum(-1) > 0)}
    assert touched == set(chosen)


@pytest.mark.parametrize("kind", ["classification", "regression", "token_classification"])
def test_a_batch_in_which_nothing_counts_has_loss_0(kind: str) -> None:
    logits = np.ones({"classification": (2, 3), "regression": (2, 1), "token_classification": (2, 4, 3)}[kind])
    labels = {"regression": np.ones(2, np.float32), "token_classification": np.full((2, 4), -100, np.int32)}
    loss, figures, gradient = _run(kind, logits, labels.get(kind, np.ones(2, np.int32)), [0, 0], 0)
    assert [loss, *figures] == [0] * (1 + len(figures))
    assert not gradient.any()


def test_regression_is_the_squared_error_of_the_raw_score() -> None:
    logits, labels = np.array([[2.5], [-1.0], [9.0]]), np.array([5.0, 0.0, 1.0], np.float32)
    loss, figures, gradient = _run("regression", logits, labels, [1, 1, 0], 2)
    assert loss == pytest.approx((2.5**2 + 1) / 2)
    assert figures == []
    np.testing.assert_allclose(gradient, [[-2.5], [-1.0], [0.0]], atol=1e-6)


def test_regression_with_several_outputs_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"num_class.*1 output, not 3"):
        AlbertCLS(FixedLogits(np.zeros((1, 3))), "regression")


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ranking.*classification"):
        AlbertCLS(FixedLogits(np.zeros((1, 3))), "ranking")
