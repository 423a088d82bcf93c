"""Token ids and segments of a text or a pair of texts, without padding; words with tags are in ``word_windows.py``.

The converter and prediction on raw text both come through here, so a text gets the same ids on both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.common.errors import DataError
from src.data.tokenization import Tokenizer


@dataclass(frozen=True)
class Features:
    """The tokens of one row: ``[CLS] A [SEP]`` or ``[CLS] A [SEP] B [SEP]``.

    Attributes:
        input_ids: Token ids.
        segment_ids: 0 up to the first ``[SEP]``, 1 after it; as long as ``input_ids``.
    """

    input_ids: list[int]
    segment_ids: list[int]


def build_pair(
    tokens_a_ids: Sequence[int], tokens_b_ids: Sequence[int] | None, max_seq_length: int, tokenizer: Tokenizer
) -> Features:
    """Put special symbols around one text or a pair, cut to ``max_seq_length`` tokens.

    A pair loses tokens at the end of the longer text, of B where both are equally long; an empty B is no B (the
    rules of ``run_classifier.py`` of google-research/albert).

    Raises:
        DataError: ``max_seq_length`` leaves no room for the special symbols.
    """
    has_b = bool(tokens_b_ids)
    room = max_seq_length - (3 if has_b else 2)
    if room < 0:
        raise DataError(f"max_seq_length {max_seq_length} leaves no room for the special symbols", fix="use 3 or more")
    count_a, count_b = _truncated_lengths(len(tokens_a_ids), len(tokens_b_ids or ()), room)
    ids = [tokenizer.cls_id, *tokens_a_ids[:count_a], tokenizer.sep_id]
    segments = [0] * len(ids)
    if tokens_b_ids and count_b:
        ids += [*tokens_b_ids[:count_b], tokenizer.sep_id]
        segments += [1] * (count_b + 1)
    return Features(ids, segments)


def _truncated_lengths(count_a: int, count_b: int, room: int) -> tuple[int, int]:
    """Return how many tokens of each text stay when ``room`` tokens fit in all."""
    while count_a + count_b > room:
        if count_a > count_b:
            count_a -= 1
        else:
            count_b -= 1
    return count_a, count_b
