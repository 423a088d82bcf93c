"""Show how a training goes: a bar on a terminal, plain lines in a log, the same figures in both."""

from __future__ import annotations

import logging
import numbers
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from tqdm import tqdm

from src.common.log import FILE_ONLY

LOGGER = logging.getLogger(__name__)

_BAR_FORMAT = "{desc} {percentage:3.0f}%|{bar:16}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
_EVALUATION_LINE_S = 30.0
FIRST_UPDATE = "first_update_ms"
"""Time of the first update of a process, in ms: kept for the summary of the run, and not shown in its lines."""

# Short names and number formats of the figures that are not parts of the loss, in the order of the line.
_SHOWN = {
    "learning_rate": ("lr", "{:.3e}"),
    "grad_norm": ("grad_norm", "{:.4g}"),
    "loss_scale": ("loss_scale", "{:g}"),
    "overflow_steps": ("overflow_steps", "{:g}"),
    "ms_per_step": ("ms/step", "{:.1f}"),
    "tokens_per_s": ("tokens/s", "{:.0f}"),
    "tflops": ("TFLOP/s", "{:.3g}"),
    "mfu": ("mfu", "{:.1%}"),
}


def shows_bars(stream: TextIO) -> bool:
    """Tell whether a bar can be drawn on ``stream``: a terminal, and one with a size.

    Containers and CI systems may give a terminal of no columns or no lines, on which a bar would be invisible.
    """
    if not stream.isatty():
        return False
    try:
        size = os.get_terminal_size(stream.fileno())
        return size.columns > 0 and size.lines > 1
    except (OSError, ValueError):
        return True


def format_duration(seconds: float) -> str:
    """Return ``h:mm:ss``."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def format_figures(figures: Mapping[str, Any]) -> str:
    """Return ``loss: 0.6931, lr: 1.000e-05, ...``: loss parts and other figures first, then those on the run itself.

    Whole numbers are counts and have no decimals.
    """
    parts = [
        f"{name}: {value}" if isinstance(value, numbers.Integral) else f"{name}: {float(value):.4f}"
        for name, value in figures.items()
        if name not in (*_SHOWN, FIRST_UPDATE)
    ]
    for name, (short, form) in _SHOWN.items():
        if name in figures and not (name == "overflow_steps" and not figures[name]):
            parts.append(f"{short}: {form.format(float(figures[name]))}")
    return ", ".join(parts)


def epoch_of(step: int, steps_per_epoch: int) -> tuple[int, float]:
    """Return the epoch that optimizer step ``step`` (from 1) belongs to, from 1, and the share of it that is done."""
    if step <= 0:
        return 1, 0.0
    epoch, done = divmod(step - 1, steps_per_epoch)
    return epoch + 1, (done + 1) / steps_per_epoch


class TrainProgress:
    """The line or the bar of a training.

    Args:
        total_steps: Optimizer steps of the whole training.
        steps_per_epoch: Optimizer steps of an epoch.
        first_step: Steps done before, by the run that is resumed.
        stream: Where the bar is drawn; ``None`` takes stderr.
        bar: Whether to draw it; ``None``: where ``stream`` is a terminal.
        clock: Seconds from any beginning.
    """

    def __init__(
        self,
        total_steps: int,
        steps_per_epoch: int,
        first_step: int = 0,
        stream: TextIO | None = None,
        bar: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total_steps = total_steps
        self._steps_per_epoch = steps_per_epoch
        self._clock = clock
        self._started_s = clock()
        self._reference: tuple[int, float] | None = None
        stream = stream or sys.stderr
        self._bar: tqdm | None = None
        if shows_bars(stream) if bar is None else bar:
            self._bar = tqdm(
                total=total_steps, initial=first_step, file=stream, bar_format=_BAR_FORMAT, dynamic_ncols=True
            )

    def advance(self, step: int) -> None:
        """Tell that ``step`` steps are done; cheap, so call it at every step."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def report(self, step: int, figures: Mapping[str, Any]) -> str:
        """Show the figures of the steps since the last report.

        Args:
            step: Optimizer steps done.
            figures: ``loss`` and its parts, then any of ``learning_rate``, ``grad_norm``, ``loss_scale``,
                ``overflow_steps``, ``ms_per_step``, ``tokens_per_s``, ``tflops`` and ``mfu``.

        Returns:
            The plain line, which went to the log (on a terminal to the file only).
        """
        epoch, share = epoch_of(step, self._steps_per_epoch)
        shown = format_figures(figures)
        elapsed = format_duration(self._clock() - self._started_s)
        times = f"elapsed: {elapsed}, eta: {self._remaining(step, figures)}"
        line = f"epoch: {epoch}, current epoch percent: {share:.3f}, step: {step}, {shown}, {times}"
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {epoch}", refresh=False)
            self._bar.set_postfix_str(shown, refresh=False)
            self.advance(step)
            self._bar.refresh()
        LOGGER.info("%s", line, extra=FILE_ONLY if self._bar is not None else None)
        return line

    def close(self) -> None:
        """Leave the bar as it is and end its line; safe to call twice."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> TrainProgress:
        """Return the progress."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the bar."""
        self.close()

    def _remaining(self, step: int, figures: Mapping[str, Any]) -> str:
        """Return the time left, from the pace since the first report.

        The time before the first report is left out because it holds the compilation of the graph; evaluations and
        checkpoints in between count, because there will be more of them.
        """
        now_s = self._clock()
        left = max(0, self._total_steps - step)
        if self._reference is None:
            self._reference = (step, now_s)
        first_step, first_s = self._reference
        if step > first_step:
            return format_duration(left * (now_s - first_s) / (step - first_step))
        if "ms_per_step" in figures:
            return format_duration(left * float(figures["ms_per_step"]) / 1000)
        return "unknown"


class EvaluationProgress:
    """Show how many rows of an evaluation are done: a passing bar on a terminal, else a line now and then.

    Args:
        total_rows: Rows to do.
        title: What is going on, for example ``evaluate dev``.
        stream: Where the bar is drawn; ``None`` takes stderr.
        bar: Whether to draw it; ``None``: where ``stream`` is a terminal.
        clock: Seconds from any beginning.
    """

    def __init__(
        self,
        total_rows: int,
        title: str,
        stream: TextIO | None = None,
        bar: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total_rows = total_rows
        self._title = title
        self._clock = clock
        self._last_line_s = clock()
        stream = stream or sys.stderr
        self._bar: tqdm | None = None
        if shows_bars(stream) if bar is None else bar:
            self._bar = tqdm(total=total_rows, desc=title, file=stream, unit="row", leave=False, dynamic_ncols=True)

    def __call__(self, rows: int) -> None:
        """Tell that ``rows`` rows are done in all."""
        if self._bar is not None:
            self._bar.update(rows - self._bar.n)
        elif self._clock() - self._last_line_s >= _EVALUATION_LINE_S:
            self._last_line_s = self._clock()
            LOGGER.info("%s: %d of %d rows", self._title, rows, self._total_rows)

    def __enter__(self) -> EvaluationProgress:
        """Return the progress, to be called after every batch."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
