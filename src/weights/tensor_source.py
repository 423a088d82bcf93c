"""What every kind of weight file offers: named tensors, listed without reading them and read one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np


class TensorSource(Protocol):
    """An opened file of named tensors."""

    @property
    def path(self) -> Path:
        """The file that names the tensors, for messages."""

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of every tensor, sorted by name."""

    def dtypes(self) -> Mapping[str, str]:
        """Return the dtype that every tensor has in the file, for example ``bfloat16``, sorted by name."""

    def read(self, name: str) -> np.ndarray:
        """Read one tensor, checked as far as the format can; float16 and bfloat16 become float32.

        Raises:
            CheckpointError: There is no such tensor, it cannot be read, or it is damaged.
        """
