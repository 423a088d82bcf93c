"""Texts with masks: find them in the raw text, encode what stands around them, put words in their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.data.sentencepiece_tokenizer import WORD_MARK
from src.data.tokenization import Tokenizer
from src.data.wordpiece_tokenizer import CONTINUATION

MASK = "[MASK]"
"""How a mask is written in raw text, for every vocabulary."""


@dataclass(frozen=True)
class MaskedText:
    """A text of one segment, encoded.

    Attributes:
        input_ids: ``[CLS] text [SEP]`` with the masks.
        positions: Places of the masks in ``input_ids``.
    """

    input_ids: list[int]
    positions: list[int]


def encode_masked(text: str, tokenizer: Tokenizer) -> MaskedText:
    """Return the tokens of a text; behind a mask a word starts only where the text has a blank, as in training."""
    first, *others = text.split(MASK)
    ids = [tokenizer.cls_id, *tokenizer.encode(first)]
    positions = []
    for part in others:
        positions.append(len(ids))
        ids += [tokenizer.mask_id, *tokenizer.encode_continued(part)]
    return MaskedText([*ids, tokenizer.sep_id], positions)


def fill(text: str, pieces: Sequence[str], tokenizer: Tokenizer) -> str:
    """Return the text with a piece of the vocabulary in the place of each mask.

    A piece that starts a word has a blank before it, one that goes on a word has none, whatever stood before the mask.
    WordPiece marks only the latter: the others leave the blanks as they are.
    """
    first, *others = text.split(MASK)
    result = first
    for piece, part in zip(pieces, others, strict=True):
        if tokenizer.kind == "sentencepiece":
            word = piece.replace(WORD_MARK, " ")
            result = result.rstrip() + word if result.strip() else result + word.lstrip()
        elif piece.startswith(CONTINUATION):
            result = result.rstrip() + piece[len(CONTINUATION) :]
        else:
            result += piece
        result += part
    return result
