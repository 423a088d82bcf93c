from __future__ import annotations

import pytest

from tests.parity.cases import BASE_CASE, SMALL_CASES, TOLERANCE, Case, differences, random_batch, random_weights

pytest.importorskip("torch", reason="parity with HF transformers needs torch")
pytest.importorskip("transformers", reason="parity needs transformers")

GRAPH, PYNATIVE = 0, 1


def _check(case: Case, mode: int) -> None:
    from tests.parity.ours import our_outcome
    from tests.parity.reference import reference_outcome

    weights, batch = random_weights(case), random_batch(case)
    reference = reference_outcome(case, weights, batch)
    # A parity of zeros would be worth nothing: every parameter that takes part has a gradient.
    assert sum(abs(gradient).max() == 0 for gradient in reference.gradients.values()) <= 2
    found = differences(our_outcome(case, weights, batch, mode), reference)
    assert max(found.values()) < TOLERANCE, found


@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_small_networks_equal_huggingface_in_pynative_mode(case: Case) -> None:
    _check(case, PYNATIVE)


def test_two_groups_of_two_layers_equal_huggingface_in_graph_mode() -> None:
    _check(SMALL_CASES[1], GRAPH)


@pytest.mark.slow
def test_base_network_equals_huggingface_in_graph_mode() -> None:
    _check(BASE_CASE, GRAPH)
