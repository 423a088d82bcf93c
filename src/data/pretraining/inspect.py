"""Show pre-training records as people read them: tokens, what was masked, and the order of the segments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from src.common.errors import DataError
from src.data.pretraining.reader import manifest_of, read_chunks
from src.data.pretraining.records import (
    INPUT_IDS,
    INPUT_MASK,
    MASKED_LM_IDS,
    MASKED_LM_POSITIONS,
    MASKED_LM_WEIGHTS,
    NEXT_SENTENCE_LABELS,
    SEGMENT_IDS,
)
from src.data.tokenization import Tokenizer

_ORDERS = {0: "0 (original order)", 1: "1 (swapped, or from another document)"}


def inspect_records(path: Path, tokenizer: Tokenizer, count: int) -> list[str]:
    """Return the lines that show the first ``count`` records of a file.

    Places to predict are shown as ``[MASK]=original``, ``{original}`` where the token was kept, and
    ``{other=original}`` where another token stands.

    Raises:
        DataError: The file is damaged, or was made with another vocabulary.
    """
    manifest = manifest_of(path)
    if manifest is not None and manifest.tokenizer.sha256 != tokenizer.fingerprint()["sha256"]:
        made_with = manifest.tokenizer
        what = f"the file was made with {made_with.file} (sha256 {made_with.sha256[:12]}...), not with the one given"
        raise DataError(what, str(path), f"give {made_with.file}")
    rows = {file.name: file.rows for file in manifest.files}[path.name] if manifest else None
    lines = [f"{path}: {'no manifest' if rows is None else f'{rows:,} records'}"]
    shown = 0
    for chunk in read_chunks(path):
        for index in range(min(len(chunk[INPUT_IDS]), count - shown)):
            lines += ["", *_record({name: values[index] for name, values in chunk.items()}, tokenizer, shown)]
            shown += 1
        if shown >= count:
            break
    return lines


def _record(row: Mapping[str, np.ndarray], tokenizer: Tokenizer, number: int) -> list[str]:
    length = int(row[INPUT_MASK].sum())
    tokens = tokenizer.ids_to_tokens(row[INPUT_IDS][:length].tolist())
    real = row[MASKED_LM_WEIGHTS] > 0
    originals = tokenizer.ids_to_tokens(row[MASKED_LM_IDS][real].tolist())
    for position, original in zip(row[MASKED_LM_POSITIONS][real].tolist(), originals, strict=True):
        if position >= length:
            raise DataError(f"a place to predict, {position}, is behind the last token", f"record {number}")
        tokens[position] = _shown(tokens[position], original, tokenizer.ids_to_tokens([tokenizer.mask_id])[0])
    segments = row[SEGMENT_IDS][:length]
    lines = [f"record {number}: {length} tokens, {int(real.sum())} to predict"]
    for segment in (0, 1):
        chosen = [token for token, belongs in zip(tokens, segments == segment, strict=True) if belongs]
        lines.append(f"  segment {segment}: {' '.join(chosen)}")
    label = int(row[NEXT_SENTENCE_LABELS].item())
    return [*lines, f"  sentence order: {_ORDERS.get(label, str(label))}"]


def _shown(token: str, original: str, mask: str) -> str:
    if token == mask:
        return f"{mask}={original}"
    return f"{{{original}}}" if token == original else f"{{{token}={original}}}"
