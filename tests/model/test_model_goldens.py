from __future__ import annotations

import pytest

from tests.parity.cases import GOLDEN_CASES, TOLERANCE, Case, differences, random_batch, random_weights
from tests.parity.goldens import stored_outcome
from tests.parity.ours import our_outcome

PYNATIVE = 1


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_network_equals_the_stored_outputs_of_huggingface(case: Case) -> None:
    weights, batch = random_weights(case), random_batch(case)
    found = differences(our_outcome(case, weights, batch, PYNATIVE), stored_outcome(case, weights))
    assert max(found.values()) < TOLERANCE, found
