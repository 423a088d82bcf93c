"""Time a real train step, of the network, train cell and optimizer that the commands use.

A process of its own (``python -m benchmarks.roofline.step JSON``); it prints a line of JSON: the seconds of each step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from benchmarks.contest.cases import StepCase
from benchmarks.contest.ours import prepare
from benchmarks.roofline.limits import seconds_of
from src.common.cli import run_command

# The first compiles, the second asks for memory.
_WARM_UP = 2


def main(argv: Sequence[str]) -> int:
    """Do the steps that the only argument describes in JSON: ``{"case": ..., "repeats": N}``."""
    asked = json.loads(argv[0])
    step = prepare(StepCase(**asked["case"]))
    for _ in range(_WARM_UP):
        step()
    print(json.dumps({"seconds": [seconds_of(step) for _ in range(asked["repeats"])]}))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
