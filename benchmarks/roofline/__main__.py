"""Measure the limits of this machine, and say what share of them a train step reaches and where its time must go.

``python -m benchmarks.roofline --size base --batch_size 8 --length 128``

Then it prints the same on paper for an Ascend 910 and eight of them: an estimate. ``docs/performance.md`` explains it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from benchmarks.contest.cases import FINETUNE, PRETRAIN, StepCase, batch_of
from benchmarks.machine import ROOT, load_text, machine_lines
from benchmarks.roofline.asked import Limits, Question
from benchmarks.roofline.estimate import estimate_table
from benchmarks.roofline.parts import Shape
from benchmarks.roofline.report import key_of, limit_lines, measured_products, part_lines, roofline_of, step_lines
from src.common.arguments import OneLineParser, whole_number
from src.common.cli import run_command
from src.common.errors import DeviceError
from src.config.presets import preset
from src.config.sections import NetworkConfig

_LIMITS, _STEP = "benchmarks.roofline.limits", "benchmarks.roofline.step"
# Asks a process that runs a module, with an object of JSON, and returns what it answers.
Ask = Callable[[str, dict[str, Any]], dict[str, Any]]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    parser = OneLineParser(prog="python -m benchmarks.roofline", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--size", choices=("base", "large"), default="base", help="size of the network (default base)")
    add("--batch_size", type=whole_number(1, 4096), default=8, metavar="N", help="rows (default 8)")
    add("--length", type=whole_number(8, 512), default=128, metavar="N", help="tokens of a row (default 128)")
    add("--task", choices=(FINETUNE, PRETRAIN), default=FINETUNE, help=f"what is trained (default {FINETUNE})")
    add("--dropout", type=_share, default=0.0, metavar="Q", help="dropout in the encoder (default 0)")
    add("--layers", type=whole_number(1, 48), metavar="N", help="another number of layers than that of the size")
    add("--repeats", type=whole_number(1, 1000), default=5, metavar="N", help="measurements of everything (default 5)")
    add(
        "--one_thread",
        action="store_true",
        help="measure the limits with one thread for each elementwise kernel, as the commands run, instead of all",
    )
    add("--estimate", action="store_true", help="measure nothing, print the estimate for an Ascend 910 alone")
    return parser.parse(argv)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return value


def case_of(options: argparse.Namespace) -> StepCase:
    """Return the step that is measured."""
    case = StepCase(options.task, options.size, options.batch_size, options.length, options.dropout)
    return replace(case, layers=options.layers)


def shape_of(case: StepCase) -> Shape:
    """Return the same step for the arithmetic; the network is the one that ``benchmarks.contest.ours`` builds."""
    keys = {**preset(case.size, "v1"), "seq_length": case.length, "hidden_dropout_prob": case.dropout}
    keys["attention_probs_dropout_prob"] = case.dropout
    if case.layers is not None:
        keys["num_hidden_layers"] = case.layers
    predictions = batch_of(case).positions.shape[1] if case.kind == PRETRAIN else 0
    return Shape(NetworkConfig(**keys), case.rows, case.length, predictions)


def ask(module: str, content: dict[str, Any]) -> dict[str, Any]:
    """Run a module in a process of its own; raise ``DeviceError`` where it fails."""
    command = [sys.executable, "-m", module, json.dumps(content)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        fix = "memory is short: use smaller --batch_size, --length or --layers" if done.returncode < 0 else ""
        raise DeviceError(f"a measurement ended with {how}: {reason}", module, fix)
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def measure(options: argparse.Namespace, ask: Ask) -> None:
    """Measure limits and step, and print both."""
    case = case_of(options)
    shape = shape_of(case)
    numbers = shape.tokens * shape.config.intermediate_size
    products = [list(key_of(product)) for product in measured_products(shape)]
    threads = "one thread" if options.one_thread else "all threads"
    print("\n".join(machine_lines(("mindspore", "numpy"))))
    print(f"step       {case.name}, float32", flush=True)
    question = Question(products, numbers, options.repeats, options.one_thread)
    limits = Limits(**ask(_LIMITS, asdict(question)))
    print(f"\nlimits through MindSpore, {threads} for an elementwise kernel, the fastest of {options.repeats}\n")
    print("\n".join(limit_lines(shape, limits, 4 * numbers)), flush=True)
    roofline = roofline_of(shape, limits)
    print("\n" + "\n".join(part_lines(roofline)) + "\n", flush=True)
    seconds = ask(_STEP, {"case": asdict(case), "repeats": options.repeats})["seconds"]
    print("\n".join(step_lines(roofline, seconds)))
    print(f"load       {load_text()} at the end\n")


def main(argv: Sequence[str], ask: Ask = ask) -> int:
    """Measure and print.

    Args:
        argv: Options.
        ask: Runs the processes that measure.

    Raises:
        AlbertError: An option is wrong or a measurement failed.
    """
    options = parse(argv)
    if not options.estimate:
        measure(options, ask)
    print(estimate_table())
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
