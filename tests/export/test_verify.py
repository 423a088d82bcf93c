"""What counts as a difference between two networks."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import CheckpointError
from src.export.verify import check_difference, largest_difference


def f(*rows: object) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def i(*rows: object) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


def test_the_largest_of_all_outputs_counts() -> None:
    assert largest_difference([f([1, 2]), f([3])], [f([1, 2.5]), f([2.75])]) == 0.5
    assert largest_difference([f([1, 2])], [f([1, 2])]) == 0.0


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([f([1])], []),
        ([f([1])], [f([1], [1])]),
        ([f([1])], [f([1]).astype(np.float64)]),
        ([f([1])], [f([np.nan])]),
        ([f([np.nan])], [f([np.nan])]),
        ([f([1])], [f([np.inf])]),
        ([f([2, 1]), i([3, 4])], [f([2, 1]), i([5, 4])]),
        ([i([3, 4])], [i([4, 3])]),
    ],
)
def test_what_cannot_be_compared_is_infinitely_different(expected: list[np.ndarray], found: list[np.ndarray]) -> None:
    assert largest_difference(expected, found) == float("inf")


def test_impossible_values_are_equal_when_both_are() -> None:
    assert largest_difference([f([-10000.001, 1])], [f([-10003, 1])]) == 0.0
    assert largest_difference([f([-10000, 1])], [f([1, 1])]) > 10000


def test_places_of_equal_scores_have_no_order() -> None:
    scores = f([-1, -2, -2.000001, -3, -4])
    assert largest_difference([scores, i([7, 5, 6, 2, 1])], [scores, i([7, 6, 5, 2, 1])]) == 0.0
    # The last may have changed places with one that is not in the list.
    assert largest_difference([scores, i([7, 5, 6, 2, 1])], [scores, i([7, 5, 6, 2, 9])]) == 0.0
    assert largest_difference([scores, i([7, 5, 6, 2, 1])], [scores, i([8, 5, 6, 2, 1])]) == float("inf")
    impossible = f([-1, -10000, -10001])
    assert largest_difference([impossible, i([7, 5, 6])], [impossible, i([7, 1, 2])]) == 0.0


def test_a_difference_above_the_tolerance_is_refused() -> None:
    check_difference(9e-5, "m.onnx", is_half=False, target="CPU")
    with pytest.raises(CheckpointError, match=r"m.onnx on CPU: .* by 0.0002, more than 1e-04; nothing was kept"):
        check_difference(2e-4, "m.onnx", is_half=False, target="CPU")
    for difference in (float("inf"), float("nan")):
        with pytest.raises(CheckpointError, match="compute_type float32"):
            check_difference(difference, "m.onnx", is_half=True, target="CPU")
