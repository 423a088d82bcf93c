"""The command that takes HF's networks there and back, on a network that is small enough for every test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.weights.sizes import PRETRAINING, Outcome, parse, there_and_back

pytest.importorskip("torch", reason="HF's code makes the networks")
pytest.importorskip("transformers", reason="HF's code makes the networks")

SMALL = {
    "vocab_size": 50, "embedding_size": 8, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
    "intermediate_size": 40, "max_position_embeddings": 16,
}  # fmt: skip


@pytest.mark.slow
def test_a_small_network_goes_there_and_back(tmp_path: Path) -> None:
    outcome = there_and_back(tmp_path, PRETRAINING, "base", SMALL)
    assert outcome.passed
    assert outcome.tensors == 32
    assert max(outcome.differences) > 0


@pytest.mark.parametrize(
    "outcome", [Outcome(9, (0.0, 1e-3), 2, 2), Outcome(9, (0.0, 0.0), 1, 2), Outcome(9, (float("nan"), 0.0), 2, 2)]
)
def test_a_loss_is_seen(outcome: Outcome) -> None:
    assert not outcome.passed


def test_all_sizes_are_the_default() -> None:
    assert parse([]).sizes == "base,large,xlarge,xxlarge"
