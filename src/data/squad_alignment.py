"""Which characters of a passage its tokens stand for, and which tokens an answer covers.

The maps are those of ``run_squad`` of google-research/albert, which finds them by a longest common subsequence. Here
they follow from the tokenizer's own offsets, so that nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.data.sentencepiece_tokenizer import WORD_MARK
from src.data.tokenization import Piece, Tokenizer


@dataclass(frozen=True, eq=False)
class ContextTokens:
    """The tokens of a passage.

    Attributes:
        ids: Token ids, int32 [tokens].
        starts: First character of each token, int32 [tokens]: the white space before a piece with the word mark
            belongs to it.
        ends: LAST character of each token, inclusive, int32 [tokens].
        inner_starts: As ``starts`` without that white space.
        first: 1 where the first token is a lone word mark that no character stands for, 0 otherwise.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    inner_starts: np.ndarray
    first: int

    def span(self, begin: int, end: int) -> tuple[int, int] | None:
        """Return the first and the last token (inclusive) of the characters ``begin`` to ``end`` (exclusive).

        All tokens that share a character with them count: the three of a fraction, for example. ``None`` means that
        no token stands for any of these characters (zero-width characters, say).
        """
        first = max(int(np.searchsorted(self.ends, begin)), self.first)
        if first == len(self.ids) or self.inner_starts[first] >= end:
            return None
        return first, int(np.searchsorted(self.inner_starts, end - 1, side="right")) - 1


def align_context(context: str, tokenizer: Tokenizer) -> ContextTokens:
    """Tokenize a passage; takes time linear in its length."""
    pieces = tokenizer.tokenize_with_offsets(context)
    inner_starts = np.array([piece.start for piece in pieces], np.int32)
    starts = np.array(_starts_with_space(context, pieces), np.int32)
    # A lone word mark at the very start stands for nothing; it gets the first character, as in the reference.
    ends = np.maximum(np.array([piece.end for piece in pieces], np.int32) - 1, starts)
    lone = bool(pieces) and pieces[0].start == pieces[0].end
    return ContextTokens(_text_ids(pieces, tokenizer), starts, ends, inner_starts, int(lone))


def _starts_with_space(context: str, pieces: list[Piece]) -> list[int]:
    """Return where each piece starts, the white space that its word mark stands for included."""
    starts = []
    previous = 0
    for text, start, end in pieces:
        if previous < start and text[0] == WORD_MARK:
            starts.append(_mark_start(context, previous, start))
        else:
            starts.append(start)
        previous = end
    return starts


def _mark_start(context: str, begin: int, end: int) -> int:
    """Return the place of the word mark among characters ``begin`` to ``end``, none of which is in a piece.

    It is the first white space. Without any, a spacing accent or a zero-width space was made a space.
    """
    for place in range(begin, end):
        if context[place].isspace():
            return place
    return begin


def _text_ids(pieces: list[Piece], tokenizer: Tokenizer) -> np.ndarray:
    """Return the ids of pieces of text; one that spells a control symbol is unknown, as in ``Tokenizer.encode``."""
    ids = np.array(tokenizer.tokens_to_ids(piece.text for piece in pieces), np.int32)
    control = (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    ids[np.isin(ids, control)] = tokenizer.unk_id
    return ids
