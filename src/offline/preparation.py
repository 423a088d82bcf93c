"""Decide what ``preprocess.py`` writes: rows, sizes, and what stands in the manifest."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import ConfigError, DataError
from src.config.squad import SquadConfig
from src.data.batch_table import Batch, BatchTable
from src.data.record_schema import LABEL_IDS, SQUAD
from src.data.squad import read_squad
from src.data.squad_features import SquadFeatures
from src.data.table import FinetuneTable
from src.offline.batch_folder import References
from src.offline.manifest import DataInfo, OfflineManifest, batch_files
from src.offline.preprocess_options import no_data
from src.offline.questions import answer_settings, check_version, question_files, question_set, unanswered
from src.offline.records import read_records
from src.offline.target_model import (
    TargetModel,
    Vocabulary,
    choose_length,
    choose_size,
    choose_task,
    load_vocabulary,
    open_target,
)
from src.offline.task_type import TaskType, file_prefix

logger = logging.getLogger(__name__)

# Of the references: what fills up the last batch, and stands for a label that is not known.
_NOTHING = -1


@dataclass(frozen=True)
class Prepared:
    """What is written; see ``write_batches``."""

    manifest: OfflineManifest
    table: BatchTable
    references: References
    tokenizer_file: Path | None


def prepare(options: argparse.Namespace) -> Prepared:
    """Read everything that the options name and check that it belongs together.

    Raises:
        AlbertError: A file is missing or damaged, or options, model and data contradict each other.
    """
    model = open_target(options.model)
    task = choose_task(options.task, model, options.eval_json_path)
    if task.is_squad:
        return _prepare_questions(options, task, model)
    if not options.eval_data_file_path:
        raise no_data()
    if options.eval_json_path:
        logger.warning("--eval_json_path is for SQuAD; it is not read")
    return _prepare_records(options, task, model)


def _prepare_records(options: argparse.Namespace, task: TaskType, model: TargetModel | None) -> Prepared:
    """Return the batches of record files."""
    wanted = choose_length(options.seq_length, model, 0)
    records = read_records(
        options.eval_data_file_path, task, model, num_class=options.num_class, max_length=wanted or None
    )
    lower = options.do_lower_case
    if lower is None and model is None and records.manifest is not None:
        lower = records.manifest.tokenizer.do_lower_case
    vocabulary = load_vocabulary(options.spm_model_file, options.vocab_file_path, lower, model)
    if vocabulary and records.manifest and vocabulary.entry().sha256 != records.manifest.tokenizer.sha256:
        what = f"this vocabulary is not the one that the records were made with ({records.manifest.tokenizer.file})"
        raise DataError(what, str(vocabulary.file), "give that file, or leave the option out")
    manifest = _manifest(
        options,
        model,
        task=TaskType(records.task_name),
        kind=records.table.kind,
        labels=records.labels,
        rows=records.table.rows,
        length=wanted or records.table.max_seq_length,
        data=DataInfo(path=_lasting(options.eval_data_file_path), sha256=records.sha256),
        vocabulary=vocabulary,
    )
    return Prepared(manifest, records.table, _labels_of(records.table), vocabulary.file if vocabulary else None)


def _prepare_questions(options: argparse.Namespace, task: TaskType, model: TargetModel | None) -> Prepared:
    """Return the batches of a SQuAD file."""
    json_file, cache = question_files(options.eval_data_file_path, options.eval_json_path)
    vocabulary = load_vocabulary(options.spm_model_file, options.vocab_file_path, options.do_lower_case, model)
    if vocabulary is None:
        fix = "give --model with its folder of assets, --spm_model_file or --vocab_file_path"
        raise ConfigError("questions cannot be read without a vocabulary", "--spm_model_file", fix)
    length = choose_length(options.seq_length, model, SquadConfig.network_defaults["seq_length"])
    data = read_squad(json_file)
    settings = answer_settings(options, task, model, data)
    check_version(data, settings)
    if unanswered(data):
        logger.warning("%d questions of %s have no answer to compare with: no score", unanswered(data), json_file)
    try:
        questions = question_set(data, vocabulary.tokenizer, settings, length, cache)
    except ConfigError as error:
        fix = error.fix.replace("max_seq_length", "--seq_length")
        raise ConfigError(error.what.replace("max_seq_length", "seq_length"), error.where, fix) from error
    manifest = _manifest(
        options,
        model,
        task=TaskType(is_squad=True, version="2.0" if settings.version_2_with_negative else "1.1"),
        kind=SQUAD,
        labels=(),
        rows=questions.table.rows,
        length=length,
        data=DataInfo(path=_lasting(str(json_file)), sha256=[data.sha256]),
        vocabulary=vocabulary,
        answers=settings,
    )
    return Prepared(manifest, questions.table, _ids_of(questions.features), vocabulary.file)


def _manifest(
    options: argparse.Namespace,
    model: TargetModel | None,
    *,
    task: TaskType,
    rows: int,
    labels: tuple[str, ...],
    vocabulary: Vocabulary | None,
    **more: Any,
) -> OfflineManifest:
    """Return the manifest of the batches of some rows."""
    fixed = model.description.rows if model else None
    size = choose_size(options.eval_batch_size, fixed, 1, "--eval_batch_size", "rows of a batch")
    prefix = file_prefix(task)
    return OfflineManifest(
        task=prefix,
        task_name=task.name,
        labels=list(labels),
        rows=rows,
        batch_size=size,
        tokenizer=vocabulary.entry() if vocabulary else None,
        model=model.info() if model else None,
        files=batch_files(prefix, rows, size),
        **{"answers": None, **more},
    )


def _lasting(path: str) -> str:
    """Return a path that is found from other folders, too; patterns and lists stay as they are."""
    return str(Path(path).resolve()) if Path(path).exists() else path


def _labels_of(table: FinetuneTable) -> References:
    """Return what gives the labels: int32 [B], float32 [B] (regression) or int32 [B, T] (token classification)."""

    def references(rows: np.ndarray, batch: Batch) -> np.ndarray:
        labels = batch[LABEL_IDS].copy()
        if table.kind != "token_classification":
            labels[len(rows) if table.label_ids is not None else 0 :] = (
                np.nan if table.kind == "regression" else _NOTHING
            )
        return labels

    return references


def _ids_of(features: SquadFeatures) -> References:
    """Return what gives the number of each window, int32 [B]."""

    def references(rows: np.ndarray, batch: Batch) -> np.ndarray:
        ids = np.full(len(next(iter(batch.values()))), _NOTHING, np.int32)
        ids[: len(rows)] = features.unique_ids[rows]
        return ids

    return references
