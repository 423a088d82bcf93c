"""What ``benchmarks.recompute_memory`` asks of a process that measures, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src.config.presets import preset


@dataclass(frozen=True)
class Case:
    """What to measure.

    Attributes:
        network: Keys of ``NetworkConfig``.
        batch: Rows B.
        length: Tokens T of a row.
        steps: Train steps, at least 1.
    """

    network: dict[str, Any]
    batch: int
    length: int
    steps: int


@dataclass(frozen=True)
class Measured:
    """What one process found; memory in MB (2^20 bytes).

    Attributes:
        parameters: Trainable weights.
        before_mb: Resident memory before the first step, with the weights and the compiled graph.
        peak_mb: Largest resident memory during the steps, minus ``before_mb``.
        step_s: Seconds of the last step.
        losses: Loss of every step.
        grad_norms: Gradient norm of every step.
    """

    parameters: int
    before_mb: float
    peak_mb: float
    step_s: float
    losses: list[float]
    grad_norms: list[float]


def case_of(size: str, layers: int | None, batch: int, length: int, steps: int, recompute: bool) -> Case:
    """Return the case of a published size (version 2: without dropout), perhaps with fewer layers."""
    keys = {**preset(size, "v2"), "seq_length": length, "recompute": recompute}
    if layers is not None:
        keys["num_hidden_layers"] = layers
    return Case(keys, batch, length, steps)
