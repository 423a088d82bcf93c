"""Measure the creation of pre-training data: speed, memory, equal output for any number of workers, statistics.

``python -m benchmarks.pretraining_data --input CORPUS --spm_model_file M``

The corpus and ten copies of it are converted with 1, 2 and 4 workers by ``create_pretraining_data.py`` itself.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.creation_run import Run, run_creation
from benchmarks.machine import load_text, machine_lines
from benchmarks.record_statistics import statistics_lines
from src.common.arguments import OneLineParser
from src.common.cli import run_command
from src.common.errors import DataError, OutputError

COPIES = 10
_LARGEST_WORKERS = 64
_COLUMNS = ("text", "workers", "wall s", "CPU s", "text tok/s/core", "record tok/s/core", "parent MB", "worker MB")
_WIDTHS = (4, 7, 7, 7, 15, 17, 9, 9)


def table_line(cells: Sequence[str]) -> str:
    """Return a line of the table."""
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


def run_line(copies: int, workers: int, runs: Sequence[Run]) -> str:
    """Return the line of equal runs: medians of times, largest memory.

    A core's speed is tokens by processor seconds of all processes, so that neighbours on the machine and idle cores do
    not count.
    """
    cpu_s = median(run.cpu_s for run in runs)
    first = runs[0]
    return table_line(
        (
            f"{copies}x",
            str(workers),
            f"{median(run.wall_s for run in runs):.1f}",
            f"{cpu_s:.1f}",
            f"{first.text_tokens / cpu_s:,.0f}",
            f"{first.record_tokens / cpu_s:,.0f}",
            f"{max(run.parent_mb for run in runs):.0f}",
            f"{max(run.worker_mb for run in runs):.0f}" if workers > 1 else "-",
        )
    )


def same_output_line(copies: int, digests: dict[int, set[str]]) -> str:
    """Say whether all numbers of workers gave the same files."""
    found = set().union(*digests.values())
    workers = ", ".join(map(str, digests))
    if len(found) == 1:
        return f"{copies}x text: the same files for {workers} workers, sha256 over their sha256 {found.pop()[:16]}"
    return f"{copies}x text: DIFFERENT files among {workers} workers"


def copy_corpus(source: Path, folder: Path, copies: int) -> Path:
    """Write ``copies`` copies of a text file into a folder; return it.

    Raises:
        OutputError: There is no room for them.
    """
    suffix = "".join(source.suffixes[-2:])
    for number in range(copies):
        try:
            shutil.copyfile(source, folder / f"copy-{number:02d}{suffix}")
        except OSError as error:
            raise OutputError(f"cannot copy the text: {error.strerror}", str(folder), "set TMPDIR") from error
    return folder


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; raise ``ConfigError`` for wrong ones."""
    parser = OneLineParser(prog="python -m benchmarks.pretraining_data", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="FILE", help="one text file, .gz or not")
    add("--spm_model_file", default="", metavar="FILE", help="SentencePiece model")
    add("--vocab_file", default="", metavar="FILE", help="vocab.txt of WordPiece, instead")
    add("--max_seq_length", type=_count, default=128, metavar="N", help="tokens of a record (default 128)")
    add("--dupe_factor", type=_count, default=2, metavar="N", help="passes over the text (default 2)")
    add("--block_mb", type=_count, default=4, metavar="N", help="megabytes of text of a shard (default 4)")
    add("--workers", type=_workers, default="1,2,4", metavar="NUMBERS", help="parted by commas (default 1,2,4)")
    add("--repeats", type=_count, default=3, metavar="N", help="runs of the single text, for medians (default 3)")
    return parser.parse(argv)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 14:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {1 << 14}")
    return int(text)


def _workers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= _LARGEST_WORKERS for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers from 1 to {_LARGEST_WORKERS}")
    return list(dict.fromkeys(map(int, parts)))


def creation_options(options: argparse.Namespace) -> list[str]:
    """Return the options that are handed on to ``create_pretraining_data.py``."""
    names = ("spm_model_file", "vocab_file", "max_seq_length", "dupe_factor", "block_mb")
    given = [(name, getattr(options, name)) for name in names]
    return [part for name, value in given if value != "" for part in (f"--{name}", str(value))]


def convert(
    options: argparse.Namespace,
    folder: Path,
    copies: int,
    create: Callable[..., Run],
    first: Callable[[Path], None] = lambda records: None,
) -> Iterator[tuple[int, list[Run]]]:
    """Convert one text with every number of workers; yield each number with its runs.

    Args:
        options: What ``parse`` returned.
        folder: For text and records.
        copies: Copies of the text.
        create: Runs the command once.
        first: Called with the records of the first run.
    """
    text = options.input
    if copies > 1:
        (folder / "text").mkdir()
        text = copy_corpus(options.input, folder / "text", copies)
    is_first = True
    for workers in options.workers:
        runs = []
        for _ in range(options.repeats if copies == 1 else 1):
            runs.append(create(text, folder / "records", workers, creation_options(options)))
            if is_first:
                first(folder / "records")
            is_first = False
            shutil.rmtree(folder / "records", ignore_errors=True)
        yield workers, runs


def measure(options: argparse.Namespace, folder: Path, copies: int, create: Callable[..., Run]) -> bool:
    """Convert one text with every number of workers, print a line for each; return whether the files are the same."""

    def tell(records: Path) -> None:
        if copies == 1:
            print("\n".join(statistics_lines(records)) + f"\n\n{table_line(_COLUMNS)}", flush=True)

    digests: dict[int, set[str]] = {}
    for workers, runs in convert(options, folder, copies, create, tell):
        digests[workers] = {run.digest for run in runs}
        print(run_line(copies, workers, runs), flush=True)
    print(same_output_line(copies, digests), flush=True)
    return len(set().union(*digests.values())) == 1


def main(argv: Sequence[str], create: Callable[..., Run] = run_creation) -> int:
    """Measure and print; return 1 where the output depends on the number of workers.

    Args:
        argv: Options.
        create: Runs the command once.

    Raises:
        AlbertError: An option or the text is wrong, or a run failed.
    """
    options = parse(argv)
    if not options.input.is_file():
        raise DataError("there is no such text file", str(options.input), "name one file")
    print("\n".join(machine_lines(("numpy", "sentencepiece"))) + "\n")
    same = []
    for copies in (1, COPIES):
        with tempfile.TemporaryDirectory(prefix="albert-benchmark-") as folder:
            same.append(measure(options, Path(folder), copies, create))
    print(f"load at the end: {load_text()}")
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
