"""Write what a search for an overflow has found: a json, the tensors behind it, and a table for the log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from src.common.files import atomic_path, make_directory, write_json_atomic
from src.runtime.array_figures import aligned_table
from src.train.overflow_trace import OverflowTrace, SeenTensor

# Larger tensors are described and not written.
_MOST_BYTES = 100_000_000


def write_report(folder: Path, step: int, trace: OverflowTrace, about: Mapping[str, Any]) -> Path:
    """Write the report of an update under a name that is free, and return its path.

    Args:
        folder: Where reports go.
        step: Number of the update, from 1.
        trace: What was found.
        about: What else belongs into the report.
    """
    make_directory(folder)
    path = folder / f"step_{step}.json"
    number = 2
    while path.exists():
        path = folder / f"step_{step}-{number}.json"
        number += 1
    files: dict[str, str] = {}
    for name, values in trace.inputs.items():
        if values.nbytes <= _MOST_BYTES:
            target = folder / f"{path.stem}_{re.sub(r'[^a-z0-9]+', '_', name)}.npy"
            with atomic_path(target) as temporary, temporary.open("wb") as stream:
                np.save(stream, values, allow_pickle=False)
            files[name] = target.name
        else:
            files[name] = f"not written: {values.nbytes} bytes"
    content = {
        **about,
        "step": step,
        "began_in": trace.place or "not seen again",
        "first": None if trace.first is None else _content_of(trace.first),
        "files": files,
        "loss": str(trace.loss),
        "parameters_not_finite": trace.parameters,
        "gradients_not_finite": trace.gradients,
        "tensors": [_content_of(item) for item in trace.seen],
    }
    write_json_atomic(path, content)
    return path


def largest_values(trace: OverflowTrace) -> list[str]:
    """Return a table with the largest absolute value of each part of the network, forward and backward."""
    parts: dict[str, list[SeenTensor]] = {}
    for item in trace.seen:
        parts.setdefault(item.part, []).append(item)
    rows = []
    for part, items in parts.items():
        backward = [item for item in items if item.tensor.startswith("gradient")]
        forward = [item for item in items if not item.tensor.startswith("gradient")]
        kinds = ", ".join(sorted({item.figures.dtype for item in items}))
        mark = "<- first" if trace.first is not None and trace.first.part == part else ""
        rows.append([part, _largest(forward), _largest(backward), kinds, mark])
    return aligned_table(["part", "max abs", "of its gradient", "types", ""], rows)


def _largest(items: list[SeenTensor]) -> str:
    """Return the largest absolute value, with what is not finite beside it."""
    if not items:
        return "-"
    nans, infinities = (sum(getattr(item.figures, name) for item in items) for name in ("nans", "infinities"))
    counts = [f"{count} {name}" for count, name in ((infinities, "inf"), (nans, "nan")) if count]
    return " + ".join([f"{max(item.figures.max_abs for item in items):.4g}", *counts])


def _content_of(item: SeenTensor) -> dict[str, Any]:
    known = item.figures
    return {
        "part": item.part,
        "cell": item.path,
        "tensor": item.tensor,
        "shape": list(known.shape),
        "dtype": known.dtype,
        "max_abs": known.max_abs,
        "nan": known.nans,
        "inf": known.infinities,
    }
