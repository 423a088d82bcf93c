from __future__ import annotations

import warnings

import numpy as np
import pytest

from src.common.errors import DataError
from src.evaluate.entity_f1 import Entity, are_entity_tags, entities_of, entity_f1, entity_scores, split_tag


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ("O O", []),
        ("", []),
        ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        ("B-PER B-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        # IOB1: an entity starts with I unless it touches another of its type.
        ("I-PER I-PER B-PER O", [("PER", 0, 1), ("PER", 2, 2)]),
        # Broken sequences, as conlleval reads them.
        ("O I-PER", [("PER", 1, 1)]),
        ("B-PER I-LOC", [("PER", 0, 0), ("LOC", 1, 1)]),
        # IOBES.
        ("S-PER B-LOC E-LOC S-LOC", [("PER", 0, 0), ("LOC", 1, 2), ("LOC", 3, 3)]),
        ("E-PER I-PER", [("PER", 0, 0), ("PER", 1, 1)]),
        # Types may hold a hyphen, and may be missing.
        ("B-creative-work I-creative-work", [("creative-work", 0, 1)]),
        ("B I O", [("_", 0, 1)]),
    ],
)
def test_entities_by_hand(tags: str, entities: list[tuple[str, int, int]]) -> None:
    assert entities_of(tags.split()) == [Entity(*entity) for entity in entities]


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_seqeval_on_random_tags(seed: int) -> None:
    seqeval = pytest.importorskip("seqeval.metrics")
    generator = np.random.default_rng(seed)
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "E-LOC", "S-PER"][: 5 if seed % 2 else 7]
    lengths = generator.integers(1, 20, 30)
    labels = [[names[i] for i in generator.integers(0, len(names), n)] for n in lengths]
    predictions = [
        [tag if generator.random() < 0.7 else names[generator.integers(len(names))] for tag in r] for r in labels
    ]
    scores = entity_scores(predictions, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert scores.overall.f1 == pytest.approx(seqeval.f1_score(labels, predictions), abs=1e-12)
        assert scores.overall.precision == pytest.approx(seqeval.precision_score(labels, predictions), abs=1e-12)
        assert scores.overall.recall == pytest.approx(seqeval.recall_score(labels, predictions), abs=1e-12)
        by_type = seqeval.classification_report(labels, predictions, output_dict=True)
    for name, counts in scores.by_type.items():
        assert counts.f1 == pytest.approx(by_type[name]["f1-score"], abs=1e-12)
        assert counts.support == by_type[name]["support"]


def test_an_entity_needs_type_and_both_ends() -> None:
    labels = [["B-PER", "I-PER", "O", "B-LOC"]]
    assert entity_scores([["B-PER", "O", "O", "B-PER"]], labels).overall.f1 == 0.0
    overall = entity_scores([["B-PER", "I-PER", "O", "O"]], labels).overall
    assert (overall.precision, overall.recall) == (1.0, 0.5)
    assert overall.f1 == pytest.approx(2 / 3)


def test_sentences_do_not_run_into_each_other() -> None:
    labels = [["B-PER"], ["I-PER"]]
    assert entity_scores(labels, labels).overall.support == 2


def test_no_entity_at_all_is_0_with_a_note() -> None:
    value, note = entity_f1(entity_scores([["O"]], [["O"]]))
    assert value == 0.0
    assert "no entity" in note
    assert entity_f1(entity_scores([], [])).note


@pytest.mark.parametrize("tag", ["NOUN", "X-PER", "", "B-", "b-PER"])
def test_other_labels_are_refused(tag: str) -> None:
    with pytest.raises(DataError, match="is not an entity tag"):
        split_tag(tag)
    assert not are_entity_tags(["O", tag])


def test_labels_that_make_no_entity() -> None:
    assert not are_entity_tags(["O"])
    assert not are_entity_tags([])
    assert are_entity_tags(["O", "I-x"])


def test_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="1 predicted sentences for 2"):
        entity_scores([["O"]], [["O"], ["O"]])
    with pytest.raises(DataError, match="sentence 1: 2 predicted tags for 1"):
        entity_scores([["O"], ["O", "O"]], [["O"], ["O"]])
