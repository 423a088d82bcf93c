"""Find the files of pre-training records that a path stands for, and verify those that a manifest describes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from src.common.errors import DataError
from src.common.files import sha256_of
from src.data.manifest import TokenizerInfo
from src.data.pretraining.manifest import (
    PretrainManifest,
    ShardFile,
    find_manifests,
    read_pretrain_manifest,
    read_verified,
    verify_shard_files,
)
from src.data.pretraining.progress import ScanProgress
from src.data.pretraining.reader import manifest_of

_LOG = logging.getLogger(__name__)

FileFormat = Literal["tfrecord", "mindrecord"]

_TFRECORD_NAMES = ("tfrecord", "tf_record")
_MINDRECORD_NAME = "mindrecord"
_NO_RECORDS = (".json", ".db")
_KEYS = "data_dir, or eval_data_dir for evaluation"


@dataclass(frozen=True)
class RecordFile:
    """One file of records.

    Attributes:
        path: Where it lies.
        bytes: Its size.
        sha256: Its checksum.
        rows: Records in it as its manifest says; ``None`` without manifest.
    """

    path: Path
    bytes: int
    sha256: str
    rows: int | None


@dataclass(frozen=True)
class RecordSet:
    """The files that are read together, sorted by name.

    Attributes:
        source: The path that was asked for.
        file_format: What they are.
        files: The files.
        manifest: One of their manifests (all agree on columns and tokenizer); ``None`` for files of other programs.
    """

    source: Path
    file_format: FileFormat
    files: tuple[RecordFile, ...]
    manifest: PretrainManifest | None

    @property
    def tokenizer(self) -> TokenizerInfo | None:
        """What made the token ids, as far as it is known."""
        return self.manifest.tokenizer if self.manifest else None


def manifests_of(data_dir: Path) -> list[tuple[Path, PretrainManifest]]:
    """Return the manifests of a folder or file with their places, nothing verified yet; none where there are none."""
    with _readable(data_dir):
        if data_dir.is_dir():
            return [(path, read_pretrain_manifest(path)) for path in find_manifests(data_dir)]
        manifest = manifest_of(data_dir)
    return [] if manifest is None else [(data_dir, manifest)]


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of the file system into ``DataError``."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", str(error.filename or path), "check the path") from error


def find_record_files(data_dir: Path) -> RecordSet:
    """Return the record files of a folder (not of folders below it), or a single file.

    Files with a manifest are those that it names, each verified by its sha256. Otherwise every file counts whose name
    contains ``tfrecord`` or ``tf_record``, as in the model zoo; hidden files do not.

    Args:
        data_dir: The folder or file.

    Raises:
        DataError: There are no records, formats are mixed, a manifest does not fit its files, or a file is damaged.
    """
    with _readable(data_dir):
        if data_dir.is_file():
            return _single(data_dir)
        if not data_dir.is_dir():
            raise DataError("there is no such folder", str(data_dir), f"give the folder of the records ({_KEYS})")
        names = sorted(path for path in data_dir.iterdir() if _is_candidate(path))
        unfinished = sorted(path.name for path in data_dir.glob("*.unfinished") if path.is_dir())
        progress = ScanProgress(f"verify {data_dir}", sum(path.stat().st_size for path in names), "bytes")
    manifests = read_verified(data_dir, progress.advance)
    progress.finish()
    if manifests:
        if unfinished:
            _LOG.warning("%s: %s is left out: that run is not finished", data_dir, ", ".join(unfinished))
        return _described(data_dir, names, manifests)
    if not names:
        raise _nothing_there(data_dir, unfinished)
    return _foreign(data_dir, names)


def _is_candidate(path: Path) -> bool:
    """Tell whether a file's name is that of a record file."""
    name = path.name.lower()
    if name.startswith(".") or name.endswith(_NO_RECORDS) or not path.is_file():
        return False
    return _MINDRECORD_NAME in name or any(part in name for part in _TFRECORD_NAMES)


def _format_of(path: Path) -> FileFormat:
    return "mindrecord" if _MINDRECORD_NAME in path.name.lower() else "tfrecord"


def _nothing_there(folder: Path, unfinished: Sequence[str]) -> DataError:
    """Return the error for a folder without record files."""
    if unfinished:
        fix = "finish them with create_pretraining_data.py and --resume true"
        return DataError(f"the records are not finished: {', '.join(unfinished)}", str(folder), fix)
    what = "the folder holds no records: no file name contains tfrecord, tf_record or mindrecord"
    return DataError(what, str(folder), "create them with create_pretraining_data.py, or give their own folder")


def _described(folder: Path, candidates: Sequence[Path], manifests: Sequence[PretrainManifest]) -> RecordSet:
    """Return the files that the verified manifests of a folder name."""
    shards = sorted((file for part in manifests for file in part.record_files), key=lambda file: file.name)
    for one, other in pairwise(shards):
        if one.name == other.name:
            raise DataError(
                "two manifests name this file", str(folder / one.name), "remove the manifest of the old one"
            )
    strays = sorted(path.name for path in candidates if path.name not in {file.name for file in shards})
    if strays:
        fix = "move it away, or its own set into a folder of its own"
        raise DataError(f"no manifest in the folder names {', '.join(strays)}", str(folder), fix)
    files = tuple(_with_manifest(folder, file) for file in shards)
    return RecordSet(folder, manifests[0].file_format, files, manifests[0])


def _with_manifest(folder: Path, file: ShardFile) -> RecordFile:
    return RecordFile(folder / file.name, file.bytes, file.sha256, file.rows)


def _single(path: Path) -> RecordSet:
    """Return one file as a set."""
    manifest = manifest_of(path)
    if manifest is None:
        return _foreign(path, [path])
    verify_shard_files(path.parent, [file for file in manifest.files if file.name in (path.name, path.name + ".db")])
    (shard,) = (file for file in manifest.files if file.name == path.name)
    if not shard.rows:
        raise DataError("this is the index of a record file", str(path), f"give {path.name.removesuffix('.db')}")
    return RecordSet(path, manifest.file_format, (_with_manifest(path.parent, shard),), manifest)


def _foreign(source: Path, paths: Sequence[Path]) -> RecordSet:
    """Return files without manifest as a set."""
    formats = {_format_of(path): path.name for path in paths}
    if len(formats) > 1:
        both = " and ".join(formats[name] for name in sorted(formats))
        raise DataError(f"TFRecord and MindRecord files are mixed: {both}", str(source), "keep them in other folders")
    if "mindrecord" in formats:
        fix = "keep the .manifest.json beside it: MindSpore dies of damaged files, so they are verified first"
        raise DataError("a MindRecord without its manifest", str(paths[0]), fix)
    return RecordSet(source, "tfrecord", _checksums(source, paths), None)


def _checksums(source: Path, paths: Sequence[Path]) -> tuple[RecordFile, ...]:
    """Return files with their size and checksum, by which a resumed run knows its data."""
    files: list[RecordFile] = []
    with _readable(source):
        sizes = [path.stat().st_size for path in paths]
        progress = ScanProgress(f"checksums of {source}", sum(sizes), "bytes")
        for path, size in zip(paths, sizes, strict=True):
            files.append(RecordFile(path, size, sha256_of(path), None))
            progress.advance(size)
        progress.finish()
    return tuple(files)
