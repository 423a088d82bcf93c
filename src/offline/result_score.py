"""From answers in files to figures and predictions, by the evaluator of training and ``--do_eval``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.data.table import FinetuneTable
from src.data.tokenization import Tokenizer, load_tokenizer
from src.evaluate.predictions import write_predictions
from src.evaluate.report import result_lines
from src.evaluate.scoring import evaluate_predictions
from src.evaluate.squad_files import write_answers
from src.evaluate.task_metrics import metrics_for_task
from src.offline.manifest import TOKENIZER_FOLDER, OfflineManifest
from src.offline.questions import question_set, read_again, unanswered
from src.offline.records import read_records_again
from src.offline.results import ResultFolder
from src.tasks.inference import Outputs, rows_of_output
from src.tasks.row_scores import score_rows
from src.tasks.squad_answering import answers_of, packed_candidates, score_answers
from src.tasks.tag_predictions import write_tags

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OfflineScore:
    """What was found.

    Attributes:
        lines: What is printed and written to ``acc.log``.
        report: All figures; ``None`` without labels.
        write_files: Writes predictions into a folder and returns the files.
    """

    lines: tuple[str, ...]
    report: dict[str, Any] | None
    write_files: Callable[[Path], list[Path]]


def score_records(
    path: str, manifest: OfflineManifest, results: ResultFolder, directory: Path, assessment_method: str
) -> OfflineScore:
    """Return the score of classes, numbers or tags.

    Args:
        path: The records.
        manifest: What was asked.
        results: What was answered.
        directory: Folder of the manifest.
        assessment_method: The metric that decides; ``auto`` for the task's own.

    Raises:
        ConfigError: The metric does not fit the task.
        DataError: The records are other ones, or a file cannot be read.
        TrainingError: Outputs are not finite.
    """
    labels = tuple(manifest.labels)
    metrics = metrics_for_task(
        manifest.kind, task_name=manifest.task_name, assessment_method=assessment_method, label_names=labels
    )
    table = read_records_again(path, manifest)
    outputs = results.outputs(rows_of_output, table.lengths)

    def write_files(folder: Path) -> list[Path]:
        return _write_predictions(folder, table, outputs, labels, manifest, directory)

    if table.label_ids is None:
        nothing = evaluate_predictions(manifest.kind, metrics.methods, outputs.values, None, labels)
        return OfflineScore(tuple(result_lines(nothing)), None, write_files)
    score = score_rows(table, outputs, labels, metrics.methods)
    return OfflineScore(score.lines, score.report, write_files)


def _write_predictions(
    folder: Path,
    table: FinetuneTable,
    outputs: Outputs,
    labels: tuple[str, ...],
    manifest: OfflineManifest,
    directory: Path,
) -> list[Path]:
    """Write predictions as ``run_classifier.py --do_predict`` does."""
    if table.kind != "token_classification":
        return write_predictions(folder, table.kind, outputs.stacked(), labels, table.label_ids)
    tokenizer = _tokenizer_of(manifest, directory)
    if tokenizer is None:
        logger.warning(
            "no tags are written: the words can only be spelled with the vocabulary; give it to preprocess.py"
        )
        return []
    return write_tags(folder, table, outputs, labels, tokenizer)


def score_answers_to_questions(
    path: Path, manifest: OfflineManifest, results: ResultFolder, directory: Path
) -> OfflineScore:
    """Return exact match and F1 of answers to questions.

    Args:
        path: The SQuAD file.
        manifest: What was asked.
        results: What was answered.
        directory: Folder of the manifest.

    Raises:
        DataError: The file is another one, or cannot be read.
        TrainingError: Outputs are not finite.
    """
    settings, tokenizer = manifest.answers, _tokenizer_of(manifest, directory)
    if settings is None or tokenizer is None:
        raise ValueError("the manifest of questions lacks answers or tokenizer")
    data = read_again(path, manifest.data.sha256[0])
    questions = question_set(data, tokenizer, settings, manifest.length)
    if questions.features.rows != manifest.rows:
        what = f"the questions make {questions.features.rows} windows, and {manifest.rows} were asked"
        raise DataError(what, str(path), "run preprocess.py again, with this version of the program")
    outputs = results.outputs(packed_candidates(questions, settings), questions.table.lengths)
    answers = answers_of(questions, outputs, settings)
    if unanswered(data):
        line = f"total_num {len(answers)}, {unanswered(data)} without an answer to compare with: not scored"
        threshold = settings.null_score_diff_threshold
        return OfflineScore((line,), None, lambda folder: write_answers(folder, answers, null_threshold=threshold))
    score = score_answers(questions, answers, settings)
    if score.write_files is None:
        raise ValueError("the score of answers writes no files")
    return OfflineScore(score.lines, score.report, score.write_files)


def _tokenizer_of(manifest: OfflineManifest, directory: Path) -> Tokenizer | None:
    """Return the tokenizer that ``preprocess.py`` left in the folder, ``None`` where it had none.

    Raises:
        DataError: Its file is missing or another one.
    """
    kept = manifest.tokenizer
    if kept is None:
        return None
    file = directory / TOKENIZER_FOLDER / (kept.spm_model or kept.vocabulary)
    vocabulary, model = ("", file) if kept.spm_model else (file, "")
    tokenizer = load_tokenizer(vocabulary, model, kept.do_lower_case)
    if tokenizer.fingerprint()["sha256"] != kept.sha256:
        what = "the vocabulary is not the one that the batches were made with"
        raise DataError(what, str(file), "run preprocess.py again")
    return tokenizer
