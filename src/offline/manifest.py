"""``manifest.json`` of a folder that ``preprocess.py`` wrote: what its files hold and what they were made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from src.common.errors import DataError
from src.data.record_schema import INPUT_IDS, INPUT_MASK, SEGMENT_IDS, SQUAD, Kind
from src.tasks.assets import AnswerSettings

MANIFEST_NAME = "manifest.json"
INPUT_FOLDERS = {"00_data": INPUT_IDS, "01_data": INPUT_MASK, "02_data": SEGMENT_IDS}
REFERENCE_FOLDER = "03_data"
TOKENIZER_FOLDER = "tokenizer"

_REMEDY = "run preprocess.py again"


class _Part(BaseModel):
    """Base of the manifest and its parts: unknown keys and wrong types are refused, values cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BatchFile(_Part):
    """One batch: the name of its file in every folder, and how many of its rows are no padding."""

    name: str
    rows: int = Field(ge=1)


class DataInfo(_Part):
    """What the batches were made of: a record file (or several), or a SQuAD json file."""

    path: str
    sha256: list[str] = Field(min_length=1)


class TokenizerFile(_Part):
    """The vocabulary that lies in ``TOKENIZER_FOLDER``; of the two names one is empty."""

    spm_model: str
    vocabulary: str
    do_lower_case: bool
    sha256: str


class ModelInfo(_Part):
    """The exported model that the batches were made for."""

    file: str
    sha256: str


class OfflineManifest(_Part):
    """Content of ``manifest.json``.

    Attributes:
        task: How the names of the files begin.
        task_name: GLUE's name of the task, the user's own, or empty.
        labels: Class names in the order of their ids; none for regression and SQuAD.
        rows: Rows of all batches, padding not counted.
        batch_size: Rows of every batch, padding counted.
        length: Tokens of every row.
        dtype: Type of the inputs, little-endian.
        tokenizer: ``None`` where it is not known.
        answers: How questions are answered; ``None`` for other kinds.
        model: ``None`` where the sizes were given without a model.
        files: The batches in the order of the rows.
    """

    format_version: Literal[1] = 1
    task: str
    task_name: str
    kind: Kind
    labels: list[str]
    rows: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    length: int = Field(ge=1)
    dtype: Literal["int32"] = "int32"
    data: DataInfo
    tokenizer: TokenizerFile | None
    answers: AnswerSettings | None
    model: ModelInfo | None
    files: list[BatchFile] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> OfflineManifest:
        expected = -(-self.rows // self.batch_size)
        if len(self.files) != expected or self.files != batch_files(self.task, self.rows, self.batch_size):
            raise ValueError("the files are not those of its rows and batch_size")
        if (self.kind == SQUAD) != (self.answers is not None) or (self.kind == SQUAD and self.tokenizer is None):
            raise ValueError(f"answers or tokenizer do not fit kind {self.kind}")
        if (self.kind in ("classification", "token_classification")) != bool(self.labels):
            raise ValueError(f"the labels do not fit kind {self.kind}")
        return self

    @property
    def stems(self) -> list[str]:
        """Names of the batches without their ending, in the order of the rows."""
        return [Path(file.name).stem for file in self.files]


def batch_files(task: str, rows: int, batch_size: int) -> list[BatchFile]:
    """Return the files of a number of rows: all are full but perhaps the last."""
    return [
        BatchFile(name=f"{task}_batch_{batch_size}_{first // batch_size:06d}.bin", rows=min(batch_size, rows - first))
        for first in range(0, rows, batch_size)
    ]


def manifest_content(manifest: OfflineManifest) -> dict[str, Any]:
    """Return what is written into the file."""
    return manifest.model_dump()


def read_offline_manifest(directory: Path) -> OfflineManifest:
    """Return the manifest of a folder that ``preprocess.py`` wrote.

    Raises:
        DataError: It is missing, unreadable, damaged, or of a newer version.
    """
    path = directory / MANIFEST_NAME
    try:
        return OfflineManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        what = "preprocess.py has not written this folder, or not to the end: it has no manifest.json"
        raise DataError(what, str(directory), "name its --result_path, or run preprocess.py again") from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror or error}", str(path), "check its permissions") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"the manifest is damaged: {'.'.join(map(str, first['loc'])) or 'manifest'}: {first['msg']}"
        raise DataError(what, str(path), _REMEDY) from error
