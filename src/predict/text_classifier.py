"""Answer for raw text with a fine-tuned network: the same tokens, the same weights, the same numbers as evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import DataError
from src.data.features import Features, build_pair
from src.data.table import FinetuneTable
from src.data.tokenization import Tokenizer
from src.evaluate.predictions import prediction_records
from src.model.heads import AlbertCLSModel, AlbertInference
from src.model.weights import load_weights
from src.tasks.assets import TaskDescription
from src.tasks.inference import evaluation_plan, run_inference

# Of a text in an error message.
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class TextPair:
    """A text, or a pair of texts."""

    text_a: str
    text_b: str | None = None


def _table_of(features: Sequence[Features], description: TaskDescription) -> FinetuneTable:
    """Return the features as a table without labels."""
    lengths = np.array([len(feature.input_ids) for feature in features], dtype=np.int64)
    return FinetuneTable(
        source=Path("text"),
        kind=description.kind,
        labels=description.labels,
        manifest=None,
        max_seq_length=description.length,
        token_ids=np.concatenate([np.array(f.input_ids, dtype=np.int32) for f in features]),
        segment_ids=np.concatenate([np.array(f.segment_ids, dtype=np.int8) for f in features]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        label_ids=None,
    )


class TextClassifier:
    """A classification or regression network with its tokenizer.

    Args:
        description: What the run was trained on.
        tokenizer: The one that made its records.
        checkpoint: The weights.

    Raises:
        CheckpointError: The checkpoint does not cover the network.
    """

    def __init__(self, description: TaskDescription, tokenizer: Tokenizer, checkpoint: Path) -> None:
        self._description = description
        self._tokenizer = tokenizer
        outputs = 1 if description.kind == "regression" else len(description.labels)
        self._network = AlbertInference(AlbertCLSModel(description.network_config(), outputs))
        load_weights(self._network, checkpoint, what="all")
        self._network.set_train(False)
        self.cut_texts = 0

    def predict(self, texts: Sequence[TextPair], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield one record a text: label with probabilities, or score.

        Each is cut to the length that the network was trained on; ``cut_texts`` counts those that lost tokens.

        Raises:
            DataError: A single text was given to a network that was trained on pairs, or the other way round.
        """
        features = [self._encode(pair) for pair in texts]
        if not features:
            return
        table = _table_of(features, self._description)
        size = min(batch_size, len(features))
        outputs = run_inference(
            self._network, table, evaluation_plan(table, size, self._description.buckets), size
        ).stacked()
        for pair, record in zip(
            texts, prediction_records(self._description.kind, outputs, self._description.labels), strict=True
        ):
            texts_of_pair = {"text": pair.text_a} | ({} if pair.text_b is None else {"text_b": pair.text_b})
            yield texts_of_pair | {key: value for key, value in record.items() if key != "index"}

    def _encode(self, pair: TextPair) -> Features:
        """Return the tokens of one text or pair."""
        expected = self._description.pairs
        if expected is not None and expected != (pair.text_b is not None):
            trained, given = ("pairs of texts", "a single text") if expected else ("single texts", "a pair")
            raise DataError(
                f"the network was trained on {trained}, and this is {given}",
                pair.text_a[:_SHOWN_CHARACTERS],
                "give both texts: --text_b, or a TAB between them" if expected else "give one text without a TAB",
            )
        first = self._tokenizer.encode(pair.text_a)
        second = None if pair.text_b is None else self._tokenizer.encode(pair.text_b)
        features = build_pair(first, second, self._description.length, self._tokenizer)
        special = 3 if second else 2
        self.cut_texts += len(features.input_ids) < len(first) + len(second or ()) + special
        return features
