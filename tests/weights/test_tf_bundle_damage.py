"""Damage at every place of a small checkpoint: the error for it, or exactly the right values; nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.weights.bundle_samples import (
    ARRAYS,
    FOOTER_BYTES,
    HEADER,
    damaged_bytes,
    entry,
    files_of,
    first_block,
    handmade,
    read_all,
    same,
    small_bundle,
    snappy_literals,
    table_of_block,
)
from tests.weights.fixtures.make_tf_checkpoints import PREFIXES


def outcomes(target: Path, prefix: Path, variants: Iterator[tuple[str, bytes]]) -> tuple[int, list[str]]:
    """Return how many variants of a file were refused, and which gave values that are not ``ARRAYS``."""
    refused, wrong = 0, []
    for what, content in variants:
        target.write_bytes(content)
        tensors = read_all(prefix)
        if tensors is None:
            refused += 1
        elif not same(tensors, ARRAYS):
            wrong.append(what)
    return refused, wrong


def test_every_byte_of_the_data(tmp_path: Path) -> None:
    prefix = small_bundle(tmp_path)
    _, data = files_of(prefix)
    content = data.read_bytes()
    refused, wrong = outcomes(data, prefix, damaged_bytes(content))
    assert wrong == []
    assert refused == 4 * len(content)


def test_every_byte_of_the_index(tmp_path: Path) -> None:
    prefix = small_bundle(tmp_path)
    index, _ = files_of(prefix)
    content = index.read_bytes()
    refused, wrong = outcomes(index, prefix, damaged_bytes(content))
    assert wrong == []
    # Only the empty meta-index block, the place of it and padding do not matter.
    assert refused > 4 * len(content) - 3 * FOOTER_BYTES - 3 * 13


def test_every_byte_of_a_file_of_tensorflow_2(tmp_path: Path) -> None:
    for path in PREFIXES["objects"].parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    index = tmp_path / "ckpt-1.index"
    for what, content in damaged_bytes(index.read_bytes(), every=3):
        index.write_bytes(content)
        assert read_all(tmp_path) is None, what  # at the latest the object graph is no number


def with_random_changes(good: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield copies of ``good`` with one to three random bytes replaced, removed or doubled."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        changed = bytearray(good)
        for _ in range(int(generator.integers(1, 4))):
            begin = int(generator.integers(len(changed)))
            piece = [bytes([int(generator.integers(256))]), b"", bytes(changed[begin : begin + 2])]
            changed[begin : begin + 1] = piece[int(generator.integers(3))]
        yield bytes(changed)


def test_random_blocks_with_right_checksums(tmp_path: Path) -> None:
    # What a checksum does not catch may read as something else, but never ends in another error.
    prefix = small_bundle(tmp_path)
    index, _ = files_of(prefix)
    block = first_block(index.read_bytes())
    refused = 0
    for changed in with_random_changes(block, 600, seed=1):
        index.write_bytes(table_of_block(changed))
        refused += read_all(prefix) is None
    for changed in with_random_changes(snappy_literals(block), 600, seed=2):
        index.write_bytes(table_of_block(changed, compression=1))
        refused += read_all(prefix) is None
    assert refused > 1000


def test_random_headers_and_entries_with_right_checksums(tmp_path: Path) -> None:
    content = np.arange(6, dtype=np.float32).tobytes()
    good = entry(content, (2, 3))
    refused = 0
    for changed in with_random_changes(good, 600, seed=3):
        refused += read_all(handmade(tmp_path, {b"w": changed}, content)) is None
    for changed in with_random_changes(HEADER, 300, seed=4):
        refused += read_all(handmade(tmp_path, {b"w": good}, content, header=changed)) is None
    assert refused > 600


def test_no_damage_no_error(tmp_path: Path) -> None:
    content = np.arange(6, dtype=np.float32)
    tensors = read_all(handmade(tmp_path, {b"w": entry(content.tobytes(), (2, 3))}, content.tobytes()))
    assert tensors is not None
    np.testing.assert_array_equal(tensors["w"], content.reshape(2, 3))
