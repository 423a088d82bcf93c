"""What decides the content of pre-training records; the names are those of the reference's options."""

from __future__ import annotations

import math
from dataclasses import dataclass

from src.common.errors import ConfigError
from src.data.tokenization import Tokenizer

SPECIAL_TOKENS = 3
"""[CLS] and two [SEP]."""
SHORTEST_SEQUENCE = 5
"""The special tokens and one token for each side."""


@dataclass(frozen=True)
class InstanceSettings:
    """How documents become instances.

    Attributes:
        max_seq_length: Tokens of a record, special tokens included.
        max_predictions_per_seq: Most masked tokens of a record; permuted ones are counted apart.
        masked_lm_prob: Share of the tokens that is masked.
        short_seq_prob: Chance that a pass over a document aims at a random shorter length.
        dupe_factor: Passes over the text, each with its own cuts and masks.
        ngram: Most words of one masked span.
        favor_shorter_ngram: Whether a span of n words has a chance proportional to 1/n; otherwise the reverse.
        do_whole_word_mask: Whether all pieces of a word are masked together.
        do_permutation: Whether as many tokens again are exchanged for one another and predicted.
        random_next_sentence: Whether negatives come from another document (as BERT's next sentence prediction)
            instead of swapping the two sides.
    """

    max_seq_length: int = 512
    max_predictions_per_seq: int = 77
    masked_lm_prob: float = 0.15
    short_seq_prob: float = 0.1
    dupe_factor: int = 10
    ngram: int = 3
    favor_shorter_ngram: bool = True
    do_whole_word_mask: bool = True
    do_permutation: bool = False
    random_next_sentence: bool = False

    def __post_init__(self) -> None:
        _check(self.max_seq_length >= SHORTEST_SEQUENCE, "max_seq_length", f"at least {SHORTEST_SEQUENCE}")
        _check(self.max_predictions_per_seq >= 1, "max_predictions_per_seq", "at least 1")
        _check(0 < self.masked_lm_prob < 1, "masked_lm_prob", "above 0 and below 1")
        _check(0 <= self.short_seq_prob <= 1, "short_seq_prob", "0 to 1")
        _check(self.dupe_factor >= 1, "dupe_factor", "at least 1")
        _check(self.ngram >= 1, "ngram", "at least 1")

    @property
    def prediction_slots(self) -> int:
        """Width P of the columns of predictions."""
        return self.max_predictions_per_seq * (2 if self.do_permutation else 1)

    def budget_of(self, length: int) -> int:
        """Return how many of ``length`` tokens are masked at most."""
        # round() goes to the even neighbour, as in the reference.
        return min(self.max_predictions_per_seq, max(1, round(length * self.masked_lm_prob)))


def needed_predictions(max_seq_length: int, masked_lm_prob: float) -> int:
    """Return the smallest ``max_predictions_per_seq`` that does not lower the masked share of a full record."""
    return min(max_seq_length, max(1, math.ceil(max_seq_length * masked_lm_prob)))


def _check(holds: bool, name: str, allowed: str) -> None:
    if not holds:
        raise ConfigError("the value is out of range", f"--{name}", f"use {allowed}")


@dataclass(frozen=True)
class Symbols:
    """The ids that instances need.

    Inside this package a token is a *code*: its id where the token starts a word, id + ``vocab_size`` where it
    continues one. So word bounds travel with the tokens, also those that only a segmenter knows (Chinese), and those of
    unknown pieces.
    """

    vocab_size: int
    cls_id: int
    sep_id: int
    mask_id: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Symbols:
        """Return the symbols of a tokenizer."""
        return cls(tokenizer.vocab_size, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
