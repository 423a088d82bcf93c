"""Predictions with their probabilities: JSON lines for programs, TSV for people, CoNLL columns for tagged words."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.common.files import atomic_path
from src.evaluate.entity_f1 import OUTSIDE
from src.evaluate.scoring import check_finite, regression_scores
from src.evaluate.task_metrics import CLASSIFICATION, REGRESSION

LOGGER = logging.getLogger(__name__)

JSONL_NAME = "predictions.jsonl"
TSV_NAME = "predictions.tsv"
CONLL_NAME = "predictions.conll"


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities float64 [..., C] of logits float [..., C]; large logits do not overflow."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True).astype(np.float64)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _probabilities(logits: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
    """Return float64 [rows, C] after checking that the logits fit the labels and are finite."""
    if logits.dtype.kind != "f" or logits.ndim != 2 or logits.shape[1] != len(label_names):
        raise DataError(f"outputs of shape {logits.shape} and type {logits.dtype} are no logits of {len(label_names)}")
    check_finite(logits)
    return softmax(logits)


def prediction_records(
    kind: str, outputs: np.ndarray, label_names: Sequence[str] = (), expected: np.ndarray | None = None
) -> Iterator[dict[str, Any]]:
    """Yield one record per row: its index and what was predicted.

    Args:
        kind: classification (``label``, ``probability``, ``probabilities`` by label) or regression (``score``).
        outputs: Logits float [rows, C], or float [rows] or [rows, 1].
        label_names: Names of the C classes; not read for regression.
        expected: Label ids int [rows] or float [rows], added as ``expected``; ``None`` without labels.

    Raises:
        DataError: Outputs do not fit the labels, or the kind has no such record.
        TrainingError: Outputs are not finite.
    """
    if expected is not None and len(expected) != len(outputs):
        raise DataError(f"{len(outputs)} rows of outputs for {len(expected)} labels")
    truth: dict[str, Any]
    if kind == REGRESSION:
        for index, score in enumerate(regression_scores(outputs)):
            truth = {} if expected is None else {"expected": float(expected[index])}
            yield {"index": index, "score": float(score), **truth}
    elif kind == CLASSIFICATION:
        for index, row in enumerate(_probabilities(outputs, label_names)):
            best = int(row.argmax())
            by_label = dict(zip(label_names, row.tolist(), strict=True))
            truth = {} if expected is None else {"expected": label_names[int(expected[index])]}
            yield {
                "index": index,
                "label": label_names[best],
                "probability": float(row[best]),
                "probabilities": by_label,
                **truth,
            }
    else:
        raise DataError(f"'{kind}' has one prediction per word, not per row", fix="use tag_records")


def _tsv_cells(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Flatten a record into (column, text): six decimals, one column per label, no tab or line break inside."""
    cells: list[tuple[str, str]] = []
    for name, value in record.items():
        if name == "probabilities":
            cells += [(f"probability_{label}", f"{share:.6f}") for label, share in value.items()]
        else:
            cells.append((name, f"{value:.6f}" if isinstance(value, float) else str(value)))
    return [(" ".join(name.split()), " ".join(text.split())) for name, text in cells]


def _tsv_header(kind: str, label_names: Sequence[str], has_expected: bool) -> list[str]:
    """Return the columns of the TSV file, which an empty table has too."""
    record: dict[str, Any] = {"index": 0, "score": 0.0}
    if kind == CLASSIFICATION:
        record = {"index": 0, "label": "", "probability": 0.0, "probabilities": dict.fromkeys(label_names, 0.0)}
    if has_expected:
        record["expected"] = ""
    return [name for name, _ in _tsv_cells(record)]


def write_predictions(
    directory: Path,
    kind: str,
    outputs: np.ndarray,
    label_names: Sequence[str] = (),
    expected: np.ndarray | None = None,
) -> list[Path]:
    """Write ``predictions.jsonl`` and ``predictions.tsv``, each as a whole; arguments as ``prediction_records``.

    Returns:
        The two paths.
    """
    jsonl, tsv = directory / JSONL_NAME, directory / TSV_NAME
    header = _tsv_header(kind, label_names, expected is not None)
    with (
        atomic_path(jsonl) as json_name,
        atomic_path(tsv) as tsv_name,
        json_name.open("w", encoding="utf-8") as lines,
        tsv_name.open("w", encoding="utf-8") as table,
    ):
        table.write("\t".join(header) + "\n")
        for record in prediction_records(kind, outputs, label_names, expected):
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            table.write("\t".join(text for _, text in _tsv_cells(record)) + "\n")
    return [jsonl, tsv]


def tag_records(
    words: Sequence[Sequence[str]],
    logits: Sequence[np.ndarray],
    label_names: Sequence[str],
    expected: Sequence[Sequence[str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one record per sentence: its words, a tag for each, and the tags' probabilities.

    Args:
        words: Words of each sentence.
        logits: Per sentence float [W, C], one row for each of the first W words. Words that did not fit into the
            sequence get ``O`` with probability ``None``.
        label_names: Names of the C tags.
        expected: True tags, added as ``expected``; ``None`` without labels.

    Raises:
        DataError: Numbers of sentences differ, or a sentence has more logits than words.
        TrainingError: Logits are not finite.
    """
    if len(words) != len(logits) or (expected is not None and len(expected) != len(words)):
        raise DataError(f"{len(logits)} sentences of outputs for {len(words)} sentences of words")
    for index, (sentence, scores) in enumerate(zip(words, logits, strict=True)):
        missing = len(sentence) - len(scores)
        if missing < 0:
            raise DataError(f"{len(scores)} outputs for {len(sentence)} words", f"sentence {index}")
        shares = _probabilities(scores, label_names)
        yield {
            "index": index,
            "words": list(sentence),
            "tags": [label_names[i] for i in shares.argmax(axis=-1)] + [OUTSIDE] * missing,
            "probabilities": [*shares.max(axis=-1, initial=0).tolist(), *[None] * missing],
            **({} if expected is None else {"expected": list(expected[index])}),
        }


def write_tag_predictions(
    directory: Path,
    words: Sequence[Sequence[str]],
    logits: Sequence[np.ndarray],
    label_names: Sequence[str],
    expected: Sequence[Sequence[str]] | None = None,
) -> list[Path]:
    """Write ``predictions.jsonl`` and ``predictions.conll``; arguments as ``tag_records``.

    The CoNLL file holds one word a line, then the true tag where there are labels, then the predicted tag, separated
    by tabs, with an empty line after each sentence, as conlleval reads it.

    Returns:
        The two paths.
    """
    jsonl, conll = directory / JSONL_NAME, directory / CONLL_NAME
    cut = 0
    with (
        atomic_path(jsonl) as json_name,
        atomic_path(conll) as conll_name,
        json_name.open("w", encoding="utf-8") as lines,
        conll_name.open("w", encoding="utf-8") as table,
    ):
        for record in tag_records(words, logits, label_names, expected):
            cut += sum(share is None for share in record["probabilities"])
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            columns = [record["words"], *([record["expected"]] if "expected" in record else []), record["tags"]]
            table.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))
            table.write("\n")
    if cut:
        LOGGER.warning("%d words lie beyond max_seq_length and are tagged %s", cut, OUTSIDE)
    return [jsonl, conll]
