from __future__ import annotations

import pytest

from tests.parity.cases import TOLERANCE

pytest.importorskip("torch", reason="parity with HF transformers needs torch")
pytest.importorskip("transformers", reason="parity needs transformers")

GRAPH, PYNATIVE = 0, 1


@pytest.mark.parametrize("head", ["span", "beam"])
@pytest.mark.parametrize("mode", [PYNATIVE, pytest.param(GRAPH, marks=pytest.mark.slow)])
def test_outputs_losses_and_gradients_equal_huggingface(head: str, mode: int) -> None:
    from tests.parity import squad_heads

    found = squad_heads.squad_differences(head, squad_heads.SMALL, mode)
    assert max(found.values()) < TOLERANCE, found
