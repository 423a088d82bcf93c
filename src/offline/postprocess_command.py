"""The command ``postprocess.py``: the score of answers that were computed by another program."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.common.errors import ConfigError
from src.common.files import write_json_atomic, write_text_atomic
from src.common.interrupts import interrupted_by_sigterm
from src.common.log import setup_logging
from src.data.record_schema import SQUAD
from src.offline.manifest import OfflineManifest, read_offline_manifest
from src.offline.postprocess_options import parse_options
from src.offline.task_type import TaskType, read_task_type

if TYPE_CHECKING:
    from src.offline.result_score import OfflineScore

logger = logging.getLogger(__name__)

METRICS_NAME = "metrics.json"
# From this difference in time on, results are called older than what was asked.
_SECONDS = 1.0


def main(argv: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit status.

    Raises:
        AlbertError: An option or an input is wrong, or the output cannot be written.
    """
    options = parse_options(argv)
    setup_logging()
    manifest = read_offline_manifest(options.preprocess_dir)
    _compare(options, manifest)
    # Imported here, so that --help and mistakes in options do not wait for MindSpore.
    from src.offline.result_score import score_answers_to_questions, score_records
    from src.offline.results import RESULTS_NAME, ResultFolder

    with interrupted_by_sigterm():
        results = ResultFolder(options.result_dir, manifest)
        _warn_of_old_results(options.result_dir / RESULTS_NAME, options.preprocess_dir)
        if manifest.kind == SQUAD:
            path = Path(options.eval_json_path or manifest.data.path)
            score = score_answers_to_questions(path, manifest, results, options.preprocess_dir)
        else:
            records = options.eval_data_file_path or manifest.data.path
            score = score_records(records, manifest, results, options.preprocess_dir, options.assessment_method)
        _write(options, manifest, score)
    for line in score.lines:
        print(line)
    return 0


def _write(options: argparse.Namespace, manifest: OfflineManifest, score: OfflineScore) -> None:
    """Write predictions, figures and ``acc.log``."""
    folder = options.predictions_dir / manifest.task
    files = score.write_files(folder)
    if score.report is not None:
        write_json_atomic(folder / METRICS_NAME, score.report)
    for path in files:
        logger.info("predictions: %s", path)
    write_text_atomic(options.acc_log, "\n".join(score.lines) + "\n")


def _compare(options: argparse.Namespace, manifest: OfflineManifest) -> None:
    """Refuse options that contradict the manifest."""
    if options.batch_size not in (None, manifest.batch_size):
        what = f"preprocess.py wrote batches of {manifest.batch_size} rows, not {options.batch_size}"
        raise ConfigError(what, "--batch_size", "leave it out: it is taken from the manifest")
    is_squad = manifest.kind == SQUAD
    theirs = read_task_type(manifest.task) if is_squad else TaskType(manifest.task_name)
    if options.task != TaskType() and not options.task.agrees_with(theirs):
        what = f"preprocess.py wrote files for {manifest.task}, not for {options.task_type}"
        raise ConfigError(what, "--task_type", "name that task, or leave it out")
    if is_squad and options.assessment_method != "auto":
        raise ConfigError("SQuAD has its own metrics", "--assessment_method", "leave it out")


def _warn_of_old_results(results: Path, preprocess_dir: Path) -> None:
    """Say so where the answers are older than the files that they should answer."""
    from src.offline.manifest import MANIFEST_NAME

    if results.stat().st_mtime + _SECONDS < (preprocess_dir / MANIFEST_NAME).stat().st_mtime:
        logger.warning("%s is older than %s: are these answers to these files?", results, preprocess_dir)
