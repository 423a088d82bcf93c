"""Compare an exported model with the network that it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src.common.errors import CheckpointError

TOLERANCE = 1e-4
"""Largest difference between outputs of an export that is good. Rounding of another library's sums is about 1e-6."""

# What stands for minus infinity is about -10000, where float32 has steps of 1e-3. Nothing else is that low.
_IMPOSSIBLE = -5000.0


def largest_difference(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    """Return the largest difference between two lists of outputs; infinity where they cannot be compared.

    Values that mean "impossible" in both are equal. Whole numbers are places that go with the scores in front of
    them: another place is a difference only where its score is possible, and differs from its neighbours' by more
    than rounding, because equal scores have no order.

    Args:
        expected: Outputs of the checkpoint.
        found: Outputs of the exported model.
    """
    if len(expected) != len(found):
        return float("inf")
    largest = 0.0
    scores: np.ndarray | None = None
    for a, b in zip(expected, found, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return float("inf")
        if np.issubdtype(a.dtype, np.integer):
            if (a[_settled(a, scores)] != b[_settled(a, scores)]).any():
                return float("inf")
            continue
        scores = a
        both = (a < _IMPOSSIBLE) & (b < _IMPOSSIBLE)
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64))[~both]
        # NaN in either of them would pass any comparison.
        largest = max(largest, float(difference.max(initial=0.0)) if np.isfinite(difference).all() else float("inf"))
    return largest


def _settled(places: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
    """Return where the order of places is not a matter of rounding."""
    if scores is None or scores.shape != places.shape:
        return np.ones(places.shape, dtype=bool)
    gaps = np.abs(np.diff(scores.astype(np.float64), axis=-1)) > TOLERANCE
    ends = np.ones((*places.shape[:-1], 1), dtype=bool)
    # The last place may be exchanged with one that is not in the list.
    after = np.concatenate([gaps, ~ends], axis=-1)
    return (scores > _IMPOSSIBLE) & np.concatenate([ends, gaps], axis=-1) & after


def check_difference(difference: float, where: str, *, is_half: bool, target: str) -> None:
    """Raise ``CheckpointError`` when an exported model is not the network that it was made from.

    Args:
        difference: Largest difference of their outputs.
        where: Name of the exported model.
        is_half: Whether the network computes in float16.
        target: Where it was computed.
    """
    if difference <= TOLERANCE:
        return
    what = f"the exported model differs from the checkpoint by {difference:.2g}, more than {TOLERANCE:.0e}"
    fix = "export MINDIR, or on the CPU, and report this"
    if is_half:
        fix = "float16 rounds differently in each library: export with the network's compute_type float32"
    raise CheckpointError(f"{what}; nothing was kept", f"{where} on {target}", fix)
