"""The files that the GLUE benchmark's site takes: ``<TASK>.tsv`` with the columns ``index`` and ``prediction``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.common.errors import DataError
from src.common.files import atomic_path
from src.common.glue_tasks import GLUE_LABELS, glue_task_name
from src.evaluate.scoring import class_ids, regression_scores

LOGGER = logging.getLogger(__name__)


class Submission(NamedTuple):
    """What GLUE expects of a task.

    Attributes:
        file_name: Name of the file.
        rows: Rows of the official test file; the site refuses any other number.
    """

    file_name: str
    rows: int


SUBMISSIONS = {
    "CoLA": Submission("CoLA.tsv", 1063),
    "SST-2": Submission("SST-2.tsv", 1821),
    "MRPC": Submission("MRPC.tsv", 1725),
    "STS-B": Submission("STS-B.tsv", 1379),
    "QQP": Submission("QQP.tsv", 390965),
    "MNLI": Submission("MNLI-m.tsv", 9796),
    "MNLI-mm": Submission("MNLI-mm.tsv", 9847),
    "QNLI": Submission("QNLI.tsv", 5463),
    "RTE": Submission("RTE.tsv", 3000),
    "WNLI": Submission("WNLI.tsv", 146),
    "AX": Submission("AX.tsv", 1104),
}

_LOWEST_SCORE, _HIGHEST_SCORE = 0.0, 5.0


def submission_of(task_name: str) -> Submission | None:
    """Return what GLUE expects of the task with this name (any spelling), or ``None`` if it is none of GLUE's."""
    return SUBMISSIONS.get(glue_task_name(task_name))


def _check_labels(task_name: str, wanted: Sequence[str], label_names: Sequence[str]) -> None:
    if set(label_names) != set(wanted):
        raise DataError(
            f"labels {sorted(label_names)} are not those of GLUE's {task_name}: {sorted(wanted)}",
            fix="predict with a model that was trained on this task",
        )


def write_glue_submission(
    directory: Path, task_name: str, outputs: np.ndarray, label_names: Sequence[str] = ()
) -> Path:
    """Write the submission file of one task.

    Args:
        directory: Where the file goes.
        task_name: Name of the task in any spelling; ``mismnli`` is MNLI-mm.
        outputs: Logits [rows, C] or ids [rows]; for STS-B [rows] or [rows, 1].
        label_names: Names of the C classes; not read for STS-B, whose scores are clipped to 0..5.

    Raises:
        DataError: The task is not GLUE's, or labels or outputs do not fit it.
        TrainingError: Outputs are not finite.
    """
    submission = submission_of(task_name)
    if submission is None:
        raise DataError(f"'{task_name}' is no GLUE task", fix=f"choose one of {', '.join(SUBMISSIONS)}")
    predictions: Iterable[str]
    wanted = GLUE_LABELS[glue_task_name(task_name)]
    if wanted:
        _check_labels(task_name, wanted, label_names)
        predictions = (label_names[i] for i in class_ids(outputs, len(label_names)))
    else:
        # Adding 0 turns -0.0 into 0.0.
        scores = np.clip(regression_scores(outputs), _LOWEST_SCORE, _HIGHEST_SCORE) + 0.0
        predictions = (f"{score:.3f}" for score in scores)
    if len(outputs) != submission.rows:
        LOGGER.warning(
            "%s holds %d rows; the official test file has %d, and GLUE's site refuses other numbers",
            submission.file_name,
            len(outputs),
            submission.rows,
        )
    path = directory / submission.file_name
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write("index\tprediction\n")
        stream.writelines(f"{index}\t{prediction}\n" for index, prediction in enumerate(predictions))
    return path
