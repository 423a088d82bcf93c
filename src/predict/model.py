"""A trained network with what it needs to answer raw text: from a checkpoint, or as it was exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from src.data.features import Features
from src.data.table import FinetuneTable
from src.data.tokenization import Tokenizer
from src.export.description import ENCODER, MODEL, ExportDescription
from src.export.networks import inference_network
from src.model.weights import load_weights
from src.tasks.assets import TaskDescription
from src.tasks.inference import InferenceNetwork


def power_of_two(number: int) -> int:
    """Return the smallest power of two that is at least ``number``: a network is compiled once for each shape."""
    return 1 << (number - 1).bit_length()


@dataclass(frozen=True)
class LoadedModel:
    """What a predictor works with.

    Attributes:
        description: What the network was trained on; its lengths are those that the network takes.
        tokenizer: The one that made its records.
        network: Takes token ids, mask and segments, each int32 [B, T], and for masks their places, int32 [B, P].
        rows: B, where the network takes no other; ``None`` for any.
        masks: P, where the network takes no other; ``None`` for any.
    """

    description: TaskDescription
    tokenizer: Tokenizer
    network: InferenceNetwork
    rows: int | None = None
    masks: int | None = None

    def batch_rows(self, most: int, needed: int) -> int:
        """Return B for a batch of ``needed`` rows, where the user wants no more than ``most``."""
        return self.rows or min(most, power_of_two(needed))

    def table_of(self, rows: Sequence[Features]) -> FinetuneTable:
        """Return rows of tokens as a table without labels."""
        lengths = np.array([len(row.input_ids) for row in rows], dtype=np.int64)
        return FinetuneTable(
            source=Path("text"),
            kind=self.description.kind,
            labels=self.description.labels,
            manifest=None,
            max_seq_length=self.description.length,
            token_ids=np.concatenate([np.array(row.input_ids, dtype=np.int32) for row in rows]),
            segment_ids=np.concatenate([np.array(row.segment_ids, dtype=np.int8) for row in rows]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            label_ids=None,
        )


def checkpoint_model(
    description: TaskDescription, tokenizer: Tokenizer, checkpoint: Path, *, encoder: bool = False
) -> LoadedModel:
    """Return the network of a run with the weights of a checkpoint.

    Args:
        description: What the run was trained on.
        tokenizer: The one that made its records.
        checkpoint: The weights.
        encoder: Whether the backbone alone is wanted: its outputs [B, T, D] and [B, D] in place of the head's.

    Raises:
        CheckpointError: The checkpoint does not cover the network.
    """
    network = inference_network(description, ENCODER if encoder else MODEL)
    load_weights(network, checkpoint, what="backbone" if encoder else "all")
    network.set_train(False)
    return LoadedModel(description, tokenizer, network)


def exported_model(description: ExportDescription, tokenizer: Tokenizer, network: InferenceNetwork) -> LoadedModel:
    """Return an exported network; one of a fixed length takes texts up to that length."""
    task, length = description.task, description.length
    if length is not None:
        task = replace(task, length=length, buckets=(length,))
    masks = description.inputs[3].shape[1] if len(description.inputs) > 3 else None
    return LoadedModel(task, tokenizer, network, description.rows, masks)
