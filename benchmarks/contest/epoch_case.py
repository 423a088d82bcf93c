"""One epoch of fine-tuning, as both sides see it. Needs NumPy alone: the peer's environment reads it, too."""

from __future__ import annotations

from dataclasses import dataclass

_KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
SHAPES = {
    "tiny": dict(zip(_KEYS, (64, 2, 2, 128), strict=True)),
    "base": dict(zip(_KEYS, (768, 12, 12, 3072), strict=True)),
    "large": dict(zip(_KEYS, (1024, 24, 16, 4096), strict=True)),
}
"""Sizes of networks; both sides call their parts by the same names."""

DROPOUT = 0.1
LEARNING_RATE = 3e-5
WEIGHT_DECAY = 0.01
WARMUP_RATIO = 0.1
MAX_GRAD_NORM = 1.0
PEER_ROWS = "peer.npz"
OUR_TRAIN, OUR_DEV = "sst-2_train.tfrecord", "sst-2_dev.tfrecord"


@dataclass(frozen=True)
class EpochCase:
    """Training on some rows of SST-2 and evaluation of its dev set.

    Attributes:
        folder: Where the rows are: records for ours, ``PEER_ROWS`` for the peer.
        size: A key of ``SHAPES``.
        layers: Layers, where they are not those of the size.
        batch_size: Rows of a batch, in training and in evaluation.
        max_length: Most tokens of a row.
        buckets: Lengths of our batches in tokens, besides ``max_length``; the peer pads to the longest row of each.
    """

    folder: str
    size: str
    layers: int | None
    batch_size: int
    max_length: int
    buckets: tuple[int, ...]

    @property
    def shape(self) -> dict[str, int]:
        """Return the sizes of the network."""
        return {**SHAPES[self.size], **({} if self.layers is None else {"num_hidden_layers": self.layers})}
