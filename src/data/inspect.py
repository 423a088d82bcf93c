"""Show records of a file as people read them: tokens, segments, label."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.common.errors import DataError
from src.data.examples import REGRESSION, TOKEN_CLASSIFICATION
from src.data.manifest import Manifest
from src.data.record_schema import IGNORED_LABEL
from src.data.table import FinetuneTable, read_table
from src.data.tokenization import Tokenizer


def inspect_file(path: Path, tokenizer: Tokenizer, count: int) -> list[str]:
    """Return the lines that show the first ``count`` records of a MindRecord or TFRecord file.

    Raises:
        DataError: The file is damaged, or was made with another vocabulary.
    """
    table = read_table(path)
    check_vocabulary(table.manifest, table.source, tokenizer)
    lines = [_headline(table)]
    for row in range(min(count, table.rows)):
        lines.extend(["", f"record {row} of {table.rows}: {table.lengths[row]} tokens"])
        lines.extend(_record(table, row, tokenizer))
    return lines


def check_vocabulary(manifest: Manifest | None, source: Path, tokenizer: Tokenizer) -> None:
    """Refuse to show tokens of a vocabulary that did not make the ids; nothing is known of files without manifest."""
    if manifest is None:
        return
    made_with, given = manifest.tokenizer, tokenizer.fingerprint()
    if made_with.sha256 != given["sha256"]:
        raise DataError(
            f"the file was made with {made_with.file} (sha256 {made_with.sha256[:12]}...), not with "
            f"{given['file']} (sha256 {given['sha256'][:12]}...)",
            str(source),
            f"give {made_with.file}",
        )


def _headline(table: FinetuneTable) -> str:
    manifest = table.manifest
    task = f"{manifest.task_name} {manifest.split}, " if manifest else "no manifest, "
    labels = f", labels {', '.join(table.labels)}" if table.labels else ""
    return f"{table.source}: {task}{table.kind}, {table.rows} rows of up to {table.max_seq_length} tokens{labels}"


def _record(table: FinetuneTable, row: int, tokenizer: Tokenizer) -> list[str]:
    begin, end = int(table.offsets[row]), int(table.offsets[row + 1])
    ids = table.token_ids[begin:end]
    tokens = tokenizer.ids_to_tokens(ids.tolist())
    segments = table.segment_ids[begin:end]
    if table.kind == TOKEN_CLASSIFICATION and table.label_ids is not None:
        return _tagged_tokens(table, tokens, table.label_ids[begin:end])
    lines = [f"  segment {segment}: {_join(tokens, segments == segment)}" for segment in np.unique(segments)]
    return [*lines, f"  label: {_label(table, row)}"]


def _join(tokens: list[str], chosen: np.ndarray) -> str:
    return " ".join(token for token, wanted in zip(tokens, chosen, strict=True) if wanted)


def _label(table: FinetuneTable, row: int) -> str:
    if table.label_ids is None:
        return "none (the split has no labels)"
    value = table.label_ids[row]
    if table.kind == REGRESSION:
        return f"{value:g}"
    return _class_name(table, int(value))


def _class_name(table: FinetuneTable, index: int) -> str:
    """Return ``name (id)``; files without a manifest have ids only."""
    return f"{table.labels[index]} ({index})" if index < len(table.labels) else str(index)


def _tagged_tokens(table: FinetuneTable, tokens: list[str], labels: np.ndarray) -> list[str]:
    """Return one line a token: the tag stands at the first piece of a word."""
    width = max(len(token) for token in tokens)
    return [
        f"  {token:<{width}}  {'' if label == IGNORED_LABEL else _class_name(table, int(label))}".rstrip()
        for token, label in zip(tokens, labels, strict=True)
    ]
