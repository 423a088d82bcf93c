"""Write TensorFlow V2 checkpoints without TensorFlow: an index and one data file.

``tf.train.load_checkpoint`` and the ``Saver`` of TensorFlow 1 read them by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from src.common.errors import CheckpointError, OutputError
from src.common.files import atomic_path, write_text_atomic
from src.data.tfrecord import masked_crc32c
from src.weights.tf_bundle_paths import data_path, index_path
from src.weights.tf_bundle_proto import BundleEntry, encode_entry, encode_header
from src.weights.tf_table import Item, write_table

_STORED = {"float32": "<f4", "int64": "<i8"}


def write_bundle(prefix: Path, arrays: Mapping[str, np.ndarray], checkpoint_file: bool = False) -> list[Path]:
    """Write named arrays as a checkpoint; a checkpoint of the same prefix is replaced.

    Nothing takes its final name before everything is written. The data file does so before the index, without which
    there is no checkpoint; should that be interrupted over an old checkpoint, its checksums tell.

    Args:
        prefix: What the names of the files begin with, for example ``out/model.ckpt``.
        arrays: Names and values, float32 or int64.
        checkpoint_file: Also write the text file ``checkpoint``, by which TensorFlow finds the newest one of a folder.

    Returns:
        The files written.

    Raises:
        CheckpointError: There is nothing to write, or a name or dtype that cannot be.
        OutputError: The files cannot be written.
    """
    if prefix.name in ("", ".."):
        raise OutputError("this is a folder, not the beginning of file names", str(prefix), "give <folder>/model.ckpt")
    keys = _sorted_keys(arrays, prefix)
    data, index = data_path(prefix, 0, 1), index_path(prefix)
    for path in (data, index):
        if path.is_dir():  # found out now, not after the other file was published
            raise OutputError("a folder stands where a file is needed", str(path), "choose another name or place")
    # The inner file is published first.
    with atomic_path(index) as temporary_index, atomic_path(data) as temporary_data:
        entries = list(_write_data(temporary_data, arrays, keys))
        with temporary_index.open("wb") as stream:
            write_table(stream, [(b"", encode_header(1)), *entries])
    written = [index, data]
    if checkpoint_file:
        written.append(prefix.parent / "checkpoint")
        write_text_atomic(written[-1], _state_text(prefix.name))
    return written


def _sorted_keys(arrays: Mapping[str, np.ndarray], prefix: Path) -> dict[bytes, str]:
    """Return the names by their bytes in the file, in the order of the table."""
    if not arrays:
        raise CheckpointError("there are no tensors to write", str(prefix))
    keys: dict[bytes, str] = {}
    for name, values in arrays.items():
        where = f"{prefix}: tensor {name!r}"
        # The empty key is the header's, and parts of partitioned variables begin with a zero.
        if not name or name.startswith("\0"):
            raise CheckpointError("TensorFlow allows no such name", where, "rename the tensor")
        if values.dtype.name not in _STORED:
            raise CheckpointError(f"dtype {values.dtype} is not written", where, "convert it to float32 or int64")
        try:
            keys[name.encode("utf-8")] = name
        except UnicodeEncodeError as error:
            raise CheckpointError("the name is not valid Unicode", where, "rename the tensor") from error
    return {key: keys[key] for key in sorted(keys)}


def _write_data(path: Path, arrays: Mapping[str, np.ndarray], keys: Mapping[bytes, str]) -> Iterator[Item]:
    """Write the values one behind the other; yield key and entry of each."""
    with path.open("wb") as stream:
        for key, name in keys.items():
            values = arrays[name]
            dtype = values.dtype.name
            content = values.astype(_STORED[dtype], copy=False).tobytes()
            entry = BundleEntry(dtype, values.shape, 0, stream.tell(), len(content), masked_crc32c(content))
            stream.write(content)
            yield key, encode_entry(entry)


def _state_text(name: str) -> str:
    """Return the content of the file ``checkpoint``: ``CheckpointState`` as text, bytes beyond ASCII escaped."""
    escaped = "".join(
        f"\\{byte:03o}" if byte in b'"\\' or not 0x20 <= byte < 0x7F else chr(byte) for byte in name.encode("utf-8")
    )
    return f'model_checkpoint_path: "{escaped}"\nall_model_checkpoint_paths: "{escaped}"\n'
