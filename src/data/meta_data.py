"""Read the ``meta_data`` JSON that the TensorFlow official models' converters write beside their TFRecord files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.common.errors import DataError
from src.common.json_files import read_json
from src.data.record_schema import Kind

_KIND_OF_TASK: dict[str, Kind] = {
    "bert_classification": "classification",
    "albert_classification": "classification",
    "bert_regression": "regression",
}


class MetaData(BaseModel):
    """What ``meta_data`` says about the files of a task.

    Attributes:
        task_type: The converter's own name of the kind of task.
        kind: Ours.
        num_labels: Classes; 1 when the file does not say (regression).
        max_seq_length: Length to which every row is padded.
        sizes: Every ``*_data_size`` entry: rows of the training, evaluation and test files.
        label_type: ``int`` or ``float`` (regression only).
        has_sample_weights: Whether the files have a ``weight`` column that is not all ones.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    task_type: str
    kind: Kind
    num_labels: int = Field(default=1, ge=1)
    max_seq_length: int = Field(ge=1)
    sizes: dict[str, int]
    label_type: str | None = None
    has_sample_weights: bool = False


def _parse(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file."""
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise DataError("there is no such file", str(path), "check the path of the meta data") from error
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", str(path), "check the path and its permissions") from error
    except ValueError as error:
        raise DataError(
            f"the meta data are not JSON: {error}", str(path), "give the converter's meta_data file"
        ) from error
    if not isinstance(content, dict):
        raise DataError("the meta data are no JSON object", str(path), "give the converter's meta_data file")
    return content


def read_meta_data(path: Path) -> MetaData:
    """Read and check a ``meta_data`` file; keys that say nothing about the records are ignored.

    Raises:
        DataError: The file is missing, no JSON, a value is of the wrong type, or the task is none of ours.
    """
    content = _parse(path)
    task_type = content.get("task_type")
    if not isinstance(task_type, str) or task_type not in _KIND_OF_TASK:
        known = ", ".join(_KIND_OF_TASK)
        raise DataError(
            f"task_type is {task_type!r}, known are {known}", str(path), "give the meta_data of such a task"
        )
    sizes = {name: value for name, value in content.items() if name.endswith("_data_size")}
    own = {name: content[name] for name in MetaData.model_fields if name in content and name not in ("kind", "sizes")}
    try:
        return MetaData(kind=_KIND_OF_TASK[task_type], sizes=sizes, **own)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise DataError(f"the meta data are not valid: {problems}", str(path), "correct the file") from error
