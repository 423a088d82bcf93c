"""Steps of a network beside the peer's: their time, their memory, and the start of a process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.contest.cases import CASES, StepCase
from benchmarks.contest.commands import Timed, run_timed
from benchmarks.contest.page import Page
from benchmarks.contest.runner import COLUMNS, Outcome, cold_start, contest, memory, spread
from benchmarks.machine import ROOT

_ABOUT = {
    "train": "A train step, seconds: median (least - most).",
    "forward": "A forward pass, seconds: median (least - most).",
    "pretrain": "A pre-training step (20 predictions a row; the peer scores every position), seconds: median "
    "(least - most).",
    "memory": "Most memory of the process while it trains, MB.",
    "cold": "From the start of the process to the end of its first train step, seconds: median (least - most).",
}
_HELP_TARGET_S = 1.0
_COMMAND_FOLDERS = (ROOT, ROOT / "convert_tf_ckpt")
_COMMAND_MARK = 'if __name__ == "__main__":'


def report(name: str, options: argparse.Namespace, page: Page) -> dict[str, str]:
    """Measure the cases of a benchmark; return versions."""
    page.section(name, _ABOUT[name])
    page.head(COLUMNS)
    versions: dict[str, str] = {}
    for case in CASES[name]:
        outcome = measure(name, case, options)
        versions |= outcome.versions
        page.row(outcome.cells())
    return versions


def measure(name: str, case: StepCase, options: argparse.Namespace) -> Outcome:
    """Return what one case of a benchmark gave."""
    ours, peer = sys.executable, options.peer_python
    if name == "cold":
        return cold_start(case, ours, peer, max(1, options.rounds // 2))
    if name == "memory":
        return memory(case, ours, peer, options.steps)
    return contest(case, ours, peer, options.rounds, options.steps)


def report_cold(options: argparse.Namespace, page: Page) -> dict[str, str]:
    """Measure cold starts and ``--help`` of every command; return versions."""
    versions = report("cold", options, page)
    page.add("", "`--help` of every command, from its start to its end, seconds.")
    page.head(("command", "median (least - most)", "of the processor", "target", "reached"))
    for command in commands():
        page.row(help_cells(command, [run_timed([command, "--help"]) for _ in range(options.rounds)]))
    return versions


def commands(folders: Sequence[Path] = _COMMAND_FOLDERS) -> list[str]:
    """Return the entry scripts by their paths in the project."""
    return [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in sorted(folder.glob("*.py"))
        if _COMMAND_MARK in path.read_text(encoding="utf-8")
    ]


def help_cells(command: str, runs: Sequence[Timed]) -> list[str]:
    """Return a row of the table of ``--help``; the median of the seconds that a user waits is held to the target."""
    seconds = [run.wall_s for run in runs]
    reached = "yes" if median(seconds) < _HELP_TARGET_S else "no"
    cpu_s = median(run.cpu_s for run in runs)
    return [f"`{command}`", spread(seconds), f"{cpu_s:.2f}", f"{_HELP_TARGET_S:.2f}", reached]
