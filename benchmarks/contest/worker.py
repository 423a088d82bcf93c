"""One side of a contest: a process that works when it is told to, and tells how long it took.

It speaks JSON, one object a line: it says ``{"first_step": true}`` after its first step and ``{"ready": ...}`` after
warming up, and answers ``{"steps": N}`` on stdin with the seconds of each. What libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contest.cases import StepCase

# Does the work of one step and returns its loss, or a number of the output, when it is done.
Step = Callable[[], float]
Prepare = Callable[[StepCase], Step]
_WARM_UP = 2


def serve(argv: Sequence[str], prepare: Prepare, versions: Callable[[], dict[str, str]]) -> int:
    """Work as the runner says until it closes stdin; return the exit status.

    Args:
        argv: The case in JSON.
        prepare: Builds the network and returns its step.
        versions: Names and versions of the libraries at work.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    step = prepare(StepCase(**json.loads(argv[0])))
    value = step()
    tell(first_step=True)
    for _ in range(_WARM_UP - 1):
        value = step()
    tell(ready=True, value=value, versions=versions())
    for line in sys.stdin:
        seconds = []
        for _ in range(int(json.loads(line)["steps"])):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        tell(seconds=seconds)
    return 0
