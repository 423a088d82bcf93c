"""What is measured, and the batches that both sides get. Needs NumPy alone: the peers' environment reads it, too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.common.seeds import child_generator

SEED = 1
VOCAB_SIZE = 30000
FINETUNE, FORWARD, PRETRAIN = "finetune", "forward", "pretrain"
_PREDICTIONS = 20


@dataclass(frozen=True)
class StepCase:
    """One step of a published size on random tokens; all rows are full.

    Attributes:
        kind: ``finetune`` (a train step of two classes), ``forward`` (the same network without training), or
            ``pretrain`` (a train step of MLM and SOP).
        size: ``base`` or ``large``.
        rows: B.
        length: T.
        dropout: Probability in encoder and attention; the one before a head of classes stays 0.1 in training.
        target: Largest ratio of our time to the peer's that is aimed at; ``None`` for none.
        recompute: Compute layers anew in the backward pass instead of keeping what they gave.
        layers: Layers, where they are not those of the size.
    """

    kind: str
    size: str
    rows: int
    length: int
    dropout: float
    target: float | None = None
    recompute: bool = False
    layers: int | None = None

    @property
    def name(self) -> str:
        """Name it in a table."""
        more = f" dropout {self.dropout:g}" if self.kind != FORWARD else ""
        layers = "" if self.layers is None else f" {self.layers} layers"
        return f"{self.kind} {self.size}{layers} {self.rows} x {self.length}{more}{' recompute' * self.recompute}"


CASES = {
    "train": (
        StepCase(FINETUNE, "base", 8, 128, 0.0, 1.0),
        StepCase(FINETUNE, "base", 8, 128, 0.1, 1.0),
        StepCase(FINETUNE, "base", 32, 64, 0.0, 1.0),
        StepCase(FINETUNE, "base", 32, 64, 0.1, 1.0),
    ),
    "forward": (
        StepCase(FORWARD, "base", 8, 128, 0.0, 0.9),
        StepCase(FORWARD, "base", 32, 64, 0.0, 0.9),
    ),
    "pretrain": (StepCase(PRETRAIN, "base", 8, 128, 0.0, 0.8),),
    "memory": (
        StepCase(FINETUNE, "base", 8, 128, 0.0),
        StepCase(FINETUNE, "base", 8, 128, 0.0, recompute=True),
        StepCase(FINETUNE, "large", 4, 128, 0.0),
        StepCase(FINETUNE, "large", 4, 128, 0.0, recompute=True),
    ),
    "cold": (
        StepCase(FINETUNE, "base", 8, 128, 0.0, layers=12),
        StepCase(FINETUNE, "base", 8, 128, 0.0, layers=24),
    ),
}
"""The cases of each benchmark, by its name on the command line."""


@dataclass(frozen=True)
class Batch:
    """Random inputs of a step.

    Attributes:
        ids: Token ids int32 [B, T].
        segments: int32 [B, T]; the second half of a row is segment 1.
        labels: Classes, or whether segments are swapped, int32 [B].
        positions: Predicted positions int32 [B, P], ascending.
        predictions: Token ids there int32 [B, P].
    """

    ids: np.ndarray
    segments: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    predictions: np.ndarray


def batch_of(case: StepCase) -> Batch:
    """Return the batch of a case, the same for both sides."""
    random = child_generator(SEED, "contest")
    rows, length = case.rows, case.length
    # The first ids are special tokens; padding among them would be left out by the peer's attention.
    ids = random.integers(5, VOCAB_SIZE, (rows, length))
    segments = np.broadcast_to(np.arange(length) >= length // 2, (rows, length))
    places = np.linspace(1, length - 2, _PREDICTIONS).astype(np.int32)
    arrays = (
        ids,
        segments,
        random.integers(0, 2, rows),
        np.tile(places, (rows, 1)),
        random.integers(5, VOCAB_SIZE, (rows, _PREDICTIONS)),
    )
    return Batch(*(values.astype(np.int32) for values in arrays))
