"""Cut documents into pairs of segments for the sentence-order task, and mask them.

The algorithm, and the order in which it draws, are those of ``create_pretraining_data.py`` in google-research/albert.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from src.data.pretraining.masking import MaskedTokens, TokenMasker, Uniform
from src.data.pretraining.settings import SPECIAL_TOKENS, InstanceSettings, Symbols

Sentence: TypeAlias = list[int]
"""Codes of one sentence, see ``Symbols``; never empty."""
Document: TypeAlias = Sequence[Sentence]
Order = Literal["in order", "swapped", "random"]
"""How the second segment relates to the first; ``random``: it is from another document."""

_DRAWS_OF_ANOTHER_DOCUMENT = 10


@dataclass(frozen=True)
class Instance:
    """One record before padding.

    Attributes:
        codes: T codes of ``[CLS] a [SEP] b [SEP]`` before masking.
        second_start: Where the second segment begins.
        order: Relation of the two segments.
        masked: The tokens after masking.
    """

    codes: list[int]
    second_start: int
    order: Order
    masked: MaskedTokens

    @property
    def label(self) -> int:
        """Label of the sentence-order task: 0 in the original order, 1 otherwise."""
        return 0 if self.order == "in order" else 1


def create_instances(
    documents: list[Document],
    settings: InstanceSettings,
    symbols: Symbols,
    chance: random.Random,
    next_uniform: Uniform,
) -> Iterator[Instance]:
    """Yield the instances of all passes over some documents, document after document.

    The caller shuffles them with ``chance`` once all are there, as the reference does; meanwhile they can be kept in
    any compact form.

    Args:
        documents: Documents without empty ones; they are shuffled in place.
        settings: How to cut and mask.
        symbols: Ids of the vocabulary.
        chance: Source of everything but the lengths of n-grams (the reference: ``random.Random(random_seed)``).
        next_uniform: Source of those (the reference: numpy's global ``random_sample``).
    """
    chance.shuffle(documents)
    masker = TokenMasker(settings, symbols)
    for _ in range(settings.dupe_factor):
        for index in range(len(documents)):
            for first, second, order in _pairs(documents, index, settings, chance):
                codes = [symbols.cls_id, *first, symbols.sep_id, *second, symbols.sep_id]
                masked = masker.mask(codes, chance, next_uniform)
                yield Instance(codes, len(first) + 2, order, masked)


def _pairs(
    documents: Sequence[Document], index: int, settings: InstanceSettings, chance: random.Random
) -> Iterator[tuple[Sentence, Sentence, Order]]:
    """Yield pairs of segments of one document, cut to the length of a record."""
    document = documents[index]
    longest = settings.max_seq_length - SPECIAL_TOKENS
    # Drawn once for the whole pass over the document.
    target = chance.randint(2, longest) if chance.random() < settings.short_seq_prob else longest
    begin = position = length = 0
    while position < len(document):
        length += len(document[position])
        position += 1
        if position < len(document) and length < target:
            continue
        chunk = document[begin:position]
        cut = chance.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
        first, second = _joined(chunk[:cut]), _joined(chunk[cut:])
        order: Order = "in order"
        if len(chunk) == 1 or (settings.random_next_sentence and chance.random() < 0.5):
            order = "random"
            second = _from_another(documents, index, target - len(first), chance)
            # The sentences that were not used come again.
            position -= len(chunk) - cut
        elif not settings.random_next_sentence and chance.random() < 0.5:
            order = "swapped"
            first, second = second, first
        yield (*_truncate(first, second, longest, chance), order)
        begin, length = position, 0


def _joined(sentences: Sequence[Sentence]) -> Sentence:
    return [code for sentence in sentences for code in sentence]


def _from_another(documents: Sequence[Document], index: int, wanted: int, chance: random.Random) -> Sentence:
    """Return sentences of another document from a random one on, until they have ``wanted`` tokens."""
    other = index
    for _ in range(_DRAWS_OF_ANOTHER_DOCUMENT):
        other = chance.randint(0, len(documents) - 1)
        if other != index:
            break
    document = documents[other]
    tokens: Sentence = []
    for sentence in document[chance.randint(0, len(document) - 1) :]:
        tokens += sentence
        if len(tokens) >= wanted:
            break
    return tokens


def _truncate(first: Sentence, second: Sentence, longest: int, chance: random.Random) -> tuple[Sentence, Sentence]:
    """Drop tokens at random ends of the longer segment (the second one if equal) until both fit together."""
    bounds = [[0, len(first)], [0, len(second)]]
    lengths = [len(first), len(second)]
    while sum(lengths) > longest:
        side = 0 if lengths[0] > lengths[1] else 1
        if chance.random() < 0.5:
            bounds[side][0] += 1
        else:
            bounds[side][1] -= 1
        lengths[side] -= 1
    return first[bounds[0][0] : bounds[0][1]], second[bounds[1][0] : bounds[1][1]]
