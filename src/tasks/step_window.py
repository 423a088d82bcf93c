"""Collect what training steps return and turn it into figures only when they are logged.

Reading a tensor makes the host wait for the device, so results stay tensors until a log line is due.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.tasks.feed import StepInfo
from src.train.progress import FIRST_UPDATE

# What the train cell returns before the network's own figures.
_LOSS, _GRAD_NORM, _LEARNING_RATE, LOSS_SCALE, OVERFLOW, _FIRST_FIGURE = range(6)


@dataclass(frozen=True)
class SpeedMeter:
    """How fast a window of steps was.

    Args:
        train_flops: Gives the model FLOPs of a train step of some rows of some length (``src/model/flops.py``).
        processes: Processes that train together; their batches are taken to be like this one's.
        peak_tflops: What one device can do, in TFLOP/s; 0 where nobody knows.
    """

    train_flops: Callable[[int, int], int]
    processes: int = 1
    peak_tflops: float = 0.0

    def figures(self, infos: Sequence[StepInfo], updates: int, elapsed_s: float) -> dict[str, float]:
        """Return the speed over all processes; ``mfu`` is the share of the peak, where that is known.

        FLOPs are those of the real rows at the length that they were padded to; filler rows do not count.
        """
        flops = sum(self.train_flops(len(info.indices), info.length) for info in infos)
        tflops = self.processes * flops / elapsed_s / 1e12
        figures = {
            "ms_per_step": 1000 * elapsed_s / updates,
            "tokens_per_s": self.processes * sum(info.tokens for info in infos) / elapsed_s,
            "tflops": tflops,
        }
        if self.peak_tflops:
            figures["mfu"] = tflops / (self.processes * self.peak_tflops)
        return figures


@dataclass
class StepWindow:
    """The steps since the last log line.

    Args:
        figure_names: Names of the figures that the network returns beside its loss.
        accumulation_steps: Micro-batches of an update; their losses add up to the update's loss.
        speed: Turns batches and seconds into speeds.
    """

    figure_names: Sequence[str]
    accumulation_steps: int
    speed: SpeedMeter
    _outputs: list[tuple[Any, ...]] = field(default_factory=list)
    _infos: list[StepInfo] = field(default_factory=list)
    _started_s: float = field(default_factory=time.perf_counter)
    _is_cold: bool = True
    _first_update_s: float | None = None

    def add(self, info: StepInfo, outputs: tuple[Any, ...]) -> None:
        """Remember the result of one micro-batch."""
        self._infos.append(info)
        self._outputs.append(outputs)
        if self._is_cold and len(self) == self.accumulation_steps:
            self._is_cold = False
            # Graphs are compiled within the call, so the time is right though nobody has read the result yet.
            self._first_update_s = time.perf_counter() - self._started_s

    def figures(self) -> dict[str, float]:
        """Return the window's figures: means over updates, the last scale and rate, speed.

        ``overflow_steps`` counts the updates that were skipped; their losses are left out of the mean when others
        remain, so that one skipped update does not hide the rest of the window. ``first_update_ms`` is there in the
        first window of a process: the part of its time that compiled the graph.
        """
        updates = len(self._outputs) // self.accumulation_steps
        elapsed_s = time.perf_counter() - self._started_s
        skipped = [bool(self._outputs[self._last_micro(i)][OVERFLOW].asnumpy()) for i in range(updates)]
        kept = [i for i in range(updates) if not skipped[i]] or list(range(updates))
        last = self._outputs[self._last_micro(updates - 1)]
        return {
            "loss": self._mean(kept, _LOSS),
            **{name: self._mean(kept, _FIRST_FIGURE + number) for number, name in enumerate(self.figure_names)},
            "learning_rate": float(last[_LEARNING_RATE].asnumpy()),
            "grad_norm": math.fsum(float(self._outputs[self._last_micro(i)][_GRAD_NORM].asnumpy()) for i in kept)
            / len(kept),
            "loss_scale": float(last[LOSS_SCALE].asnumpy()),
            "overflow_steps": sum(skipped),
            **self.speed.figures(self._infos, updates, elapsed_s),
            **({} if self._first_update_s is None else {FIRST_UPDATE: 1000 * self._first_update_s}),
        }

    def clear(self) -> None:
        """Begin a new window now."""
        self._outputs.clear()
        self._infos.clear()
        self._first_update_s = None
        self._started_s = time.perf_counter()

    def __len__(self) -> int:
        """Return the number of micro-batches remembered."""
        return len(self._outputs)

    def _last_micro(self, update: int) -> int:
        return (update + 1) * self.accumulation_steps - 1

    def _mean(self, updates: Sequence[int], place: int) -> float:
        """Return the mean over updates of a value whose micro-batch parts add up to the update's value."""
        total = 0.0
        for update in updates:
            first = update * self.accumulation_steps
            parts = self._outputs[first : first + self.accumulation_steps]
            total += math.fsum(float(part[place].asnumpy()) for part in parts)
        return total / len(updates)
