"""Answer for raw text with a fine-tuned network: the same tokens, the same weights, the same numbers as evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from src.common.errors import DataError
from src.common.wording import counted
from src.data.features import Features, build_pair
from src.data.tokenization import Tokenizer
from src.evaluate.predictions import prediction_records
from src.predict.base import Predictor
from src.predict.model import LoadedModel
from src.predict.options import CLASSIFY
from src.predict.records import named, text_record
from src.predict.texts import GivenText
from src.tasks.inference import evaluation_plan, run_inference


class PairEncoder:
    """Turns texts and pairs of texts into tokens, cut to a length.

    Attributes:
        cut_texts: Those so far that lost tokens.
    """

    def __init__(self, tokenizer: Tokenizer, length: int) -> None:
        self._tokenizer = tokenizer
        self._length = length
        self.cut_texts = 0

    def encode(self, given: GivenText) -> Features:
        """Return the tokens of one text or pair."""
        first = self._tokenizer.encode(given.text)
        second = None if given.text_b is None else self._tokenizer.encode(given.text_b)
        features = build_pair(first, second, self._length, self._tokenizer)
        special = 3 if second else 2
        self.cut_texts += len(features.input_ids) < len(first) + len(second or ()) + special
        return features

    def notes(self) -> list[str]:
        """Return how many texts were cut."""
        what = counted(self.cut_texts, "text was", "texts were")
        return [f"{what} cut to {self._length} tokens"] if self.cut_texts else []


class TextClassifier(Predictor[GivenText]):
    """A classification or regression network with its tokenizer.

    Args:
        model: The network.
    """

    command = CLASSIFY

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self._encoder = PairEncoder(model.tokenizer, model.description.length)

    def parse(self, record: Mapping[str, object], where: str) -> GivenText:
        """Return the text or the pair of a record, see ``text_record``."""
        text = text_record(record, where, pairs=True)
        self._check_pair(text)
        return text

    def predict(self, items: Sequence[GivenText], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield one record a text: label with probabilities, or score.

        Each text is cut to the length that the network was trained on.

        Raises:
            DataError: A single text was given to a network that was trained on pairs, or the other way round.
        """
        for item in items:
            self._check_pair(item)
        if not items:
            return
        description = self.model.description
        table = self.model.table_of([self._encoder.encode(item) for item in items])
        size = self.model.batch_rows(batch_size, len(items))
        plan = evaluation_plan(table, size, description.buckets)
        outputs = run_inference(self.model.network, table, plan, size).stacked()
        found = prediction_records(description.kind, outputs, description.labels)
        for item, record in zip(items, found, strict=True):
            answer = {key: value for key, value in record.items() if key != "index"}
            yield named(item.id, item.texts() | answer)

    def notes(self) -> list[str]:
        """Return how many texts were cut."""
        return self._encoder.notes()

    def _check_pair(self, given: GivenText) -> None:
        """Refuse a pair where the network knows single texts, and the other way round."""
        expected = self.model.description.pairs
        if expected is not None and expected != (given.text_b is not None):
            trained, what = ("pairs of texts", "a single text") if expected else ("single texts", "a pair")
            raise DataError(
                f"the network was trained on {trained}, and this is {what}",
                given.where,
                "give text and text_b, or on a plain line both with a TAB between"
                if expected
                else "give text without text_b, and on a plain line no TAB",
            )
