"""Find the files that a path names, tell their format apart, and verify them before anything is read."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import DataError
from src.data.manifest import Manifest, manifest_path, read_manifest, verify_files
from src.data.mindrecord_check import check_mindrecord, is_mindrecord_header
from src.data.tfrecord import is_gzip_header, is_tfrecord_header, open_input

_LOG = logging.getLogger(__name__)
_HEAD_BYTES = 32
_TFRECORD_SHARD = re.compile(r"(?P<base>.+)-\d{5}-of-\d{5}")
_NO_RECORDS = (".db", ".manifest.json", ".skipped.json", ".tmp")


@dataclass(frozen=True)
class RecordSource:
    """One verified record file.

    Attributes:
        path: Its name; of several shards the common one.
        files: The files that hold records, in reading order.
        file_format: ``mindrecord`` or ``tfrecord``.
        columns: Names of the columns it is known to have; empty where only the records tell (TFRecord).
        manifest: Its manifest, ``None`` for files of other tools.
    """

    path: Path
    files: tuple[Path, ...]
    file_format: str
    columns: tuple[str, ...]
    manifest: Manifest | None


def detect_format(path: Path) -> str:
    """Return ``mindrecord`` or ``tfrecord`` from the file's first bytes; raise ``DataError`` for anything else."""
    with open_input(path) as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise DataError("the file is empty", str(path), "convert the data again")
    if is_mindrecord_header(head):
        return "mindrecord"
    if is_tfrecord_header(head) or is_gzip_header(head):
        return "tfrecord"
    raise DataError(
        "neither a MindRecord nor a TFRecord file, or its beginning is damaged", str(path), "check the file"
    )


def open_sources(path: str | Path) -> list[RecordSource]:
    """Return the verified record files that ``path`` names.

    Files with a manifest are checked against its sizes and sha256. A MindRecord without one is only checked for a
    sound structure, because its format has no checksums: a warning says so. TFRecord files have checksums in every
    record, which are checked during reading.

    Args:
        path: One file, a pattern with ``*``, ``?`` or ``[...]``, or several of these with commas between. A shard, or
            the common name of shards, stands for all of them.

    Raises:
        DataError: A file is missing, damaged, or neither MindRecord nor TFRecord.
    """
    sources: dict[Path, RecordSource] = {}
    named: set[Path] = set()
    for file in _expand(str(path)):
        named.add(file)
        if not any(file == source.path or file in source.files for source in sources.values()):
            source = _open_source(file)
            sources[source.path] = source
    for source in sources.values():
        _check_all_shards_named(source, named)
    return list(sources.values())


def _expand(text: str) -> Iterator[Path]:
    """Yield the files of a comma list of names and patterns."""
    if Path(text).exists():
        # A comma or bracket may be part of a name.
        yield Path(text)
        return
    pieces = [piece.strip() for piece in text.split(",")]
    if not all(pieces):
        raise DataError("no file is named", repr(text), "name a record file")
    for piece in pieces:
        if Path(piece).exists() or not glob.has_magic(piece):
            yield Path(piece)
            continue
        found = sorted(Path(name) for name in glob.glob(piece) if not name.endswith(_NO_RECORDS))
        if not found:
            raise DataError("no record file matches the pattern", piece, "check the pattern; quote it in the shell")
        yield from found


def _open_source(file: Path) -> RecordSource:
    """Return the verified source that ``file`` is, or is a shard of."""
    for base in _possible_bases(file):
        manifest = read_manifest(base)
        if manifest is None:
            continue
        if file != base and file.name not in manifest.shard_names:
            continue
        if file.exists() and file.name not in manifest.shard_names:
            raise DataError(
                f"the manifest beside it describes {', '.join(manifest.shard_names)}",
                str(file),
                "give the file its old name, or remove the manifest when it does not belong to it",
            )
        verify_files(base, manifest)
        files = tuple(base.parent / name for name in manifest.shard_names)
        return RecordSource(base, files, manifest.file_format, tuple(manifest.columns), manifest)
    return _open_foreign(file)


def _possible_bases(file: Path) -> Iterator[Path]:
    """Yield the record files that ``file`` may be, or be a shard of."""
    yield file
    if match := _TFRECORD_SHARD.fullmatch(file.name):
        yield file.with_name(match["base"])
    digits = len(file.name) - len(file.name.rstrip("0123456789"))
    for cut in range(1, min(digits, len(file.name) - 1) + 1):
        yield file.with_name(file.name[:-cut])


def _open_foreign(file: Path) -> RecordSource:
    """Return a file without a manifest as a source after what checks there are."""
    if detect_format(file) == "tfrecord":
        return RecordSource(file, (file,), "tfrecord", (), None)
    header = check_mindrecord(file)
    files = tuple(file.with_name(name) for name in header.shard_names)
    for other in files:
        if other != file and check_mindrecord(other).columns != header.columns:
            raise DataError("the shards of the MindRecord have different columns", str(other), "write them again")
    _LOG.warning(
        "%s has no manifest (%s): its structure is sound, but changed values cannot be noticed; convert the data again"
        " to get one",
        file,
        manifest_path(file).name,
    )
    return RecordSource(file, files, "mindrecord", header.columns, None)


def _check_all_shards_named(source: RecordSource, named: set[Path]) -> None:
    """Refuse a choice of TFRecord shards: reading all of them would surprise, and so would row counts that differ."""
    if source.file_format != "tfrecord" or source.path in named or named.issuperset(source.files):
        return
    missing = ", ".join(file.name for file in source.files if file not in named)
    raise DataError(
        f"some shards are not named: {missing}", str(source.path), f"name {source.path.name} for all of them"
    )
