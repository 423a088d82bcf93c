"""What the command asks of the process that measures the machine, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What to measure.

    Attributes:
        products: (m, n, k, batch) of each product.
        numbers: Of the tensors of the elementwise operators.
        repeats: Times that everything is done; the fastest counts.
        one_thread: One thread for each elementwise kernel, as the commands run, instead of all.
    """

    products: list[list[int]]
    numbers: int
    repeats: int
    one_thread: bool


@dataclass(frozen=True)
class Limits:
    """What was found.

    Attributes:
        product_flops_s: FLOP/s of each product, over its forward and its two backward forms.
        copy_bytes_s: Bytes/s of an operator that reads a tensor and writes one.
        add_bytes_s: Bytes/s of one that reads two and writes one.
    """

    product_flops_s: list[float]
    copy_bytes_s: float
    add_bytes_s: float
