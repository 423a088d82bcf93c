"""Check what was written: read back bit for bit, and computed by another program where there is one."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError, ConfigError

LARGEST_DIFFERENCE = 1e-4
"""Two programs sum in another order; what is wrongly read differs by far more."""
_PROGRAMS = ("transformers", "torch")


@dataclass(frozen=True)
class Comparison:
    """Two programs on the same inputs.

    Attributes:
        program: The other one, with its version.
        differences: The largest absolute difference of each output by name.
    """

    program: str
    differences: Mapping[str, float]

    def text(self) -> str:
        """Return one line for people."""
        parts = ", ".join(f"{name} {value:.1e}" for name, value in self.differences.items())
        return f"compared with {self.program} on fixed inputs, largest difference: {parts}"

    def require_equal(self, where: str) -> None:
        """Raise ``CheckpointError`` when an output differs by more than ``LARGEST_DIFFERENCE``."""
        # A comparison that is true for nan would let it pass.
        wrong = {name: value for name, value in self.differences.items() if not value <= LARGEST_DIFFERENCE}
        if wrong:
            shown = ", ".join(f"{name} by {value:.1e}" for name, value in wrong.items())
            what = f"the outputs differ from those of {self.program}: {shown}, allowed are {LARGEST_DIFFERENCE:.0e}"
            raise CheckpointError(what, where, "nothing was written; see whether the configuration is the weights' own")


def check_read_back(written: Mapping[str, np.ndarray], read: Mapping[str, np.ndarray], where: str) -> int:
    """Compare what was written with what a reader finds in the file, bit for bit.

    Returns:
        Number of parameters compared.

    Raises:
        CheckpointError: A name, a shape or a bit differs.
    """
    if set(written) != set(read):
        names = ", ".join(sorted(set(written) ^ set(read))[:4])
        raise CheckpointError(f"the written file lacks parameters or has others: {names}", where, "report this fault")
    for name, values in written.items():
        if values.shape != read[name].shape or values.tobytes() != read[name].tobytes():
            raise CheckpointError(f"{name} is read back differently", where, "check disk and memory, and try again")
    return len(written)


def missing_programs() -> tuple[str, ...]:
    """Return which packages of HF transformers' side are not installed."""
    return tuple(name for name in _PROGRAMS if importlib.util.find_spec(name) is None)


def reason_not_to_compare(folder: Path | None, mode: str) -> str:
    """Return why the outputs cannot be compared with those of another program; empty when they can.

    Args:
        folder: The folder of HF transformers on one side of the conversion; ``None`` where neither side is one.
        mode: ``auto``, ``true`` or ``false``.

    Raises:
        ConfigError: ``true`` was asked for, and it cannot be done.
    """
    if mode == "false":
        return "not asked for (--verify false)"
    missing = missing_programs()
    if folder is None:
        reason = "neither side is a folder of HF transformers, and TensorFlow itself has no ALBERT to run"
        fix = "take --verify auto"
    elif missing:
        reason = f"{' and '.join(missing)} not installed"
        fix = "install transformers and torch, or take --verify auto"
    else:
        return ""
    if mode == "true":
        raise ConfigError(f"the outputs cannot be compared: {reason}", "--verify true", fix)
    return reason
