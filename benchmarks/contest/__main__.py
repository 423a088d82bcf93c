"""Measure this project beside Hugging Face transformers on PyTorch, in turn, on the CPU.

``python -m benchmarks.contest --only train,forward --rounds 5``

Each side is a process of its own, in an environment of its own; while one works the other waits. ``make bench`` makes
the peer's environment (``.venv-peers``) and runs everything whose data are named. docs/benchmarks.md explains
the parts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.contest import data, epoch, features, steps
from benchmarks.contest.options import check, left_out_line, parse
from benchmarks.contest.page import Page, write_page
from benchmarks.machine import load_text, machine_lines
from src.common.cli import run_command

Report = Callable[[argparse.Namespace, Page], dict[str, str]]
REPORTS: Mapping[str, Report] = {
    **{name: partial(steps.report, name) for name in ("train", "forward", "pretrain", "memory")},
    "epoch": epoch.report,
    "features": features.report,
    "data": data.report,
    "cold": steps.report_cold,
}
"""What measures each benchmark, adds its part to the page and returns the versions of the libraries at work."""


def main(argv: Sequence[str], reports: Mapping[str, Report] = REPORTS) -> int:
    """Measure, print, and write the page if one is named.

    Args:
        argv: Options.
        reports: What measures.

    Raises:
        AlbertError: An option or a file is wrong, or a process failed.
    """
    options = parse(argv)
    check(options)
    page = Page()
    page.block(machine_lines(("mindspore", "numpy")))
    versions: dict[str, str] = {}
    for name in options.only:
        versions |= reports[name](options, page)
    # The peer's NumPy is another one; of ours the first block tells.
    versions.pop("numpy", None)
    last = [f"versions   {', '.join(f'{package} {version}' for package, version in versions.items())}"]
    last += [left_out_line(options.left_out)] if options.left_out else []
    page.section("End")
    page.block([*last, f"load       {load_text()}"])
    if options.output is not None:
        write_page(options.output, page, argv)
        print(f"page: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
