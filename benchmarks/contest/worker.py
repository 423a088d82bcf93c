"""One side of a contest: a process that works when it is told to, and tells how long it took.

It speaks JSON, one object a line: it says ``{"first_step": true}`` after its first step and ``{"ready": ...}`` after
warming up, and answers ``{"steps": N}`` on stdin with the seconds of each. A process with one thing to do says one
object. What libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

# Does the work of one step and returns its loss, or a number of the output, when it is done.
Step = Callable[[], float]
Case = TypeVar("Case")
_WARM_UP = 2


def serve(
    argv: Sequence[str],
    read: Callable[..., Case],
    prepare: Callable[[Case], Step],
    versions: Callable[[], dict[str, str]],
) -> int:
    """Work as the runner says until it closes stdin; return the exit status.

    Args:
        argv: The case in JSON.
        read: Makes the case from its fields.
        prepare: Makes ready for the case and returns its step.
        versions: Names and versions of the libraries at work.
    """
    tell = _teller()
    step = prepare(read(**json.loads(argv[0])))
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


def work_once(
    argv: Sequence[str],
    read: Callable[..., Case],
    work: Callable[[Case], dict[str, float]],
    versions: Callable[[], dict[str, str]],
) -> int:
    """Do the work of a case, tell its figures and the versions; return the exit status. Arguments as in ``serve``."""
    tell = _teller()
    threading.Thread(target=_end_with_runner, daemon=True).start()
    tell(figures=work(read(**json.loads(argv[0]))), versions=versions())
    return 0


def _end_with_runner() -> None:
    """End this process when stdin closes: it would work on for minutes, for a runner that has been killed."""
    # Not through sys.stdin, whose lock a thread must not hold when Python ends.
    os.read(0, 1)
    os._exit(1)


def _teller() -> Callable[..., None]:
    """Take stdout for answers; whatever else is printed there goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    return tell
