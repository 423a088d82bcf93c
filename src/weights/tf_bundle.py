"""Read TensorFlow's V2 checkpoints ("bundles": an index and one or more data files) without TensorFlow.

Every checksum is verified: those of the index's blocks when it is opened, that of a tensor when it is read.
Source of the format: ``tensor_bundle.h`` in ``tensorflow/core/util/tensor_bundle``.
"""

from __future__ import annotations

import difflib
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError
from src.common.protobuf import MalformedError, read_varint
from src.data.tfrecord import masked_crc32c
from src.weights.tf_bundle_index import COPY_AGAIN, ITEM_BYTES, BundleIndex, read_index
from src.weights.tf_bundle_paths import INDEX_SUFFIX, data_path, find_index
from src.weights.tf_bundle_proto import BundleEntry

_STORED = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "int32": "<i4", "int64": "<i8"}
_CRC = struct.Struct("<I")
_LONG = struct.Struct("<Q")


class TensorBundle:
    """An opened checkpoint; a ``TensorSource``. Files are open only while something is read.

    Args:
        index: Its index; the data files must have been checked (``open_bundle``).
    """

    def __init__(self, index: BundleIndex) -> None:
        self._index = index

    @property
    def path(self) -> Path:
        """Return the index file."""
        return self._index.path

    @property
    def prefix(self) -> Path:
        """Return what TensorFlow calls the checkpoint's path: the names of its files begin with it."""
        return Path(str(self.path).removesuffix(INDEX_SUFFIX))

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of every tensor, sorted by name; also of those that cannot be read."""
        return {name: entry.shape for name, entry in self._index.entries.items()}

    def dtypes(self) -> Mapping[str, str]:
        """Return the dtype of every tensor in the file; ``string`` ones are for ``read_bytes``."""
        return {name: entry.dtype for name, entry in self._index.entries.items()}

    def read(self, name: str) -> np.ndarray:
        """Read one tensor of numbers.

        Returns:
            float32 (also for float16 and bfloat16), int32 or int64, of the shape in ``shapes``; writable.

        Raises:
            CheckpointError: There is no such tensor, its dtype is not read, or it is cut off or damaged.
        """
        entry = self._entry(name)
        stored = _STORED.get(entry.dtype)
        if stored is None:
            readable = ", ".join(ITEM_BYTES)
            what = f"{entry.dtype} values are not read, only {readable}"
            raise CheckpointError(what, self._where(name), "convert the variable in TensorFlow, or leave it out")
        data = self._bytes(name, entry)
        if masked_crc32c(data) != entry.crc32c:
            raise self._damaged(name, entry, "the values are damaged (checksum differs)")
        values = np.frombuffer(data, stored).reshape(entry.shape)
        if entry.dtype == "bfloat16":
            # bfloat16 is the upper half of a float32.
            return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return values.astype(np.float32 if entry.dtype == "float16" else values.dtype.newbyteorder("="))

    def read_bytes(self, name: str) -> bytes:
        """Read a string tensor of one value, such as the object graph of TensorFlow 2.

        Raises:
            CheckpointError: There is no such tensor, it is not one string, or it is cut off or damaged.
        """
        entry = self._entry(name)
        if entry.dtype != "string" or any(size != 1 for size in entry.shape):
            what = f"{entry.dtype}{list(entry.shape)} is not one string"
            raise CheckpointError(what, self._where(name), "read numbers with read()")
        data = self._bytes(name, entry)
        try:
            return _one_string(data, entry.crc32c)
        except MalformedError as error:
            raise self._damaged(name, entry, str(error)) from error

    def _where(self, name: str) -> str:
        return f"{self.path}: tensor '{name}'"

    def _damaged(self, name: str, entry: BundleEntry, what: str) -> CheckpointError:
        """Return the error for a tensor whose bytes are wrong."""
        place = self._data_path(entry)
        return CheckpointError(what, f"{place}: tensor '{name}' (byte {entry.offset})", COPY_AGAIN)

    def _entry(self, name: str) -> BundleEntry:
        """Return the entry of a tensor that must be there."""
        entry = self._index.entries.get(name)
        if entry is None:
            close = difflib.get_close_matches(name, self._index.entries, n=1)
            fix = f"did you mean '{close[0]}'?" if close else "list the names with shapes()"
            raise CheckpointError("there is no such tensor", self._where(name), fix)
        return entry

    def _data_path(self, entry: BundleEntry) -> Path:
        return data_path(self.prefix, entry.shard, self._index.num_shards)

    def _bytes(self, name: str, entry: BundleEntry) -> bytes:
        """Return the bytes of a tensor as they are in the file, not yet checked."""
        path = self._data_path(entry)
        try:
            with path.open("rb") as stream:
                stream.seek(entry.offset)
                data = stream.read(entry.size)
        except OSError as error:
            raise CheckpointError(f"cannot read: {error.strerror}", str(path), "check the disk") from error
        if len(data) < entry.size:
            raise self._damaged(name, entry, "the data file is cut off")
        return data


def _one_string(data: bytes, crc32c: int) -> bytes:
    """Return the string in the bytes of a string tensor of one value.

    They are: its length as a varint, the masked CRC32C of that length (as 4 bytes, above 2**32 as 8), the string. The
    checksum of the tensor covers the same with the length as 4 or 8 bytes.
    """
    length, position = read_varint(data, 0)
    begin = position + _CRC.size
    if begin + length != len(data):
        raise MalformedError("the string does not have the length that the index tells")
    plain_length = (_CRC if length < 1 << 32 else _LONG).pack(length)
    stored = data[position:begin]
    if _CRC.unpack(stored)[0] != masked_crc32c(plain_length):
        raise MalformedError("the length of the string is damaged (checksum differs)")
    if masked_crc32c(plain_length + data[position:]) != crc32c:
        raise MalformedError("the string is damaged (checksum differs)")
    return data[begin:]


def _check_data_files(bundle: TensorBundle, index: BundleIndex) -> None:
    """Raise ``CheckpointError`` when a data file is missing or too short for what the index says of it."""
    ends: dict[int, tuple[int, str]] = {}
    for name, entry in index.entries.items():
        ends[entry.shard] = max(ends.get(entry.shard, (0, "")), (entry.offset + entry.size, name))
    for shard, (end, name) in sorted(ends.items()):
        path = data_path(bundle.prefix, shard, index.num_shards)
        if not path.is_file():
            what = f"data file {shard + 1} of {index.num_shards} of the checkpoint is missing"
            raise CheckpointError(what, str(path), f"put it beside {index.path.name}, with this name")
        size = path.stat().st_size
        if size < end:
            what = f"the data file is cut off: it has {size} bytes, tensor '{name}' ends at byte {end}"
            raise CheckpointError(what, str(path), COPY_AGAIN)


def open_bundle(path: Path) -> TensorBundle:
    """Open a TensorFlow V2 checkpoint.

    Args:
        path: Prefix, ``.index`` file, folder with one checkpoint, or ``checkpoint`` file; see ``find_index``.

    Raises:
        CheckpointError: There is none, it is damaged or incomplete, or of a kind that is not read.
    """
    try:
        index = read_index(find_index(path))
        bundle = TensorBundle(index)
        _check_data_files(bundle, index)
    except OSError as error:
        raise CheckpointError(
            f"cannot read: {error.strerror}", str(path), "check the path and its permissions"
        ) from error
    return bundle
