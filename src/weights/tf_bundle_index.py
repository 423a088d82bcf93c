"""Read the index of a TensorFlow V2 checkpoint: which tensors there are, of which shape, and where their bytes lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import CheckpointError
from src.common.protobuf import MalformedError
from src.weights.tf_bundle_proto import BundleEntry, parse_entry, parse_header
from src.weights.tf_table import NoTableError, read_table

COPY_AGAIN = "copy the checkpoint again from where it comes"
# Bytes per value of the dtypes that are read.
ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int32": 4, "int64": 8}
_LARGEST_INDEX_BYTES = 1 << 28
_KNOWN_VERSION = 1
_MOST_DIMENSIONS = 32  # of numpy 1
_MOST_VALUES = 1 << 56
_LISTED = 3


@dataclass(frozen=True)
class BundleIndex:
    """A checked index.

    Args:
        path: The ``.index`` file.
        num_shards: Data files that belong to it.
        entries: Every tensor by name, sorted.
    """

    path: Path
    num_shards: int
    entries: Mapping[str, BundleEntry]


def read_index(path: Path) -> BundleIndex:
    """Read and check an index file; the data files are not needed.

    Raises:
        CheckpointError: The file is no index, damaged, big-endian, of a newer version, or has partitioned variables.
    """
    data = _content(path)
    try:
        return _parsed(path, data)
    except NoTableError as error:
        what = f"this is no index of a TensorFlow checkpoint, or it is cut off: {error}"
        raise CheckpointError(what, str(path), COPY_AGAIN) from error
    except MalformedError as error:
        raise CheckpointError(f"the index is damaged: {error}", str(path), COPY_AGAIN) from error


def _content(path: Path) -> bytes:
    """Return the bytes of the index file."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_INDEX_BYTES:
            raise CheckpointError(f"{size} bytes are too many for an index", str(path), "give the .index file")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"cannot read: {error.strerror}", str(path), "check the path and its permissions"
        ) from error


def _parsed(path: Path, data: bytes) -> BundleIndex:
    """Return the index in ``data``; damage raises ``MalformedError``."""
    num_shards = 0
    entries: dict[str, BundleEntry] = {}
    for key, value in read_table(data):
        if key == b"":
            num_shards = _num_shards(path, value)
        elif num_shards == 0:
            raise MalformedError("it does not begin with its header")
        elif not key.startswith(b"\0"):  # such keys are the parts of partitioned variables, refused below
            try:
                name = key.decode("utf-8")
            except UnicodeDecodeError as error:
                raise MalformedError(f"the name {key!r} is not UTF-8") from error
            entries[name] = _checked_entry(path, name, value, num_shards)
    if num_shards == 0:
        raise MalformedError("it is empty")
    _refuse_partitioned(path, [name for name, entry in entries.items() if entry.sliced])
    return BundleIndex(path, num_shards, entries)


def _num_shards(path: Path, value: bytes) -> int:
    """Return the number of data files after checking the header."""
    header = parse_header(value)
    if header.big_endian:
        what = "the checkpoint was written on a big-endian machine, which is not read"
        raise CheckpointError(what, str(path), "load and save it in TensorFlow on a little-endian machine")
    if header.min_consumer > _KNOWN_VERSION:
        what = f"the checkpoint needs a reader of format version {header.min_consumer}, this one knows {_KNOWN_VERSION}"
        raise CheckpointError(what, str(path), "save it again with an older TensorFlow")
    if header.num_shards < 1:
        raise MalformedError(f"it tells of {header.num_shards} data files")
    return header.num_shards


def _refuse_partitioned(path: Path, names: list[str]) -> None:
    """Raise the error for variables that are stored in parts."""
    if names:
        listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        what = f"{len(names)} variables are partitioned (stored in slices), which is not read: {listed}"
        raise CheckpointError(what, str(path), "load them in TensorFlow and save them without a partitioner")


def _checked_entry(path: Path, name: str, value: bytes, num_shards: int) -> BundleEntry:
    """Return the entry of one tensor after checking its figures against each other."""
    try:
        entry = parse_entry(value)
        if not entry.sliced:
            _check_figures(entry, num_shards)
    except MalformedError as error:
        where = f"{path}: tensor '{name}'"
        raise CheckpointError(f"the entry in the index is damaged: {error}", where, COPY_AGAIN) from error
    return entry


def _check_figures(entry: BundleEntry, num_shards: int) -> None:
    """Raise ``MalformedError`` where an entry cannot be true; no memory is taken by what it claims."""
    if not 0 <= entry.shard < num_shards:
        raise MalformedError(f"it lies in data file {entry.shard} of {num_shards}, counted from 0")
    if entry.offset < 0 or entry.size < 0:
        raise MalformedError(f"offset {entry.offset} or size {entry.size} is negative")
    too_large = math.prod(size for size in entry.shape if size) > _MOST_VALUES
    if len(entry.shape) > _MOST_DIMENSIONS or too_large or min(entry.shape, default=0) < 0:
        raise MalformedError(f"the shape {list(entry.shape)} is impossible")
    item_bytes = ITEM_BYTES.get(entry.dtype)
    if item_bytes is not None and math.prod(entry.shape) * item_bytes != entry.size:
        raise MalformedError(f"{entry.dtype}{list(entry.shape)} does not take {entry.size} bytes")
