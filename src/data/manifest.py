"""The manifest beside a record file: what it holds, how it was made, and the checksums of its files.

MindSpore reads a damaged MindRecord without noticing, or dies of it (measured: 200 flipped bytes end the process with
a segmentation fault). So sizes and sha256 of all files are verified before MindSpore opens any.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from src.common.errors import DataError
from src.common.files import sha256_of, write_json_atomic
from src.data.record_schema import FileFormat, Kind, schema_of

_SUFFIX = ".manifest.json"
_SKIPPED_SUFFIX = ".skipped.json"
_WITHOUT_CLASSES = {"regression": "a regression has no class names", "squad": "answers in a text have no class names"}
_REBUILD = "convert the data again, or restore the files"


class _Part(BaseModel):
    """Base of the manifest and its parts: unknown keys and wrong types are refused, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ColumnInfo(_Part):
    """Type and shape of one column of a row."""

    dtype: Literal["int64", "float32"]
    shape: list[int]


class FileInfo(_Part):
    """Name (without folder), size and checksum of one file."""

    name: str
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not name or Path(name).name != name:
            raise ValueError("a file name without a folder is expected")
        return name


class TokenizerInfo(_Part):
    """What made the token ids; ``sha256`` is that of its model or vocabulary file."""

    type: str
    vocab_size: int = Field(ge=1)
    sha256: str
    do_lower_case: bool
    file: str


class Manifest(_Part):
    """Description of one record file with all its shards.

    Attributes:
        rows: Records in all shards together.
        columns: Column name to dtype and shape of one row.
        max_seq_length: Length to which every row is padded.
        split: ``train``, ``dev``, ``test`` or another name.
        labels: Class names in the order of their ids; empty for regression and for answers in a text.
        has_labels: False where ``label_ids`` holds placeholders only.
        settings: What else the converter was told.
        files: All files, in reading order; of a MindRecord each shard is followed by its ``.db``.
    """

    format_version: Literal[1] = 1
    kind: Kind
    file_format: FileFormat
    rows: int = Field(ge=1)
    columns: dict[str, ColumnInfo]
    max_seq_length: int = Field(ge=1)
    task_name: str
    split: str
    labels: list[str]
    has_labels: bool
    tokenizer: TokenizerInfo
    settings: dict[str, Any]
    files: list[FileInfo] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        expected = schema_of(self.kind).describe(self.max_seq_length)
        if {name: column.model_dump() for name, column in self.columns.items()} != expected:
            raise ValueError(f"the columns are not those of kind {self.kind}")
        check_labels(self.kind, self.labels)
        return self

    @property
    def shard_names(self) -> list[str]:
        """Names of the files that hold records, in reading order."""
        if self.file_format == "tfrecord":
            return [file.name for file in self.files]
        return [file.name for file in self.files if not file.name.endswith(".db")]


def check_labels(kind: str, labels: Sequence[str]) -> None:
    """Raise ``ValueError`` when the class names do not fit the kind of record."""
    if kind in _WITHOUT_CLASSES and labels:
        raise ValueError(_WITHOUT_CLASSES[kind])
    if kind not in _WITHOUT_CLASSES and not labels:
        raise ValueError(f"class names are needed for kind {kind}")
    if len(set(labels)) != len(labels):
        raise ValueError("a class name occurs twice")


def manifest_path(path: Path) -> Path:
    """Return the place of the manifest of record file ``path``."""
    return path.with_name(path.name + _SUFFIX)


def skipped_path(path: Path) -> Path:
    """Return the place of the list of what record file ``path`` leaves out of its source."""
    return path.with_name(path.name + _SKIPPED_SUFFIX)


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest of record file ``path``, or ``None`` when there is none.

    Raises:
        DataError: The manifest is unreadable, no JSON, of a newer version, or a key is missing, unknown or wrong.
    """
    place = manifest_path(path)
    try:
        text = place.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the manifest: {error}", str(place), _REBUILD) from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'manifest'}: {problem['msg']}" for problem in error.errors()
        )
        raise DataError(f"the manifest is not valid: {problems}", str(place), _REBUILD) from error


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest of record file ``path`` beside it; raise ``OutputError`` when that fails."""
    write_json_atomic(manifest_path(path), manifest.model_dump())


def describe_file(path: Path) -> FileInfo:
    """Return name, size and checksum of a file as they stand in a manifest."""
    return FileInfo(name=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))


def verify_files(path: Path, manifest: Manifest) -> None:
    """Check that every file of the manifest of record file ``path`` is there, of its size and checksum.

    Raises:
        DataError: A file is missing, cut off, changed or unreadable; the message names it.
    """
    for file in manifest.files:
        place = path.parent / file.name
        try:
            size = place.stat().st_size
            if size != file.bytes:
                raise DataError(f"the file has {size} bytes, its manifest says {file.bytes}", str(place), _REBUILD)
            if sha256_of(place) != file.sha256:
                raise DataError("the file is damaged or changed: its sha256 differs", str(place), _REBUILD)
        except FileNotFoundError as error:
            what = f"this file is missing, and its manifest is still there: {manifest_path(path).name}"
            raise DataError(what, str(place), _REBUILD) from error
        except OSError as error:
            raise DataError(f"cannot read: {error.strerror}", str(place), "check its permissions") from error
