"""What a data set must offer so that batches of it can be planned, assembled and fed to a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

Batch: TypeAlias = dict[str, np.ndarray]


class BatchTable(Protocol):
    """Rows that can be taken in any order; safe to use from several threads."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a batch, in the order of the network's inputs, ``normalizers`` left out."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int32[rows]."""

    def batch(self, indices: np.ndarray | Sequence[int], batch_size: int, length: int) -> Batch:
        """Return rows padded to ``length``; places behind them are filled with rows of weight 0."""

    def place_of(self, row: int) -> str:
        """Return where a row comes from, for messages."""

    def normalizers(self, batches: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """Return the sums by which the loss of some batches together is divided, float32[n].

        They are plain sums, 0 where nothing counts: those of several processes are added up before anything is divided
        by them, and a 1 in place of a 0 would falsify the total. The loss networks guard against 0.
        """
