"""One seed, named child streams: data order, masking, initialisation and dropout do not disturb each other."""

from __future__ import annotations

import zlib

import numpy as np


def child_seed(seed: int, name: str, *indices: int) -> int:
    """Return the 31-bit seed of the stream ``name`` (and, for example, an epoch) under ``seed``."""
    entropy = [seed, zlib.crc32(name.encode()), *indices]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def child_generator(seed: int, name: str, *indices: int) -> np.random.Generator:
    """Return a numpy generator of the stream ``name`` under ``seed``."""
    return np.random.default_rng(child_seed(seed, name, *indices))
