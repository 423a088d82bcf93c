"""The manifest of a set of pre-training records: what it holds, how it was made, and the checksums of its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from src.common.errors import DataError
from src.common.files import sha256_of
from src.common.json_files import object_or_empty
from src.data.manifest import ColumnInfo, FileInfo, TokenizerInfo
from src.data.pretraining.records import PretrainColumn

MANIFEST_SUFFIX = ".manifest.json"
SCHEMA_NAME = "schema.json"
_KIND = "pretraining"
_REBUILD = "create the data again, or restore the files"


class _Part(BaseModel):
    """Base of the manifest's parts: unknown keys and wrong types are refused, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ShardFile(FileInfo):
    """A file of records; ``rows`` is 0 for the index file of a MindRecord."""

    rows: int = Field(ge=0)


class ShardInfo(_Part):
    """A finished shard; kept beside it while the whole is not finished.

    Attributes:
        number: Number of its block.
        text_sha256: Digest of the block's text.
        files: Its files; none where its text gave no records.
        statistics: ``PretrainStatistics.as_dict``.
    """

    number: int = Field(ge=0)
    text_sha256: str
    files: list[ShardFile]
    statistics: dict[str, Any]


class PretrainManifest(_Part):
    """Description of a set of record files, or of one machine's part of it.

    Attributes:
        rows: Records in all files together.
        columns: Column name to dtype and shape of one row.
        settings: Everything else that decided the content.
        shard_index: Number of this part, from 0.
        num_shards: Parts there are.
        sources: Names and sizes of the text files.
        files: All files, in order.
        statistics: ``PretrainStatistics.as_dict``.
    """

    format_version: Literal[1] = 1
    kind: Literal["pretraining"] = "pretraining"
    file_format: Literal["tfrecord", "mindrecord"]
    rows: int = Field(ge=1)
    columns: dict[str, ColumnInfo]
    max_seq_length: int = Field(ge=1)
    max_predictions_per_seq: int = Field(ge=1)
    tokenizer: TokenizerInfo
    settings: dict[str, Any]
    shard_index: int = Field(ge=0)
    num_shards: int = Field(ge=1)
    sources: list[dict[str, Any]]
    files: list[ShardFile] = Field(min_length=1)
    statistics: dict[str, Any]

    @model_validator(mode="after")
    def _consistent(self) -> PretrainManifest:
        if sum(file.rows for file in self.files) != self.rows:
            raise ValueError("the rows of the files do not add up to 'rows'")
        if self.shard_index >= self.num_shards:
            raise ValueError("shard_index is not below num_shards")
        return self

    @property
    def record_files(self) -> list[ShardFile]:
        """The files that hold records."""
        return [file for file in self.files if file.rows]


def describe_columns(columns: Sequence[PretrainColumn]) -> dict[str, dict[str, Any]]:
    """Return the manifest's ``columns`` entry."""
    return {column.name: {"dtype": column.dtype, "shape": [column.width]} for column in columns}


def find_manifests(folder: Path) -> list[Path]:
    """Return the manifests of pre-training records in a folder, one for each part."""
    return [path for path in sorted(folder.glob(f"*{MANIFEST_SUFFIX}")) if _kind_of(path) in (None, _KIND)]


def _kind_of(path: Path) -> str | None:
    """Return the kind that a manifest tells, ``None`` if it is damaged."""
    return object_or_empty(path).get("kind")


def read_pretrain_manifest(path: Path) -> PretrainManifest:
    """Read a manifest.

    Raises:
        DataError: It is missing, unreadable, or not valid.
    """
    return _parsed(path, PretrainManifest)


def read_shard_info(path: Path) -> ShardInfo:
    """Read the description of a finished shard; raise ``DataError`` as ``read_pretrain_manifest``."""
    return _parsed(path, ShardInfo)


def _parsed(path: Path, kind: Any) -> Any:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the manifest: {error}", str(path), _REBUILD) from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'manifest'}: {problem['msg']}" for problem in error.errors()
        )
        raise DataError(f"the manifest is not valid: {problems}", str(path), _REBUILD) from error


def verify_shard_files(folder: Path, files: Sequence[FileInfo], told: Callable[[int], None] | None = None) -> None:
    """Check that files are there, of their size and checksum.

    Args:
        folder: Where they lie.
        files: What the manifest says of them.
        told: Called with the size of every file that has been verified.

    Raises:
        DataError: A file is missing, cut off, changed or unreadable; the message names it.
    """
    for file in files:
        place = folder / file.name
        try:
            size = place.stat().st_size
            if size != file.bytes:
                raise DataError(f"the file has {size} bytes, its manifest says {file.bytes}", str(place), _REBUILD)
            if sha256_of(place) != file.sha256:
                raise DataError("the file is damaged or changed: its sha256 differs", str(place), _REBUILD)
        except FileNotFoundError as error:
            raise DataError("the file that the manifest names is missing", str(place), _REBUILD) from error
        except OSError as error:
            raise DataError(f"cannot read: {error.strerror}", str(place), "check its permissions") from error
        if told is not None:
            told(file.bytes)


def read_verified(folder: Path, told: Callable[[int], None] | None = None) -> list[PretrainManifest]:
    """Return the manifests of a folder of pre-training data after verifying all files that they name.

    Args:
        folder: The folder.
        told: Called with the size of every file that has been verified.

    Returns:
        One manifest for each part; empty where the folder has none (data of another program).

    Raises:
        DataError: A manifest or file is damaged, the parts do not belong together, or one is missing.
    """
    parts = [(path, read_pretrain_manifest(path)) for path in find_manifests(folder)]
    for path, part in parts:
        _check_belongs(path, part, parts[0][1])
        verify_shard_files(folder, part.files, told)
    by_set: dict[str, list[PretrainManifest]] = {}
    for path, part in parts:
        by_set.setdefault(part_stem(path), []).append(part)
    for stem, members in by_set.items():
        missing = sorted(set(range(members[0].num_shards)) - {part.shard_index for part in members})
        if missing:
            numbers = ", ".join(map(str, missing))
            fix = "wait for all machines, or create the missing parts with --shard_index"
            raise DataError(f"parts {numbers} of {members[0].num_shards} of '{stem}' are missing", str(folder), fix)
    return [part for _, part in parts]


def part_name(name: str, shard_index: int, num_shards: int) -> str:
    """Return the stem that tells the parts of the data set ``name`` apart."""
    return name if num_shards == 1 else f"{name}-part-{shard_index:05d}-of-{num_shards:05d}"


def part_stem(path: Path) -> str:
    """Return the name of the data set that a manifest belongs to."""
    return path.name.removesuffix(MANIFEST_SUFFIX).partition("-part-")[0]


def _check_belongs(path: Path, part: PretrainManifest, first: PretrainManifest) -> None:
    for key in ("file_format", "columns", "max_seq_length", "max_predictions_per_seq"):
        if getattr(part, key) != getattr(first, key):
            raise DataError(f"'{key}' differs from that of the other parts", str(path), "keep them in other folders")
    if part.tokenizer.sha256 != first.tokenizer.sha256:
        raise DataError("the parts were made with different vocabularies", str(path), "keep them in other folders")
