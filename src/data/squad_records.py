"""Write training features of SQuAD as MindRecord or TFRecord files, with their manifest and the list of what is not in.

The columns are those of the model zoo and of google-research/albert. Legend of shapes: B rows of a chunk, S the file's
``max_seq_length``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from src.data.manifest import Manifest
from src.data.record_checks import Chunk
from src.data.record_schema import (
    END_POSITIONS,
    INPUT_IDS,
    INPUT_MASK,
    IS_IMPOSSIBLE,
    P_MASK,
    SEGMENT_IDS,
    SQUAD,
    START_POSITIONS,
    UNIQUE_IDS,
    gather_padded,
)
from src.data.record_writer import prepare_output, write_files
from src.data.squad import SquadFile
from src.data.squad_features import SquadFeatures
from src.data.squad_manifest import describe_features
from src.data.squad_record_checks import check_squad_rows, squad_rules

_CHUNK_ROWS = 1000


def write_squad_records(
    path: Path,
    file_format: str,
    data: SquadFile,
    features: SquadFeatures,
    *,
    tokenizer: Mapping[str, Any],
    shard_num: int = 1,
    overwrite: bool = False,
) -> Manifest:
    """Write training features to a new record file, its manifest, and the list of skipped questions if there are any.

    Args:
        path: The file; several shards are named as ``write_records`` names them. The list is
            ``<path>.skipped.json``: ``{"source": ..., "questions": [{"id": ..., "why": ...}]}``.
        file_format: ``mindrecord`` or ``tfrecord``.
        data: The questions.
        features: Their training features.
        tokenizer: ``Tokenizer.fingerprint()`` of what made the token ids.
        shard_num: Number of shards, at most the number of windows.
        overwrite: Replace an existing record file of that name.

    Returns:
        The manifest that was written.

    Raises:
        OutputError: The output exists, or cannot be written. What was there before is still there.
        DataError: A window is not as a record must be.
    """
    length = features.settings.max_seq_length
    old = prepare_output(path, file_format, length, shard_num, overwrite)
    info = describe_features(data, features)
    described = {
        "kind": SQUAD,
        "file_format": file_format,
        "rows": features.rows,
        "max_seq_length": length,
        "task_name": f"squad_v{info.version}",
        "split": "train",
        "labels": [],
        "has_labels": True,
        "tokenizer": dict(tokenizer),
        "settings": info.model_dump(),
    }
    rules = squad_rules(length, None, int(tokenizer["vocab_size"]))

    def chunks_of(rows: range) -> Iterator[Chunk]:
        return squad_chunks(path, features, rows)

    def check(chunk: Chunk) -> None:
        check_squad_rows(chunk, rules, ours=True)

    return write_files(path, described, chunks_of, check, shard_num, old, _skipped(data, features))


def _skipped(data: SquadFile, features: SquadFeatures) -> dict[str, Any] | None:
    if not features.skipped:
        return None
    questions = [{"id": question.id, "why": question.why} for question in features.skipped]
    return {"source": data.source.name, "questions": questions}


def squad_chunks(path: Path, features: SquadFeatures, rows: range) -> Iterator[Chunk]:
    """Yield the stored columns of some windows, int64[B, S] or int64[B, 1], in the order of the schema."""
    places = np.arange(features.settings.max_seq_length)
    for begin in range(rows.start, rows.stop, _CHUNK_ROWS):
        taken = np.arange(begin, min(begin + _CHUNK_ROWS, rows.stop))
        ids = gather_padded(features.token_ids, features.offsets, taken, len(places), 0)
        doc_begin = features.doc_begin[taken][:, None]
        doc_end = doc_begin + features.doc_length[taken][:, None]
        inside = places < features.lengths[taken][:, None]
        allowed = (places == 0) | ((places >= doc_begin) & (places < doc_end))
        columns = {
            UNIQUE_IDS: features.unique_ids[taken][:, None],
            INPUT_IDS: ids,
            INPUT_MASK: inside,
            SEGMENT_IDS: inside & (places >= doc_begin),
            P_MASK: ~allowed,
            START_POSITIONS: features.start_position[taken][:, None],
            END_POSITIONS: features.end_position[taken][:, None],
            IS_IMPOSSIBLE: features.is_impossible[taken][:, None],
        }
        yield Chunk(path, taken, {name: values.astype(np.int64) for name, values in columns.items()})
