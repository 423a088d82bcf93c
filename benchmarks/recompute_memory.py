"""Measure what ``recompute`` saves: the same train step of pre-training with and without it, on the CPU.

``python -m benchmarks.recompute_memory --sizes xlarge,xxlarge --batch 2 --length 128``

Each measurement has a process of its own. Two figures of memory come out of it:

* *tensors*: the peak of MindSpore's memory pool, which holds activations, gradients and the optimizer's temporary
  values. It is what a device with a memory of its own would need beside weights and moments.
* *process*: the largest resident memory during the steps minus that before the first one, when weights and compiled
  graph are there. It also holds the moments, which appear in the first step, and what the CPU kernels keep.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.machine import ROOT, machine_lines
from benchmarks.train_case import Case, Measured, case_of
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import ConfigError, DeviceError

_SIZES = ("base", "large", "xlarge", "xxlarge")
_POOL_PEAK = re.compile(r"Common mem pool info:.*?peak used mem:(\d+)M")
_COLUMNS = ("size", "layers", "recompute", "tensors MB", "process MB", "s/step", "loss", "gradient norm")
_WIDTHS = (8, 6, 9, 10, 10, 7, 12, 13)


@dataclass(frozen=True)
class Row:
    """One line of the table; ``pool_mb`` is None where MindSpore does not tell it."""

    size: str
    layers: int
    recompute: bool
    pool_mb: int | None
    measured: Measured

    def line(self) -> str:
        """Return the line."""
        found = self.measured
        pool = "-" if self.pool_mb is None else f"{self.pool_mb:,}"
        cells = (
            self.size,
            str(self.layers),
            "yes" if self.recompute else "no",
            pool,
            f"{found.peak_mb:,.0f}",
            f"{found.step_s:.1f}",
            f"{found.losses[-1]:.7f}",
            f"{found.grad_norms[-1]:.7f}",
        )
        return table_line(cells)


def table_line(cells: Sequence[str]) -> str:
    """Return a line of the table."""
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def pool_peak_mb(output: str) -> int | None:
    """Return the peak of the memory pool from what MindSpore prints at its end."""
    found = _POOL_PEAK.search(output)
    return int(found.group(1)) if found else None


def compare(without: Row, with_it: Row) -> list[str]:
    """Return the lines that compare the two rows of one size."""
    pairs = [
        ("tensors", without.pool_mb, with_it.pool_mb),
        ("process", without.measured.peak_mb, with_it.measured.peak_mb),
    ]
    parts = [
        f"{name} {second - first:+,.0f} MB ({100 * (second - first) / first:+.0f} %)"
        for name, first, second in pairs
        if first and second is not None
    ]
    plain, again = without.measured, with_it.measured
    loss = max(abs(a - b) for a, b in zip(plain.losses, again.losses, strict=True))
    norm = max(abs(a - b) for a, b in zip(plain.grad_norms, again.grad_norms, strict=True))
    lines = [f"{without.size}: recompute changes {', '.join(parts)}, time x{again.step_s / plain.step_s:.2f}"]
    steps = len(plain.losses)
    lines.append(f"{without.size}: largest difference over {steps} steps: loss {loss:.1e}, gradient norm {norm:.1e}")
    return lines


def run_case(case: Case) -> tuple[Measured, int | None]:
    """Measure in a process of its own.

    Raises:
        DeviceError: The process failed; the message has its last line.
    """
    # MindSpore prints the peak of its pool when the process ends, at the level of warnings.
    environment = {**os.environ, "MS_DEV_RUNTIME_CONF": "memory_statistics:true", "GLOG_v": "2"}
    command = [sys.executable, "-m", "benchmarks.train_step", json.dumps(asdict(case))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"parameters"')]
    if done.returncode or not lines:
        reason = _reason(done.stderr)
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        fix = "memory is short: use smaller --batch, --length or --layers" if done.returncode < 0 else ""
        raise DeviceError(f"a measurement ended with {how}: {reason}", "", fix)
    return Measured(**json.loads(lines[0])), pool_peak_mb(done.stdout + done.stderr)


def _reason(text: str) -> str:
    """Return the line of a traceback that names the error; MindSpore's explanations follow it."""
    lines = text.strip().splitlines() or ["no message"]
    return next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception): |error: ", line)), lines[-1])


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    parser = OneLineParser(prog="python -m benchmarks.recompute_memory", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--sizes", type=_sizes, default="xlarge,xxlarge", metavar="NAMES", help="parted by commas (default: both)")
    add("--batch", type=_count, default=2, metavar="N", help="rows (default 2)")
    add("--length", type=_count, default=128, metavar="N", help="tokens of a row (default 128, at most 512)")
    add("--layers", type=_count, metavar="N", help="fewer layers than the size has")
    add("--steps", type=_count, default=2, metavar="N", help="train steps (default 2)")
    options = parser.parse(argv)
    if options.length > 512:
        raise ConfigError(f"{options.length} tokens are more than 512", "--length", "use up to 512")
    return options


def _sizes(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    wrong = [name for name in names if name not in _SIZES]
    if wrong or not names:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of {', '.join(_SIZES)}")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 4096")
    return int(text)


def main(argv: Sequence[str], measure: Callable[[Case], tuple[Measured, int | None]] = run_case) -> int:
    """Measure all sizes and print the table.

    Args:
        argv: Options.
        measure: Runs one case.

    Raises:
        AlbertError: An option is wrong or a measurement failed.
    """
    options = parse(argv)
    print("\n".join(machine_lines(("mindspore", "numpy"))))
    print(f"batch      {options.batch} x {options.length} tokens, float32, Lamb, {options.steps} steps\n")
    print(table_line(_COLUMNS), flush=True)
    comparisons: list[str] = []
    for size in options.sizes:
        rows = []
        for recompute in (False, True):
            case = case_of(size, options.layers, options.batch, options.length, options.steps, recompute)
            found, pool_mb = measure(case)
            rows.append(Row(size, case.network["num_hidden_layers"], recompute, pool_mb, found))
            print(rows[-1].line(), flush=True)
        comparisons += compare(rows[0], rows[1])
    print("\n" + "\n".join(comparisons))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
