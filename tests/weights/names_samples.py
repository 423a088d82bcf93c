"""Networks and checkpoints in memory for the tests of names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from src.config.sections import NetworkConfig
from src.model.names import backbone_shapes, head_shapes


class Arrays:
    """A checkpoint in memory."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.path = Path("model.ckpt")
        self.arrays = dict(arrays)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: values.shape for name, values in self.arrays.items()}

    def dtypes(self) -> dict[str, str]:
        return {name: values.dtype.name for name, values in self.arrays.items()}

    def read(self, name: str) -> np.ndarray:
        return self.arrays[name]


def network(**changes: object) -> NetworkConfig:
    sizes: dict[str, object] = {
        "vocab_size": 20,
        "embedding_size": 4,
        "hidden_size": 6,
        "num_attention_heads": 2,
        "num_hidden_layers": 4,
        "intermediate_size": 10,
        "max_position_embeddings": 8,
        "seq_length": 8,
    }
    return NetworkConfig(**{**sizes, **changes})


def random_arrays(shapes: Mapping[str, tuple[int, ...]], seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.RandomState(seed)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in sorted(shapes.items())}


def weights_of(config: NetworkConfig, *heads: str) -> dict[str, np.ndarray]:
    known = {name: tuple(3 if size is None else size for size in shape) for name, shape in head_shapes(config).items()}
    wanted = {name: shape for name, shape in known.items() if name.split(".")[0] in heads}
    return random_arrays({**backbone_shapes(config), **wanted})
