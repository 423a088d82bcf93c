"""Creating pre-training data: speed of a core, gain by more workers, memory; ours alone."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks import pretraining_data
from benchmarks.contest.page import Page
from benchmarks.creation_run import Run, run_creation
from src.common.environment import package_versions

_COLUMNS = (
    "text",
    "workers",
    "seconds",
    "times as fast as one worker",
    "processor seconds",
    "tokens of text per processor second",
    "tokens of records per processor second",
    "MB of the command",
    "MB of its largest worker",
)


def report(options: argparse.Namespace, page: Page, create: Callable[..., Run] = run_creation) -> dict[str, str]:
    """Measure; return versions. ``create`` runs the command once."""
    given = ["--input", str(options.text_file), "--spm_model_file", str(options.spm_model_file)]
    repeats = max(1, options.rounds // 2)
    workers = ",".join(map(str, options.workers))
    settings = pretraining_data.parse([*given, "--dupe_factor", "1", "--workers", workers, "--repeats", str(repeats)])
    page.section(
        "data",
        f"`create_pretraining_data.py` on {options.text_file.name} and on {options.copies} copies of it, one pass, "
        f"records of 128 tokens. One text: median of {repeats} runs.",
    )
    page.head(_COLUMNS)
    notes = []
    for copies in dict.fromkeys((1, options.copies)):
        with tempfile.TemporaryDirectory(prefix="albert-data-") as folder:
            runs_of = {}
            for count, runs in pretraining_data.convert(settings, Path(folder), copies, create):
                runs_of[count] = runs
                page.row(cells(copies, count, runs, runs_of.get(1, ())))
        digests = {count: {run.digest for run in runs} for count, runs in runs_of.items()}
        notes.append(pretraining_data.same_output_line(copies, digests))
    page.block(notes)
    return {name: version or "?" for name, version in package_versions(("sentencepiece", "numpy")).items()}


def cells(copies: int, workers: int, runs: Sequence[Run], alone: Sequence[Run]) -> list[str]:
    """Return a row of the table; ``alone`` are the runs with one worker, if there are any."""
    wall_s, cpu_s = median(run.wall_s for run in runs), median(run.cpu_s for run in runs)
    gain = f"{median(run.wall_s for run in alone) / wall_s:.2f}" if alone else "-"
    return [
        f"{copies}x",
        str(workers),
        f"{wall_s:.1f}",
        gain,
        f"{cpu_s:.1f}",
        f"{runs[0].text_tokens / cpu_s:,.0f}",
        f"{runs[0].record_tokens / cpu_s:,.0f}",
        f"{max(run.parent_mb for run in runs):.0f}",
        f"{max(run.worker_mb for run in runs):.0f}" if workers > 1 else "-",
    ]
