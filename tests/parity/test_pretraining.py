from __future__ import annotations

import pytest

from tests.parity.cases import TOLERANCE

pytest.importorskip("torch", reason="parity with HF transformers needs torch")
pytest.importorskip("transformers", reason="parity needs transformers")


@pytest.mark.parametrize(("size", "length"), [("SMALL", 12), pytest.param("BASE", 32, marks=pytest.mark.slow)])
def test_logits_loss_and_gradients_equal_huggingface(size: str, length: int) -> None:
    from tests.parity import pretraining

    found = pretraining.pretraining_differences(getattr(pretraining, size), length)
    assert max(found.values()) < TOLERANCE, found
