"""A side of a contest that computes nothing: sleeps as many milliseconds as its case has rows."""

from __future__ import annotations

import sys
import time

from benchmarks.contest.cases import StepCase
from benchmarks.contest.worker import Step, serve


def prepare(case: StepCase) -> Step:
    print("a library that chats on stdout")
    if case.size == "broken":
        raise RuntimeError("no such network")

    def step() -> float:
        time.sleep(case.rows / 1000)
        return 0.5

    return step


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], StepCase, prepare, lambda: {"nothing": "1.0"}))
