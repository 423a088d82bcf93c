"""Kill, stop, starve and mislead a pre-training, and check that nothing is lost.

``python -m benchmarks.fault_run --kills 20``

Every training has a tiny network without dropout, so that a curve after any fault must be that of the uninterrupted
run. Linux only; filling a disk needs the right to mount one.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import random
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from benchmarks.faults.disks import disk_case
from benchmarks.faults.jobs import kill_marked
from benchmarks.faults.kills import kill_case
from benchmarks.faults.report import BAD, Progress, Row, table
from benchmarks.faults.spoilt import start_case, training_case
from benchmarks.faults.stalls import hung_case, slow_case
from benchmarks.faults.workplace import COST, TWO, Workplace
from benchmarks.machine import load_text, machine_lines
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import AlbertError, OutputError
from src.common.files import make_directory, write_json_atomic

REPORT_NAME = "fault_run.json"
_LARGEST_COUNT = 1000

Case = Callable[[Workplace], list[Row]]


def cases(kills: int) -> dict[str, tuple[Case, float]]:
    """Return every case with its work, in starts of one process, the reference left out."""
    one, two = COST[1], COST[TWO]
    work: dict[str, tuple[Callable[..., list[Row]], int, float]] = {
        "kill_single": (partial(kill_case, kills=kills), 1, (kills + 1) * one),
        "disk_single": (disk_case, 1, 4 * one),
        "start_single": (start_case, 1, 6 * one),
        "records_single": (training_case, 1, 4 * one),
        "kill_two": (partial(kill_case, kills=kills), TWO, (kills + 1) * two),
        "disk_two": (disk_case, TWO, 2 * two),
        "start_two": (start_case, TWO, 4 * two),
        "records_two": (training_case, TWO, 2 * two),
    }
    found: dict[str, tuple[Case, float]] = {
        name: (partial(case, name=name, ranks=ranks), cost) for name, (case, ranks, cost) in work.items()
    }
    return {**found, "hung": (hung_case, 2 * two), "slow": (slow_case, two)}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    names = list(cases(1))
    parser = OneLineParser(prog="python -m benchmarks.fault_run", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--kills", type=_count, default=20, metavar="N", help="kills of each kill case (default 20)")
    add("--seed", type=int, default=1, metavar="N", help="decides the moments (default 1)")
    add("--only", type=_names, default=names, metavar="NAMES", help=f"of {','.join(names)}; single and two: all such")
    add("--input", type=Path, metavar="FILE", help="text to make the records of; without it made-up words")
    keep = f"an empty or missing folder for runs, logs and {REPORT_NAME}; without it a temporary one"
    add("--output_dir", type=Path, metavar="DIR", help=keep)
    return parser.parse(argv)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LARGEST_COUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {_LARGEST_COUNT}")
    return int(text)


def _names(text: str) -> list[str]:
    known, chosen = list(cases(1)), []
    for name in filter(None, text.split(",")):
        found = [case for case in known if name == case or case.endswith(f"_{name}")]
        if not found:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}, single, two")
        chosen += found
    if not chosen:
        raise argparse.ArgumentTypeError("no case is named")
    return [name for name in known if name in chosen]


@contextlib.contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    """Give the folder in which everything happens; a temporary one goes with all that is in it.

    Raises:
        OutputError: The folder that is wanted is not empty, or cannot be made.
    """
    if wanted is None:
        with tempfile.TemporaryDirectory(prefix="albert-faults-") as name:
            yield Path(name)
        return
    folder = make_directory(wanted.resolve())
    if any(folder.iterdir()):
        raise OutputError("the folder is not empty", str(folder), "choose another one")
    yield folder


@contextlib.contextmanager
def _nothing_left(token: str) -> Iterator[None]:
    """Kill what was started, also when this command is interrupted or terminated."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        kill_marked(token)
        signal.signal(signal.SIGTERM, previous)


def _shortened(row: Row, folder: Path) -> Row:
    """Return a row whose message names files from the folder of the run on."""
    return dataclasses.replace(row, message=row.message.replace(f"{folder}{os.sep}", ""))


def run_cases(chosen: dict[str, Case], place: Workplace) -> list[Row]:
    """Run the cases one after the other; one that cannot be run to its end is a bad row and no end of the others."""
    rows = []
    for name, case in chosen.items():
        try:
            rows += [_shortened(row, place.folder) for row in case(place)]
        except AlbertError as error:
            rows.append(Row(name, "the case could not be run to its end", "-", "", (str(error),)))
            kill_marked(place.token)
        for row in rows:
            if row.case == name:
                place.progress.say(f"{name}: {row.done}: {row.verdict} {'; '.join(row.problems)}".rstrip())
    return rows


def main(argv: Sequence[str]) -> int:
    """Run the cases and print the table; return 1 where a verdict is bad.

    Raises:
        AlbertError: An option is wrong, or no records can be made.
    """
    options = parse(argv)
    known = {name: entry for name, entry in cases(options.kills).items() if name in options.only}
    references = sum(COST.values()) if any(not name.endswith("_single") for name in known) else COST[1]
    work = sum(cost for _, cost in known.values()) + references
    head = [*machine_lines(("mindspore", "numpy")), f"seed       {options.seed}", f"kills      {options.kills}"]
    token = secrets.token_hex(8)
    with _folder(options.output_dir) as folder, _nothing_left(token):
        place = Workplace(folder, token, random.Random(options.seed), Progress(work), options.input)
        place.make_records()
        rows = run_cases({name: case for name, (case, _) in known.items()}, place)
        if options.output_dir is not None:
            write_json_atomic(folder / REPORT_NAME, {"head": head, "rows": [row.as_json() for row in rows]})
    bad = sum(row.verdict == BAD for row in rows)
    print("\n".join([*head, f"load       {load_text()} at the end", "", *table(rows), ""]))
    print(f"{len(rows)} rows, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
