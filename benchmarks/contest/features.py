"""Features of SQuAD beside the peer's, and the speed of converting GLUE."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.contest.commands import Timed, run_timed
from benchmarks.contest.features_case import PEER_QUESTIONS, PEER_TOKENIZER, FeaturesCase
from benchmarks.contest.page import Page
from benchmarks.contest.runner import COLUMNS, contest, spread
from benchmarks.run_qa_windows import write_tokenizer_folder
from src.common.environment import usable_cpu_count
from src.data.squad import read_squad

_MODULES = ("benchmarks.contest.ours_features", "benchmarks.contest.peer_features")
_FORMATS = ("tfrecord", "mindrecord")


def report(options: argparse.Namespace, page: Page) -> dict[str, str]:
    """Measure both; return versions."""
    with tempfile.TemporaryDirectory(prefix="albert-features-") as folder:
        questions = prepare(options.squad_json, options.spm_model_file, Path(folder))
        page.section(
            "features",
            f"Windows of the {questions:,} questions of {options.squad_json.name} with their maps to characters, "
            "seconds: median (least - most). Ours works in one process on one core, whatever there is; the peer is its "
            "fast tokenizer with the steps of `run_qa.py`. Reading the file is not measured.",
        )
        page.head(COLUMNS)
        versions: dict[str, str] = {}
        windows = (0.0, 0.0)
        model, squad = options.spm_model_file.resolve(), options.squad_json.resolve()
        for cores in sorted({1, usable_cpu_count()}):
            case = FeaturesCase(str(squad), str(model), folder, cores)
            outcome = contest(case, sys.executable, options.peer_python, options.rounds, 1, _MODULES)
            versions |= outcome.versions
            page.row(outcome.cells())
            windows = outcome.values or windows
        page.add(
            "", "Windows: ours {:,.0f}, the peer's {:,.0f}; its stride is what two windows share.".format(*windows)
        )
    _report_glue(options, page)
    return versions


def prepare(squad_json: Path, spm_model_file: Path, folder: Path) -> int:
    """Write the questions and a tokenizer for the peer, which has no code of ours; return the number of questions.

    Raises:
        DataError: The file is no SQuAD file.
    """
    data = read_squad(squad_json)
    rows = [(row.id, row.question, row.context) for row in data.questions]
    content = json.dumps({"contexts": data.contexts, "questions": rows})
    (folder / PEER_QUESTIONS).write_text(content, encoding="utf-8")
    (folder / PEER_TOKENIZER).mkdir()
    write_tokenizer_folder(spm_model_file, folder / PEER_TOKENIZER)
    return len(rows)


def _report_glue(options: argparse.Namespace, page: Page) -> None:
    source = options.glue_dir / "SST-2" / "train.tsv"
    with open(source, encoding="utf-8") as file:
        rows = sum(1 for _ in file) - 1
    page.add(
        "",
        f"`create_finetuning_data.py` on the {rows:,} rows of the train split of SST-2, from its start to its end; "
        "ours alone.",
    )
    page.head(("records", "seconds: median (least - most)", "processor seconds", "rows per second", "by processor"))
    for file_format in _FORMATS:
        runs = [_convert(source, options.spm_model_file, file_format) for _ in range(options.rounds)]
        wall_s, cpu_s = (median(getattr(run, name) for run in runs) for name in ("wall_s", "cpu_s"))
        walls = spread([run.wall_s for run in runs])
        page.row((file_format, walls, f"{cpu_s:.1f}", f"{rows / wall_s:,.0f}", f"{rows / cpu_s:,.0f}"))


def _convert(source: Path, spm_model_file: Path, file_format: str) -> Timed:
    with tempfile.TemporaryDirectory(prefix="albert-glue-") as folder:
        names = {"task_name": "SST-2", "train_file": source, "output_dir": folder, "spm_model_file": spm_model_file}
        words = [word for key, value in names.items() for word in (f"--{key}", str(value))]
        return run_timed(["create_finetuning_data.py", *words, "--file_format", file_format])
