"""Write the tags that token classification gave to the words of a record file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.data.table import FinetuneTable
from src.data.tokenization import Tokenizer
from src.evaluate.predictions import write_tag_predictions
from src.tasks.inference import Outputs, sentences_of

_WORD_MARKS = ("▁", "##")


def _word_starts(table: FinetuneTable, row: int, pieces: list[str], tokenizer: Tokenizer) -> list[int]:
    """Return the positions of the first pieces of words: where the labels are, or where the pieces say so.

    A record keeps no words. Without labels the vocabulary's own idea of a word start has to do, which parts
    punctuation from the word before it.
    """
    if table.label_ids is not None:
        first, last = table.offsets[row], table.offsets[row + 1]
        return [int(i) for i in np.flatnonzero(table.label_ids[first:last] >= 0)]
    inner = range(1, len(pieces) - 1)
    return [i for i in inner if i == 1 or tokenizer.is_start_piece(pieces[i])]


def _text_of(pieces: list[str]) -> str:
    """Return the word that pieces spell, as far as the tokenizer's normalisation kept it."""
    text = "".join(pieces)
    for mark in _WORD_MARKS:
        text = text.replace(mark, "")
    return text or "▁"


def write_tags(
    directory: Path, table: FinetuneTable, outputs: Outputs, labels: tuple[str, ...], tokenizer: Tokenizer
) -> list[Path]:
    """Write ``predictions.jsonl`` and ``predictions.conll``; words are spelled as the tokenizer normalised them.

    A sentence that the converter parted into several records is one sentence again.

    Args:
        directory: Where the files go.
        table: The rows.
        outputs: Logits [T, C] of each row.
        labels: Names of the C tags.
        tokenizer: The one that made the rows.
    """
    words: list[list[str]] = []
    logits: list[np.ndarray] = []
    expected: list[list[str]] = []
    for places in sentences_of(table, outputs.rows):
        words.append([])
        expected.append([])
        parts: list[np.ndarray] = []
        for place in places:
            row = int(outputs.rows[place])
            first, last = int(table.offsets[row]), int(table.offsets[row + 1])
            pieces = tokenizer.ids_to_tokens(table.token_ids[first:last].tolist())
            starts = _word_starts(table, row, pieces, tokenizer)
            ends = [*starts[1:], len(pieces) - 1]
            words[-1] += [_text_of(pieces[start:end]) for start, end in zip(starts, ends, strict=True)]
            parts.append(outputs.values[place][starts])
            if table.label_ids is not None:
                expected[-1] += [labels[table.label_ids[first + start]] for start in starts]
        logits.append(np.concatenate(parts))
    return write_tag_predictions(
        directory,
        words,
        logits,
        labels,
        expected if table.label_ids is not None else None,
    )
