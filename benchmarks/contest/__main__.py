"""Measure this project beside Hugging Face transformers on PyTorch, in turn, on the CPU.

``python -m benchmarks.contest --only train,forward --rounds 5``

Each side is a process of its own, in an environment of its own; while one works the other waits. ``make bench`` makes
the peer's environment (``.venv-peers``) and runs everything.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest.cases import CASES, StepCase
from benchmarks.contest.runner import Outcome, cold_start, contest, memory
from benchmarks.machine import ROOT, load_text, machine_lines
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import ConfigError

_HEADER = ("case", "ours", "peer", "ratio", "target", "reached")
_UNITS = {
    "train": "a train step, seconds: median (least - most)",
    "forward": "a forward pass, seconds: median (least - most)",
    "pretrain": "a pre-training step (20 predictions a row; the peer scores every position), seconds",
    "memory": "most memory of the process while it trains, MB",
    "cold": "from the start of the process to the end of its first train step, seconds",
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    parser = OneLineParser(prog="python -m benchmarks.contest", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--peer_python", type=Path, help="Python of the peer's environment (default: .venv-peers/bin/python)")
    add("--only", default=",".join(CASES), metavar="A,B", help=f"benchmarks to run (default: {','.join(CASES)})")
    add("--rounds", type=int, default=5, help="rounds in which both sides work in turn (default: 5)")
    add("--steps", type=int, default=2, help="steps of a round (default: 2)")
    options = parser.parse(argv)
    options.only = [name.strip() for name in options.only.split(",")]
    for name in options.only:
        if name not in CASES:
            raise ConfigError(f"there is no benchmark {name!r}", "--only", f"choose of {', '.join(CASES)}")
    for name in ("rounds", "steps"):
        if getattr(options, name) < 1:
            raise ConfigError("must be at least 1", f"--{name}", "give more")
    options.peer_python = options.peer_python or ROOT / ".venv-peers" / "bin" / "python"
    if not os.access(options.peer_python, os.X_OK):
        fix = "run make bench, which makes it, or name another by --peer_python"
        raise ConfigError("the peer's environment is not there", str(options.peer_python), fix)
    return options


def measure(name: str, case: StepCase, options: argparse.Namespace) -> Outcome:
    """Return what one case of a benchmark gave."""
    ours, peer = sys.executable, options.peer_python
    if name == "cold":
        return cold_start(case, ours, peer, max(1, options.rounds // 2))
    if name == "memory":
        return memory(case, ours, peer, options.steps)
    return contest(case, ours, peer, options.rounds, options.steps)


def main(argv: Sequence[str]) -> int:
    """Measure and print one table a benchmark."""
    options = parse(argv)
    print("\n".join(machine_lines(("mindspore", "numpy"))), flush=True)
    shown: dict[str, str] = {}
    for name in options.only:
        print(f"\n{name}: {_UNITS[name]}\n| {' | '.join(_HEADER)} |\n|{'---|' * len(_HEADER)}")
        for case in CASES[name]:
            outcome = measure(name, case, options)
            shown |= outcome.versions
            print(f"| {' | '.join(outcome.cells())} |", flush=True)
    print(f"\nversions   {', '.join(f'{package} {version}' for package, version in shown.items())}")
    print(f"load       {load_text()} at the end")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
