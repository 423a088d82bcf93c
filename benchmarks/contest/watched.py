"""How long the calls of a network take, and how much of that is the compilation of its graphs."""

from __future__ import annotations

import time
from statistics import median
from typing import Any


class Watched:
    """A network or train cell whose calls are timed by the length of their batch."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell
        self._seconds: dict[int, list[float]] = {}

    def __call__(self, *inputs: Any) -> Any:
        """Call it."""
        start = time.perf_counter()
        outputs = self._cell(*inputs)
        self._seconds.setdefault(inputs[0].shape[1], []).append(time.perf_counter() - start)
        return outputs

    def set_train(self, mode: bool = True) -> None:
        """Choose between training and inference."""
        self._cell.set_train(mode)

    @property
    def compile_s(self) -> float:
        """Seconds by which the first call of each length took longer than the usual one: it compiles a graph."""
        return sum(max(0.0, calls[0] - median(calls[1:] or [0.0])) for calls in self._seconds.values())
