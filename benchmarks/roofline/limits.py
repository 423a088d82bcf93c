"""Measure the limits of this machine through MindSpore, in graph mode: matrix products and elementwise operators.

A process of its own (``python -m benchmarks.roofline.limits JSON``), because the number of threads of a kernel can be
set once in a process. It prints a line of JSON: ``Limits``.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from mindspore import Tensor, nn, ops

from benchmarks.roofline.asked import Limits, Question
from src.common.cli import run_command
from src.common.seeds import child_generator
from src.runtime.device import setup_device

SEED = 1
# Elementwise operators of one call, so that the call itself weighs little.
_REPEATED = 4


class ProductForm(nn.Cell):
    """A product of two matrices, or of batches of them, each laid out as it is multiplied or turned."""

    def __init__(self, batched: bool, transpose_a: bool, transpose_b: bool) -> None:
        super().__init__()
        operator = ops.BatchMatMul if batched else ops.MatMul
        self.product = operator(transpose_a=transpose_a, transpose_b=transpose_b)

    def construct(self, a: Tensor, b: Tensor) -> tuple[Tensor]:
        """Return a number of the result, so that nothing large is fetched."""
        return (self.product(a, b).reshape(-1)[:1],)


class Negatives(nn.Cell):
    """Read a tensor and write one, several times."""

    def __init__(self) -> None:
        super().__init__()
        self.negative = ops.Neg()

    def construct(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return a number of each result."""
        results: tuple[Tensor, ...] = ()
        for tensor in tensors:
            results = (*results, self.negative(tensor)[:1])
        return results


class Sums(nn.Cell):
    """Read two tensors and write one, several times."""

    def construct(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return a number of each result."""
        results: tuple[Tensor, ...] = ()
        for tensor in tensors:
            results = (*results, (tensor + tensors[0])[:1])
        return results


def fastest_s(cell: nn.Cell, inputs: Sequence[Tensor], repeats: int) -> float:
    """Return the seconds of the fastest call, after one that compiles and one that warms up."""

    def call() -> None:
        for result in cell(*inputs):
            result.asnumpy()

    return min(seconds_of(call) for _ in range(repeats + 2))


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(question: Question) -> Limits:
    """Measure."""
    setup_device("CPU", seed=SEED, deterministic=question.one_thread)
    random = child_generator(SEED, "roofline")

    def tensor(*shape: int) -> Tensor:
        return Tensor(random.standard_normal(shape, dtype=np.float32))

    def product_s(rows: int, columns: int, inner: int, batch: int) -> float:
        """Return the seconds of a product in the fastest layout of its operands and of its result."""
        many = (batch,) if batch > 1 else ()
        seconds = []
        for m, n in {(rows, columns), (columns, rows)}:
            for a, b in itertools.product((False, True), repeat=2):
                inputs = (
                    tensor(*many, *((inner, m) if a else (m, inner))),
                    tensor(*many, *((n, inner) if b else (inner, n))),
                )
                seconds.append(fastest_s(ProductForm(bool(many), a, b), inputs, question.repeats))
        return min(seconds)

    rates = []
    for m, n, k, batch in question.products:
        # y = x w^T with its two products of the backward pass.
        elapsed_s = product_s(m, n, k, batch) + product_s(m, k, n, batch) + product_s(n, k, m, batch)
        rates.append(3 * 2 * m * n * k * batch / elapsed_s)
    tensors = [tensor(question.numbers) for _ in range(_REPEATED + 1)]
    moved = _REPEATED * tensors[0].nbytes
    copy_s = fastest_s(Negatives(), tensors[1:], question.repeats)
    # The first is added to each of the others.
    add_s = fastest_s(Sums(), tensors, question.repeats)
    return Limits(rates, 2 * moved / copy_s, 3 * (moved + tensors[0].nbytes) / add_s)


def main(argv: Sequence[str]) -> int:
    """Measure what the only argument asks in JSON."""
    print(json.dumps(asdict(measure(Question(**json.loads(argv[0]))))))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
