"""Entity-level precision, recall and F1 for token classification, by the rules of the CoNLL-2000 script conlleval.

An entity counts as found only when its type, first word and last word are all right. Tags are ``O`` or
``<prefix>-<type>`` with prefixes B and I (IOB2 and IOB1) and also E and S (IOBES). Broken sequences are read as
conlleval reads them: an ``I`` after ``O`` or after another type starts an entity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from src.common.errors import DataError
from src.evaluate.metrics import ClassCounts, Measure, counts_of

OUTSIDE = "O"
_PREFIXES = ("B", "I", "E", "S")


class Entity(NamedTuple):
    """An entity of a sentence: words ``start`` to ``end``, both included."""

    type: str
    start: int
    end: int


class EntityScores(NamedTuple):
    """Counts over all types together (micro) and by type, sorted by name."""

    overall: ClassCounts
    by_type: dict[str, ClassCounts]


def split_tag(tag: str) -> tuple[str, str]:
    """Return prefix and type of a tag; the type of a bare ``B`` or ``I`` is ``_``.

    Raises:
        DataError: The tag is neither ``O`` nor starts with a known prefix.
    """
    prefix, _, kind = tag.partition("-")
    if tag == OUTSIDE or (prefix in _PREFIXES and (kind or tag == prefix)):
        return prefix, kind or "_"
    raise DataError(
        f"'{tag}' is not an entity tag", fix="entity F1 needs tags O, B-x, I-x (E-x, S-x); choose accuracy otherwise"
    )


def are_entity_tags(label_names: Sequence[str]) -> bool:
    """Tell whether entity F1 makes sense for these labels: all are entity tags and one of them opens an entity."""
    try:
        return any(split_tag(name)[0] != OUTSIDE for name in label_names)
    except DataError:
        return False


def entities_of(tags: Sequence[str]) -> list[Entity]:
    """Return the entities of one sentence in order."""
    entities = []
    start, before = 0, (OUTSIDE, "_")
    for position, tag in enumerate([*tags, OUTSIDE]):
        now = split_tag(tag)
        goes_on = now[0] in ("I", "E") and before[0] in ("B", "I") and now[1] == before[1]
        if before[0] != OUTSIDE and not goes_on:
            entities.append(Entity(before[1], start, position - 1))
        if not goes_on:
            start = position
        before = now
    return entities


def entity_scores(predictions: Sequence[Sequence[str]], labels: Sequence[Sequence[str]]) -> EntityScores:
    """Compare the entities of sentences.

    Args:
        predictions: Predicted tags, sentence by sentence.
        labels: True tags, sentence by sentence, as long as the predictions.

    Raises:
        DataError: Numbers of sentences or of tags differ, or a tag is not an entity tag.
    """
    if len(predictions) != len(labels):
        raise DataError(f"{len(predictions)} predicted sentences for {len(labels)} labelled ones")
    correct: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    support: Counter[str] = Counter()
    for row, (ours, true) in enumerate(zip(predictions, labels, strict=True)):
        if len(ours) != len(true):
            raise DataError(f"{len(ours)} predicted tags for {len(true)} labels", f"sentence {row}")
        found, wanted = set(entities_of(ours)), set(entities_of(true))
        correct.update(entity.type for entity in found & wanted)
        predicted.update(entity.type for entity in found)
        support.update(entity.type for entity in wanted)
    by_type = {
        name: counts_of(correct[name], predicted[name], support[name]) for name in sorted({*predicted, *support})
    }
    return EntityScores(counts_of(correct.total(), predicted.total(), support.total()), by_type)


def entity_f1(scores: EntityScores) -> Measure:
    """Return the micro F1; 0 where there is no entity at all, neither labelled nor predicted."""
    if not scores.overall.support + scores.overall.predicted:
        return Measure(0.0, "no entity is labelled or predicted: f1 is set to 0")
    return Measure(scores.overall.f1)
