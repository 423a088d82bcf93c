"""Choose n-grams of whole words, and mask, replace, keep or permute their tokens.

The algorithm, and the order in which it draws, are those of ``create_masked_lm_predictions`` in
``create_pretraining_data.py`` of google-research/albert: with its two sources it gives its results. What looks odd here
is kept for that reason.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from src.data.pretraining.settings import InstanceSettings, Symbols

_MASKED_SHARE = 0.8
_KEPT_SHARE_OF_REST = 0.5

Uniform = Callable[[], float]
"""A source of numbers in [0, 1), for the lengths of n-grams."""


@dataclass
class MaskedTokens:
    """A sequence after masking.

    Attributes:
        ids: T token ids, the chosen ones replaced.
        positions: Places to predict, ascending.
        labels: Original ids at ``positions``.
        drawn_ngrams: Length in words of every n-gram drawn, also of those that could not be used.
        masked_spans: Length in words of every span that was masked.
    """

    ids: list[int]
    positions: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    drawn_ngrams: list[int] = field(default_factory=list)
    masked_spans: list[int] = field(default_factory=list)


class TokenMasker:
    """Masks sequences of codes (see ``Symbols``).

    Args:
        settings: How to mask.
        symbols: Ids of the vocabulary.
    """

    def __init__(self, settings: InstanceSettings, symbols: Symbols) -> None:
        self._settings = settings
        self._symbols = symbols
        weights = 1.0 / np.arange(1, settings.ngram + 1)
        weights /= weights.sum()
        if not settings.favor_shorter_ngram:
            weights = weights[::-1]
        cumulated = (weights / weights.sum()).cumsum()
        # Drawn by bisection in a list: the same numbers as numpy's choice(p=...), twenty times faster.
        self._bounds: list[float] = (cumulated / cumulated[-1]).tolist()

    def mask(self, codes: Sequence[int], chance: random.Random, next_uniform: Uniform) -> MaskedTokens:
        """Mask one sequence.

        Args:
            codes: T codes, ``[CLS]`` and ``[SEP]`` included.
            chance: Source of the order of candidates, of the kinds of replacement, and of random tokens.
            next_uniform: Source of the lengths of n-grams.
        """
        size = self._symbols.vocab_size
        ids = [code if code < size else code - size for code in codes]
        result = MaskedTokens(ids.copy())
        words = self._words(codes)
        budget = self._settings.budget_of(len(codes))
        order = list(range(len(words)))
        chance.shuffle(order)
        covered: set[int] = set()
        chosen = self._choose(words, order, budget, covered, next_uniform, result)
        for index in chosen:
            result.ids[index] = self._replacement(ids[index], chance)
        # The reference shuffles again even where nothing is permuted.
        chance.shuffle(order)
        if self._settings.do_permutation:
            permuted = sorted(self._choose(words, order, budget, covered, next_uniform, None))
            sources = permuted.copy()
            chance.shuffle(sources)
            for index, source in zip(permuted, sources, strict=True):
                result.ids[index] = ids[source]
            chosen = chosen + permuted
        result.positions = sorted(chosen)
        result.labels = [ids[index] for index in result.positions]
        return result

    def _words(self, codes: Sequence[int]) -> list[list[int]]:
        """Return the places of each word's tokens.

        ``[CLS]`` and ``[SEP]`` belong to no word but do not end one: a continuing token behind ``[SEP]`` joins the last
        word before it, as in the reference.
        """
        size, special = self._symbols.vocab_size, (self._symbols.cls_id, self._symbols.sep_id)
        whole = self._settings.do_whole_word_mask
        words: list[list[int]] = []
        for index, code in enumerate(codes):
            if code in special:
                continue
            if whole and code >= size and words:
                words[-1].append(index)
            else:
                words.append([index])
        return words

    def _choose(
        self,
        words: Sequence[Sequence[int]],
        order: Sequence[int],
        budget: int,
        covered: set[int],
        next_uniform: Uniform,
        record: MaskedTokens | None,
    ) -> list[int]:
        """Return places of whole n-grams, at most ``budget``, none of them in ``covered``; add them to it."""
        chosen: list[int] = []
        for start in order:
            left = budget - len(chosen)
            if left <= 0:
                break
            count = bisect_right(self._bounds, next_uniform()) + 1
            if record is not None:
                record.drawn_ngrams.append(count)
            span = [index for word in words[start : start + count] for index in word]
            while len(span) > left and count > 1:
                count -= 1
                span = [index for word in words[start : start + count] for index in word]
            if len(span) > left or not covered.isdisjoint(span):
                continue
            covered.update(span)
            chosen += span
            if record is not None:
                record.masked_spans.append(min(count, len(words) - start))
        return chosen

    def _replacement(self, original: int, chance: random.Random) -> int:
        """Return ``[MASK]`` (80 %), the original token (10 %) or any token of the vocabulary (10 %)."""
        if chance.random() < _MASKED_SHARE:
            return self._symbols.mask_id
        if chance.random() < _KEPT_SHARE_OF_REST:
            return original
        return chance.randint(0, self._symbols.vocab_size - 1)
