"""The summary of a finished run in the form of the Ascend documents: ``python -m src.tasks.run_summary``.

It is computed from what the run recorded (``config.yaml``, ``metrics.jsonl``, ``eval/``), not from what it printed.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.common.arguments import OneLineParser, given_path, read_count
from src.common.cli import run_command
from src.common.errors import DataError, OutputError
from src.common.files import write_text_atomic
from src.common.json_files import read_json
from src.common.run_directory import RunDirectory
from src.train.metrics_log import TRAIN, read_metrics
from src.train.progress import FIRST_UPDATE

_ENDINGS = {"full": "acc", "performance": "perf"}
_NONE = "none"


def main(argv: Sequence[str]) -> int:
    """Write ``<CaseName>.log`` and print it."""
    options = _parse(argv)
    summary = run_summary(options.run_dir, options.network, options.variant, options.rank_size, options.elapsed_s)
    text = "".join(f"{name} = {value}\n" for name, value in summary.items())
    path = options.folder / f"{summary['CaseName']}.log"
    write_text_atomic(path, text)
    print(f"{text}summary: {path}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(prog="python -m src.tasks.run_summary", description="Summarise a finished run.")
    add = parser.add_argument
    add("--run_dir", type=given_path, required=True, metavar="DIR", help="the run")
    add("--folder", type=given_path, required=True, metavar="DIR", help="where <CaseName>.log is written")
    add("--network", required=True, metavar="NAME", help="name of the network, with which CaseName begins")
    add("--variant", choices=tuple(_ENDINGS), default="full", help="what the run was for (default full)")
    add("--rank_size", type=read_count, default=1, metavar="N", help="processes that trained together (default 1)")
    add("--elapsed_s", type=read_count, required=True, metavar="S", help="seconds from start to end of the training")
    return parser.parse(argv)


def run_summary(run_dir: Path, network: str, variant: str, rank_size: int, elapsed_s: int) -> dict[str, str]:
    """Return the lines of a summary by name.

    Args:
        run_dir: The run.
        network: Name of the network.
        variant: ``full`` (with the figures of the evaluation) or ``performance``.
        rank_size: Processes that trained together.
        elapsed_s: Seconds from start to end.

    Raises:
        OutputError: This is no run directory.
        DataError: The run recorded no training, or its files are damaged.
    """
    run = RunDirectory.open(run_dir)
    config = run.previous_config or {}
    records = [record for record in read_metrics(run.metrics_file) if record["kind"] == TRAIN]
    if not records:
        raise DataError("the run recorded no training", str(run.metrics_file), "train first")
    rows = int(config.get("train_batch_size", 0)) * int(config.get("accumulation_steps", 1)) * rank_size
    step_ms = warm_step_ms(records)
    too_short = f"{_NONE} (only one update, with the compilation in it)"
    report = _evaluation(run) if variant == "full" else None
    return {
        "Network": network,
        "RankSize": str(rank_size),
        "BatchSize": str(config.get("train_batch_size", _NONE)),
        "DeviceType": str(config.get("device_target", _NONE)),
        "CaseName": f"{network}_bs{config.get('train_batch_size', 0)}_{rank_size}p_{_ENDINGS[variant]}",
        "ActualFPS": too_short if step_ms is None else f"{1000 * rows / step_ms:.2f}",
        "TrainingTime": too_short if step_ms is None else f"{step_ms:.2f}",
        "TrainAccuracy": _NONE if report is None else _score(report),
        "ActualLoss": f"{records[-1]['loss']:.6f}",
        "E2ETrainingTime": str(elapsed_s),
    }


def warm_step_ms(records: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the usual time of a step, in ms; ``None`` where every one held the compilation of the graph.

    It is the median over the records, each of them without the first update of its process. A resumed run has such a
    record in its middle, too.
    """
    times: list[float] = []
    done = 0
    for number, record in enumerate(records):
        updates, done = record["step"] - done, record["step"]
        total_ms = updates * float(record["ms_per_step"])
        first_ms = record.get(FIRST_UPDATE)
        if number == 0 and first_ms is None:
            # Of a run that did not record it: nobody knows how much of this was compiling.
            continue
        if first_ms is not None:
            total_ms, updates = max(0.0, total_ms - float(first_ms)), updates - 1
        if updates > 0:
            times.append(total_ms / updates)
    return statistics.median(times) if times else None


def _evaluation(run: RunDirectory) -> dict[str, Any] | None:
    """Return the newest report of the finished run; those of evaluations during the training are named by step."""
    reports = [path for path in run.eval.glob("*.json") if not path.name.startswith("step_")]
    if not reports:
        return None
    newest = max(reports, key=lambda path: path.stat().st_mtime_ns)
    try:
        content = read_json(newest)
    except ValueError as error:
        raise DataError("the report is no JSON", str(newest), "evaluate the run again") from error
    if not isinstance(content, dict):
        raise DataError("the report holds no figures", str(newest), "evaluate the run again")
    return content


def _score(report: Mapping[str, Any]) -> str:
    """Return accuracy, or the metric that the task has in its place."""
    figures = report.get("figures", {})
    name = "accuracy" if "accuracy" in figures else report.get("main_metric")
    if name not in figures:
        raise OutputError("the report names no score", str(name), "evaluate the run again")
    return f"{figures[name]:.6f}" if name == "accuracy" else f"{figures[name]:.6f} ({name})"


if __name__ == "__main__":
    raise SystemExit(run_command(main))
