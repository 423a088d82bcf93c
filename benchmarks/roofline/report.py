"""Join the parts of a step with the measured limits of a machine, and print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.roofline.asked import Limits
from benchmarks.roofline.parts import Part, Shape, parts_of
from src.model.flops import Product, train_flops

# Products with less than this share of the FLOPs are not measured: they are given the fastest rate.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Timed:
    """A part with the seconds that it takes at the limits."""

    part: Part
    seconds: float


@dataclass(frozen=True)
class Roofline:
    """A step at the limits.

    Attributes:
        shape: The step.
        parts: Its parts; the longest comes first.
        peak_flops_s: FLOP/s of the fastest product.
    """

    shape: Shape
    parts: tuple[Timed, ...]
    peak_flops_s: float

    @property
    def flops(self) -> int:
        """Return the model FLOPs."""
        return sum(timed.part.flops for timed in self.parts)

    @property
    def seconds(self) -> float:
        """Return the least time of the step."""
        return sum(timed.seconds for timed in self.parts)


def measured_products(shape: Shape) -> list[Product]:
    """Return the products whose rate is measured, one of each shape."""
    total = sum(product.flops for product in shape.products)
    found: dict[tuple[int, int, int, int], Product] = {}
    for product in shape.products:
        if product.flops >= _LEAST_SHARE * total:
            found.setdefault(key_of(product), product)
    return list(found.values())


def key_of(product: Product) -> tuple[int, int, int, int]:
    """Return what decides the rate of a product."""
    return product.m, product.n, product.k, product.batch


def roofline_of(shape: Shape, limits: Limits) -> Roofline:
    """Return the step at the limits.

    Args:
        shape: The step.
        limits: What was measured, the rates in the order of ``measured_products``.
    """
    keys = map(key_of, measured_products(shape))
    rates = dict(zip(keys, limits.product_flops_s, strict=True))
    peak = max(rates.values())

    def seconds(part: Part) -> float:
        if not part.products:
            return part.bytes / limits.add_bytes_s
        return sum(train_flops([product]) / rates.get(key_of(product), peak) for product in part.products)

    parts = sorted((Timed(part, seconds(part)) for part in parts_of(shape)), key=lambda timed: -timed.seconds)
    return Roofline(shape, tuple(parts), peak)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def limit_lines(shape: Shape, limits: Limits, tensor_bytes: int) -> list[str]:
    """Return what was measured of the machine."""
    rows = [["product (forward and both backward)", "m x n x k", "GFLOP/s"]]
    for product, rate in zip(measured_products(shape), limits.product_flops_s, strict=True):
        many = f"{product.batch} of " if product.batch > 1 else ""
        rows.append([product.part, f"{many}{product.m} x {product.n} x {product.k}", f"{rate / 1e9:.0f}"])
    size = f"{tensor_bytes / 1e6:.1f} MB"
    memory = [
        ["elementwise, one tensor to another", size, f"{limits.copy_bytes_s / 1e9:.1f}"],
        ["elementwise, two tensors to a third", size, f"{limits.add_bytes_s / 1e9:.1f}"],
    ]
    return [*table(rows), "", *table([["operator", "tensor", "GB/s"], *memory])]


def part_lines(roofline: Roofline) -> list[str]:
    """Return the parts of the step, forward and backward, with their share of its least time."""
    rows = [["part of the step", "GFLOP", "MB", "ms at the limit", "share"]]
    for timed in roofline.parts:
        rows.append(_row(timed.part.name, timed.part.flops, timed.part.bytes, timed.seconds, roofline.seconds))
    moved = sum(timed.part.bytes for timed in roofline.parts)
    rows.append(_row("all", roofline.flops, moved, roofline.seconds, roofline.seconds))
    return table(rows)


def _row(name: str, flops: int, moved: int, seconds: float, whole: float) -> list[str]:
    shown = f"{flops / 1e9:,.2f}" if flops else "-"
    return [name, shown, f"{moved / 1e6:,.1f}", f"{1000 * seconds:,.1f}", f"{seconds / whole:.1%}"]


def step_lines(roofline: Roofline, seconds: Sequence[float]) -> list[str]:
    """Return what a real step takes beside the limit."""
    middle = median(seconds)
    reached = roofline.flops / middle
    spread = f"{1000 * min(seconds):,.0f} - {1000 * max(seconds):,.0f} ms"
    return [
        f"limit      {1000 * roofline.seconds:,.0f} ms a step",
        f"measured   {1000 * middle:,.0f} ms a step (median of {len(seconds)}, {spread})",
        f"reached    {roofline.seconds / middle:.0%} of the limit",
        f"model      {roofline.flops / 1e12:.3f} TFLOP a step, {reached / 1e12:.3f} TFLOP/s",
        f"mfu        {reached / roofline.peak_flops_s:.1%} of the fastest product; for the log of a training: "
        f"--peak_tflops {roofline.peak_flops_s / 1e12:.3f}",
    ]
