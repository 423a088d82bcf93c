"""Read pre-training records back, with every checksum verified and without MindSpore where they are TFRecord files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from src.common.errors import DataError
from src.data.example_proto import Wanted, decode_columns, parse_example
from src.data.pretraining.manifest import PretrainManifest, find_manifests, read_pretrain_manifest, verify_shard_files
from src.data.pretraining.records import INPUT_IDS, MASKED_LM_IDS, PretrainColumn, columns_of
from src.data.tfrecord import read_tfrecord

_CHUNK_ROWS = 1000


def manifest_of(path: Path) -> PretrainManifest | None:
    """Return the manifest beside a record file that names it, or ``None``."""
    for place in find_manifests(path.parent):
        manifest = read_pretrain_manifest(place)
        if path.name in {file.name for file in manifest.files}:
            return manifest
    return None


def read_chunks(path: Path) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns of a record file, some rows at a time: int64[B, width], weights float32[B, width].

    A file with a manifest beside it is verified first. TFRecord files of other programs are read too.

    Raises:
        DataError: The file is missing, damaged, or no file of pre-training records.
    """
    manifest = manifest_of(path)
    if manifest is not None:
        verify_shard_files(
            path.parent, [file for file in manifest.files if file.name in (path.name, path.name + ".db")]
        )
    if path.name.endswith(".mindrecord"):
        if manifest is None:
            fix = "keep its .manifest.json beside it: MindSpore dies of damaged files, so they are verified first"
            raise DataError("a MindRecord without its manifest", str(path), fix)
        # Imported here: only MindRecord files need MindSpore.
        from src.data.mindrecord import read_mindrecord

        yield from read_mindrecord([path], list(manifest.columns))
        return
    yield from _read_tfrecord(path)


def _read_tfrecord(path: Path) -> Iterator[dict[str, np.ndarray]]:
    records = read_tfrecord(path)
    columns: tuple[PretrainColumn, ...] = ()
    number = 0
    while chunk := list(islice(records, _CHUNK_ROWS)):
        first = number
        rows = [parse_example(data, f"{path}: record {first + index}") for index, data in enumerate(chunk)]

        def place(index: int, first: int = first) -> str:
            return f"{path}: record {first + index}"

        if not columns:
            widths = [
                decode_columns(rows[:1], Wanted(name, ("int64",)), place).shape[1]
                for name in (INPUT_IDS, MASKED_LM_IDS)
            ]
            columns = columns_of(widths[0], widths[1])
        yield {
            column.name: decode_columns(
                rows,
                Wanted(column.name, ("float",) if column.dtype == "float32" else ("int64",), column.width),
                place,
            )
            for column in columns
        }
        number += len(chunk)
