"""What a table says of an array: smallest, largest and mean value, and what is not finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ArrayFigures:
    """Figures of an array.

    Attributes:
        shape: Its shape.
        dtype: Name of its type.
        minimum: Of the finite values; 0 where there are none.
        maximum: Of the finite values.
        mean: Of the finite values.
        nans: Number of values that are no number.
        infinities: Number of values that are infinite.
    """

    shape: tuple[int, ...]
    dtype: str
    minimum: float
    maximum: float
    mean: float
    nans: int
    infinities: int

    @property
    def max_abs(self) -> float:
        """The largest finite absolute value."""
        return max(abs(self.minimum), abs(self.maximum))

    @property
    def is_finite(self) -> bool:
        """Whether every value is finite."""
        return not (self.nans or self.infinities)

    @property
    def shape_text(self) -> str:
        """The shape as ``8x128``; ``scalar`` without axes."""
        return "x".join(map(str, self.shape)) or "scalar"


def figures_of(values: np.ndarray) -> ArrayFigures:
    """Return the figures of an array of any type of number."""
    nans = infinities = 0
    finite = values
    if np.issubdtype(values.dtype, np.floating):
        known = np.isfinite(values)
        if not known.all():
            nans = int(np.isnan(values).sum())
            infinities = int(values.size - known.sum()) - nans
            finite = values[known]
    if finite.size == 0:
        return ArrayFigures(values.shape, str(values.dtype), 0.0, 0.0, 0.0, nans, infinities)
    mean = float(finite.mean(dtype=np.float64))
    return ArrayFigures(
        values.shape, str(values.dtype), float(finite.min()), float(finite.max()), mean, nans, infinities
    )


def aligned_table(titles: list[str], rows: list[list[str]]) -> list[str]:
    """Return lines of a table with columns of equal width; what looks like a number is set to the right."""
    widths = [max(len(row[place]) for row in [titles, *rows]) for place in range(len(titles))]
    numeric = [all(_is_number(row[place]) for row in rows if row[place]) for place in range(len(titles))]

    def line(row: list[str]) -> str:
        cells = [
            f"{cell:>{width}}" if right else f"{cell:<{width}}"
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(cells).rstrip()

    return [line(titles), *(line(row) for row in rows)]


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%"))
    except ValueError:
        return False
    return True
