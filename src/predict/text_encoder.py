"""Vectors of texts: what the backbone of any trained network makes of them, without a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from src.common.errors import ConfigError
from src.evaluate.scoring import check_finite
from src.predict.base import Predictor
from src.predict.model import LoadedModel
from src.predict.options import ENCODE, POOLINGS
from src.predict.records import named, text_record
from src.predict.text_classifier import PairEncoder
from src.predict.texts import GivenText
from src.tasks.inference import evaluation_plan, run_inference


class TextEncoder(Predictor[GivenText]):
    """A backbone with its tokenizer.

    Args:
        model: The network; returns the outputs of the last layer [B, T, D] and the pooled output [B, D].
        pooling: ``mean`` of the outputs of all tokens of the text, ``cls`` for that of the first token, or ``pooler``
            for the tanh layer on it (what classification heads read).
    """

    command = ENCODE

    def __init__(self, model: LoadedModel, pooling: str = POOLINGS[0]) -> None:
        super().__init__(model)
        if pooling not in POOLINGS:
            raise ConfigError(f"{pooling!r} is no pooling", "--pooling", f"choose one of {', '.join(POOLINGS)}")
        self._pooling = pooling
        self._encoder = PairEncoder(model.tokenizer, model.description.length)

    def parse(self, record: Mapping[str, object], where: str) -> GivenText:
        """Return the text or the pair of a record, see ``text_record``."""
        return text_record(record, where, pairs=True)

    def predict(self, items: Sequence[GivenText], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield the texts with ``vector``, a list of D numbers, for each text or pair."""
        if not items:
            return
        table = self.model.table_of([self._encoder.encode(item) for item in items])
        size = self.model.batch_rows(batch_size, len(items))
        plan = evaluation_plan(table, size, self.model.description.buckets)
        outputs = run_inference(self.model.network, table, plan, size, condense=self._pool).stacked()
        check_finite(outputs)
        for item, vector in zip(items, outputs, strict=True):
            yield named(item.id, item.texts() | {"vector": vector.tolist()})

    def notes(self) -> list[str]:
        """Return how many texts were cut."""
        return self._encoder.notes()

    def _pool(self, outputs: Sequence[np.ndarray], rows: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return the vector of each row, float32 [D]; ``rows`` has no bearing."""
        sequence_BTD, pooled_BD = (output.astype(np.float32) for output in outputs)
        if self._pooling == "pooler":
            return [pooled_BD[place].copy() for place in range(len(lengths))]
        if self._pooling == "cls":
            return [sequence_BTD[place, 0].copy() for place in range(len(lengths))]
        return [sequence_BTD[place, :length].mean(axis=0) for place, length in enumerate(lengths)]
