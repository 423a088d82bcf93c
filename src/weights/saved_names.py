"""The names under which this project's trainings save parameters: the model zoo's, with its wrappers in front."""

from __future__ import annotations

from src.weights.coverage import HEADS

_MODEL = "albert."
_BACKBONE = "albert.albert."


def saved_name(canonical: str) -> str:
    """Return the name of a parameter in a checkpoint: ``albert.albert.dense.weight``, of a head ``albert.cls2...``."""
    is_head = canonical.split(".", 1)[0] in HEADS
    return f"{_MODEL if is_head else _BACKBONE}{canonical}"
