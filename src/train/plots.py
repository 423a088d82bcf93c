"""Draw ``loss.png`` and ``metric.png`` from a run's ``metrics.jsonl``; the same figures give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common.files import atomic_path
from src.train.metrics_log import EVAL, TRAIN, read_metrics

_SIZE_INCHES = (8.0, 4.5)
_DOTS_PER_INCH = 120
# Figures of a training record that are parts of the loss end in this.
_LOSS_SUFFIX = "loss"
# Over about this share of the points the smoothed curve averages.
_SMOOTHED_SHARE = 0.05


def smooth(values: np.ndarray, span: float) -> np.ndarray:
    """Return the exponential mean of float [points] over about ``span`` points, without the pull of its start.

    Points that are not finite are skipped; before the first finite one the result is NaN.
    """
    keep = 1.0 - 1.0 / max(span, 1.0)
    smoothed = np.full(len(values), np.nan)
    total = weight = 0.0
    for place, value in enumerate(values):
        if math.isfinite(value):
            total, weight = keep * total + value, keep * weight + 1.0
        if weight:
            smoothed[place] = total / weight
    return smoothed


def _series(records: Sequence[dict[str, Any]], kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values of a figure; of a step that was written twice the later one counts."""
    points = {r["step"]: float(r[name]) for r in records if r["kind"] == kind and _is_number(r.get(name))}
    steps = sorted(points)
    return np.array(steps, dtype=np.int64), np.array([points[step] for step in steps], dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _names(records: Sequence[dict[str, Any]], kind: str) -> list[str]:
    """Return the names of the numbers in the records of a kind, in order of appearance."""
    rest = ("time", "kind", "epoch", "step")
    found = {n: None for r in records if r["kind"] == kind for n in r if n not in rest and _is_number(r[n])}
    return list(found)


def _new_axes(title: str, y_label: str) -> tuple[Any, Any]:
    """Return a figure that draws into memory, whatever display there is or is not, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> None:
    """Write the picture as a whole, without the version of the library that would change its bytes."""
    axes.legend(loc="best", fontsize="small")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _mark_not_finite(axes: Any, bad: list[int]) -> None:
    """Show the steps where a loss is not finite, which would otherwise be a gap that nobody sees."""
    if bad:
        axes.plot(bad, np.zeros(len(bad)), "x", color="red", transform=axes.get_xaxis_transform(), label="not finite")


def plot_loss(metrics: Path, picture: Path, *, title: str = "Training loss", unit: str = "nats") -> bool:
    """Draw the losses of training, raw and smoothed, with the loss of evaluations where there is one.

    Args:
        metrics: The run's ``metrics.jsonl``.
        picture: The PNG to write.
        title: Title of the picture.
        unit: Unit of the loss: ``nats`` for cross-entropy, ``squared score`` for a regression.

    Returns:
        False, without writing anything, where there is no loss yet.
    """
    records = read_metrics(metrics)
    names = [name for name in _names(records, TRAIN) if name.endswith(_LOSS_SUFFIX)]
    if not names:
        return False
    figure, axes = _new_axes(title, f"loss ({unit})")
    bad: set[int] = set()
    for number, name in enumerate(names):
        steps, values = _series(records, TRAIN, name)
        colour = f"C{number}"
        finite = np.where(np.isfinite(values), values, np.nan)
        marker = "." if len(steps) < 3 else None
        axes.plot(steps, finite, color=colour, alpha=0.3, linewidth=1, marker=marker, label=f"{name}, raw")
        span = _SMOOTHED_SHARE * len(steps) + 1
        axes.plot(steps, smooth(values, span), color=colour, linewidth=1.8, label=f"{name}, smoothed")
        bad |= set(steps[~np.isfinite(values)].tolist())
    _mark_not_finite(axes, sorted(bad))
    steps, values = _series(records, EVAL, "loss")
    if len(steps):
        axes.plot(steps, values, "o--", color="black", markersize=4, label="loss, evaluation")
    _save(figure, axes, picture)
    return True


def plot_metrics(metrics: Path, picture: Path, *, names: Sequence[str] = (), title: str = "Evaluation") -> bool:
    """Draw the metrics of the evaluations, with the best point of the first one marked.

    Args:
        metrics: The run's ``metrics.jsonl``.
        picture: The PNG to write.
        names: Metrics to draw, the main one first; empty draws every figure but losses and errors.
        title: Title of the picture.

    Returns:
        False, without writing anything, where there is no evaluation yet.
    """
    records = read_metrics(metrics)
    known = _names(records, EVAL)
    shown = [n for n in names if n in known] or [n for n in known if n not in ("loss", "mse")]
    if not shown:
        return False
    figure, axes = _new_axes(title, "metric (1 is perfect)")
    for name in shown:
        steps, values = _series(records, EVAL, name)
        axes.plot(steps, values, "o-", markersize=4, label=name)
    steps, values = _series(records, EVAL, shown[0])
    if np.any(np.isfinite(values)):
        best = int(np.nanargmax(np.where(np.isfinite(values), values, np.nan)))
        label = f"best {shown[0]}: {values[best]:.4f} at step {steps[best]}"
        axes.plot(steps[best], values[best], "*", color="black", markersize=13, label=label)
    _save(figure, axes, picture)
    return True
