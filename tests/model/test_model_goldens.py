from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.parity.cases import GOLDEN_CASES, TOLERANCE, Case, Outcome, differences, random_batch, random_weights
from tests.parity.ours import our_outcome

FOLDER = Path(__file__).resolve().parents[1] / "goldens" / "model"
PYNATIVE = 1


def _stored(case: Case, weights: dict[str, np.ndarray]) -> Outcome:
    with np.load(FOLDER / f"{case.name}.npz") as stored:
        names = sorted(weights)
        ends = np.cumsum([weights[name].size for name in names])
        assert stored["gradients"].shape == (ends[-1],)
        parts = np.split(stored["gradients"], ends[:-1])
        return Outcome(
            hidden_states=list(stored["hidden_states"]),
            pooled=stored["pooled"] if "pooled" in stored.files else None,
            logits=stored["logits"],
            loss=stored["loss"],
            gradients={name: part.reshape(weights[name].shape) for name, part in zip(names, parts, strict=True)},
        )


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_network_equals_the_stored_outputs_of_huggingface(case: Case) -> None:
    weights, batch = random_weights(case), random_batch(case)
    found = differences(our_outcome(case, weights, batch, PYNATIVE), _stored(case, weights))
    assert max(found.values()) < TOLERANCE, found
