"""Write record files of fine-tuning data as a whole or not at all, with their manifest.

Rows are gathered in memory first (token ids as int32: 80 MB for the 393,000 pairs of MNLI), so that nothing is written
when a row is wrong, and the file's geometry can be fitted to its content. Files are made in a temporary folder beside
their place and moved into it at the end; MindRecord files keep their names inside and survive that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from src.common.errors import DataError, OutputError
from src.common.files import write_json_atomic
from src.data.example_proto import encode_example
from src.data.file_set import publish, temporary_folder
from src.data.manifest import (
    Manifest,
    check_labels,
    describe_file,
    manifest_path,
    read_manifest,
    skipped_path,
    write_manifest,
)
from src.data.mindrecord import check_name, file_geometry, shard_names, write_mindrecord
from src.data.record_checks import Chunk, RecordRules, strip_padding
from src.data.record_gather import gather_rows, padded_chunks
from src.data.record_schema import FILE_FORMATS, KINDS, RecordRow, schema_of
from src.data.tfrecord import TFRecordWriter

ChunkMaker: TypeAlias = Callable[[range], Iterator[Chunk]]


def write_records(
    path: Path,
    kind: str,
    file_format: str,
    rows: Iterable[RecordRow],
    *,
    max_seq_length: int,
    task_name: str,
    split: str,
    tokenizer: Mapping[str, Any],
    labels: Sequence[str] = (),
    has_labels: bool = True,
    settings: Mapping[str, Any] | None = None,
    shard_num: int = 1,
    overwrite: bool = False,
) -> Manifest:
    """Write rows to a new record file and its manifest.

    Args:
        path: The file. Several shards are ``<path>0``, ``<path>1``, ... (MindRecord) or
            ``<path>-00000-of-00004``, ... (TFRecord); the manifest is ``<path>.manifest.json`` in any case.
        kind: Kind of record.
        file_format: ``mindrecord`` or ``tfrecord``.
        rows: The rows, in the order in which they are read back.
        max_seq_length: Length to which rows are padded; none may be longer.
        task_name: For the manifest.
        split: For the manifest: ``train``, ``dev``, ``test`` or another name.
        tokenizer: ``Tokenizer.fingerprint()``; token ids must be below its ``vocab_size``.
        labels: Class names by number; empty for regression.
        has_labels: False for a split without labels: then all labels must be ``None``, and the file gets placeholders
            (0, or ``IGNORED_LABEL`` for tokens), because other readers need the column.
        settings: For the manifest: what else the converter was told.
        shard_num: Number of shards, at most the number of rows.
        overwrite: Replace an existing record file of that name.

    Returns:
        The manifest that was written.

    Raises:
        OutputError: The output exists, or cannot be written. What was there before is still there.
        DataError: A row is wrong (it is named by its number, from 0), or there are none.
    """
    _check_kind(path, kind, labels)
    old = prepare_output(path, file_format, max_seq_length, shard_num, overwrite)
    gathered = gather_rows(path, kind, rows, has_labels)
    rules = RecordRules(kind, has_labels, max_seq_length, None, int(tokenizer["vocab_size"]), len(labels) or None)

    def chunks_of(numbers: range) -> Iterator[Chunk]:
        return padded_chunks(path, gathered, kind, max_seq_length, numbers)

    described = {
        "kind": kind,
        "file_format": file_format,
        "rows": gathered.rows,
        "max_seq_length": max_seq_length,
        "task_name": task_name,
        "split": split,
        "labels": list(labels),
        "has_labels": has_labels,
        "tokenizer": dict(tokenizer),
        "settings": dict(settings or {}),
    }
    return write_files(path, described, chunks_of, lambda chunk: strip_padding(chunk, rules), shard_num, old)


def prepare_output(path: Path, file_format: str, max_seq_length: int, shard_num: int, overwrite: bool) -> list[str]:
    """Refuse what can be refused before any row is made; return the names of the files that will be replaced.

    Raises:
        OutputError: The output exists and may not be replaced, or MindSpore does not take its name.
        DataError: The form, the length or the number of shards is not possible.
    """
    if file_format not in FILE_FORMATS:
        raise DataError(f"unknown file format '{file_format}'", fix=f"choose one of {', '.join(FILE_FORMATS)}")
    if max_seq_length < 1 or shard_num < 1:
        raise DataError(f"max_seq_length {max_seq_length} and shard_num {shard_num} must be at least 1", str(path))
    if file_format == "mindrecord":
        check_name(path)
    old = _existing_names(path, file_format, shard_num)
    if old and not overwrite:
        raise OutputError(
            "the output exists already", str(path.parent / old[0]), "choose another name, or overwrite it"
        )
    return old


def write_files(
    path: Path,
    described: Mapping[str, Any],
    chunks_of: ChunkMaker,
    check: Callable[[Chunk], object],
    shard_num: int,
    old: Sequence[str],
    skipped: Any = None,
) -> Manifest:
    """Check all rows, then write record files and manifest as a whole or not at all.

    Args:
        path: As in ``write_records``.
        described: The manifest without ``columns`` and ``files``.
        chunks_of: Makes the padded columns of a range of rows; called anew for each pass over them.
        check: Raises for a row that must not be written.
        shard_num: Number of shards.
        old: What ``prepare_output`` returned.
        skipped: What the input holds and the records do not; kept as JSON beside them. ``None`` for no such file.

    Raises:
        OutputError: The output cannot be written. What was there before is still there.
        DataError: A row is wrong, or there are fewer rows than shards.
    """
    kind, rows, length = str(described["kind"]), int(described["rows"]), int(described["max_seq_length"])
    if rows < shard_num:
        raise DataError(f"{rows} rows do not fill {shard_num} shards", str(path), "use fewer shards")
    for chunk in chunks_of(range(rows)):
        check(chunk)
    with temporary_folder(path) as folder:
        files = _write_data(folder / path.name, described, chunks_of, shard_num)
        content = {**described, "columns": schema_of(kind).describe(length)}
        manifest = Manifest.model_validate({**content, "files": [describe_file(file) for file in files]})
        names = [file.name for file in files]
        if skipped is not None:
            write_json_atomic(folder / skipped_path(path).name, skipped)
            names.append(skipped_path(path).name)
        write_manifest(folder / path.name, manifest)
        publish(folder, path.parent, [*names, manifest_path(path).name], old)
    return manifest


def existing_outputs(path: Path, file_format: str, shard_num: int = 1) -> list[Path]:
    """Return what stands where ``write_records`` would write, so that a converter can refuse before its work."""
    return [path.parent / name for name in _existing_names(path, file_format, shard_num)]


def _check_kind(path: Path, kind: str, labels: Sequence[str]) -> None:
    """Refuse unknown kinds, and class names that do not fit the kind."""
    if kind not in KINDS:
        raise DataError(f"unknown kind of record '{kind}'", fix=f"choose one of {', '.join(KINDS)}")
    try:
        check_labels(kind, labels)
    except ValueError as error:
        raise DataError(str(error), str(path), "correct the class names") from error


def _data_names(path: Path, file_format: str, shard_num: int) -> list[str]:
    """Return the names of all files but the manifest."""
    if file_format == "mindrecord":
        return [name + suffix for name in shard_names(path.name, shard_num) for suffix in ("", ".db")]
    if shard_num == 1:
        return [path.name]
    return [f"{path.name}-{number:05d}-of-{shard_num:05d}" for number in range(shard_num)]


def _existing_names(path: Path, file_format: str, shard_num: int) -> list[str]:
    """Return the names of existing files of this record file, those of an older one with other shards included."""
    beside = [path.name + ".db", manifest_path(path).name, skipped_path(path).name]
    candidates = [path.name, *_data_names(path, file_format, shard_num), *beside]
    with contextlib.suppress(DataError):  # a damaged manifest is one more thing to replace
        manifest = read_manifest(path)
        candidates += [file.name for file in manifest.files if file.name.startswith(path.name)] if manifest else []
    found = [name for name in dict.fromkeys(candidates) if os.path.lexists(path.parent / name)]
    for name in found:
        if (path.parent / name).is_dir():
            raise OutputError("a folder stands where the file is to be", str(path.parent / name), "choose another name")
    return found


def _write_data(path: Path, described: Mapping[str, Any], chunks_of: ChunkMaker, shard_num: int) -> list[Path]:
    """Write the data files and return them."""
    rows, length = int(described["rows"]), int(described["max_seq_length"])
    if described["file_format"] == "mindrecord":
        columns = schema_of(str(described["kind"])).columns
        chunks = (chunk.columns for chunk in chunks_of(range(rows)))
        return write_mindrecord(path, columns, chunks, file_geometry(rows, length), shard_num)
    files = [path.with_name(name) for name in _data_names(path, "tfrecord", shard_num)]
    for number, file in enumerate(files):
        share = range(number * rows // shard_num, (number + 1) * rows // shard_num)
        with TFRecordWriter(file) as writer:
            for chunk in chunks_of(share):
                for values in zip(*chunk.columns.values(), strict=True):
                    writer.write(encode_example(dict(zip(chunk.columns, values, strict=True))))
    return files
