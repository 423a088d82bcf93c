"""Tags of words, and the entities that they spell, with a network fine-tuned for token classification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.common.wording import counted
from src.data.features import Features
from src.data.word_windows import WordEncoder
from src.data.wordpiece_tokenizer import basic_words
from src.evaluate.entity_f1 import are_entity_tags, entities_of
from src.evaluate.predictions import tag_records
from src.predict.base import Predictor
from src.predict.model import LoadedModel
from src.predict.options import NER
from src.predict.records import check_keys, checked_text, id_of, named, text_of
from src.predict.texts import GivenText
from src.tasks.inference import evaluation_plan, run_inference

_FORM = '{"text": "..."} or {"words": ["...", "..."]}'


@dataclass(frozen=True)
class GivenWords:
    """A sentence in words.

    Attributes:
        words: The words.
        where: Where it stands, for errors.
        text: The text that they are of; ``None`` where words were given.
        places: First character and the one after the last of each word in the text; empty without a text.
        id: The name that a record gave to it; ``None`` for none.
    """

    words: tuple[str, ...]
    where: str
    text: str | None = None
    places: tuple[tuple[int, int], ...] = ()
    id: str | int | None = None


def words_of(given: GivenText) -> GivenWords:
    """Return the words of a text: runs of letters and digits; every punctuation mark and ideograph is a word.

    Training files part words in their own way ("do n't", "U.S."). Where that matters, give the words.

    Raises:
        DataError: There are none.
    """
    found = basic_words(given.text, do_lower_case=False)
    if not found:
        raise DataError("the text has no words", given.where, "give a text with words, or leave it out")
    places = tuple(word.span(0, len(word.text)) for word in found)
    return GivenWords(tuple(word.text for word in found), given.where, given.text, places, given.id)


class TokenTagger(Predictor[GivenWords]):
    """A token classification network with its tokenizer.

    Args:
        model: The network.
    """

    command = NER

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self._encoder = WordEncoder(model.tokenizer, model.description.length)
        self._has_entities = are_entity_tags(model.description.labels)

    def parse(self, record: Mapping[str, object], where: str) -> GivenWords:
        """Return the words of a record: those of its ``words``, or of its ``text`` by ``words_of``."""
        check_keys(record, ("text", "words"), where)
        if "words" not in record:
            return words_of(GivenText(text_of(record, "text", where, _FORM), where, id=id_of(record, where)))
        words = record["words"]
        if "text" in record or not isinstance(words, list) or not words:
            what = "text and words exclude each other" if "text" in record else "words is no list of words"
            raise DataError(what, where, f"give {_FORM}")
        if not all(isinstance(word, str) for word in words):
            raise DataError("words holds what is no text", where, f"give {_FORM}")
        return GivenWords(tuple(checked_text("a word", word, where) for word in words), where, id=id_of(record, where))

    def predict(self, items: Sequence[GivenWords], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield one record a sentence: ``words``, their ``tags`` and ``probabilities``, and ``entities``.

        An entity has ``type``, ``text``, ``probability`` (the mean of its words), its ``words`` from the first to the
        one after the last, and ``start`` and ``end`` in characters where a text was given. Sentences that are longer
        than the network sees are tagged in parts; no word is left out. Without entity tags (B-, I-) there are none.
        """
        if not items:
            return
        windows = [(place, window) for place, item in enumerate(items) for window in self._encoder.encode(item.words)]
        table = self.model.table_of([Features(w.input_ids, [0] * len(w.input_ids)) for _, w in windows])
        size = self.model.batch_rows(batch_size, len(windows))
        plan = evaluation_plan(table, size, self.model.description.buckets)
        outputs = run_inference(self.model.network, table, plan, size)
        logits: list[list[np.ndarray]] = [[] for _ in items]
        for (place, window), values in zip(windows, outputs.values, strict=True):
            logits[place].append(values[window.word_starts])
        found = tag_records(
            [item.words for item in items], [np.concatenate(parts) for parts in logits], self.model.description.labels
        )
        for item, record in zip(items, found, strict=True):
            answer: dict[str, Any] = {} if item.text is None else {"text": item.text}
            answer |= {key: record[key] for key in ("words", "tags", "probabilities")}
            if self._has_entities:
                answer["entities"] = _entities(item, record["tags"], record["probabilities"])
            yield named(item.id, answer)

    def notes(self) -> list[str]:
        """Return how many words were cut."""
        cut = self._encoder.cut_words
        what = counted(
            cut,
            "word has more tokens than the network sees, and was",
            "words have more tokens than the network sees, and were",
        )
        return [f"{what} cut"] if cut else []


def _entities(item: GivenWords, tags: Sequence[str], probabilities: Sequence[float]) -> list[dict[str, Any]]:
    """Return the entities of a sentence in order."""
    entities = []
    for entity in entities_of(tags):
        first, last = entity.start, entity.end
        text, place = " ".join(item.words[first : last + 1]), {}
        if item.text is not None:
            start, end = item.places[first][0], item.places[last][1]
            text, place = item.text[start:end], {"start": start, "end": end}
        share = float(np.mean(probabilities[first : last + 1]))
        words = [first, last + 1]
        entities.append({"type": entity.type, "text": text, **place, "words": words, "probability": share})
    return entities
