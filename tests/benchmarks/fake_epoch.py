"""A side of an epoch that computes nothing; as many rows as its size is called."""

from __future__ import annotations

import sys
import time

from benchmarks.contest.epoch_case import EpochCase
from benchmarks.contest.worker import work_once


def work(case: EpochCase) -> dict[str, float]:
    print("a library that chats on stdout")
    if case.size == "broken":
        raise RuntimeError("no such network")
    if case.size == "endless":
        time.sleep(600)
    return {"train_s": 3.0, "evaluate_s": 1.0, "compile_s": 1.5, "rows": float(case.max_length)}


if __name__ == "__main__":
    sys.exit(work_once(sys.argv[1:], EpochCase, work, lambda: {"nothing": "1.0"}))
