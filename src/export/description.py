"""What stands beside an exported model: what it is, what it takes and gives, and the checksum that it must have."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from src.common.errors import CheckpointError
from src.common.files import sha256_of, write_json_atomic
from src.common.json_files import object_or_empty
from src.export.description_check import ENCODER, MODEL, check_task, check_tensors
from src.tasks.assets import TaskDescription

MINDIR, ONNX, AIR = "MINDIR", "ONNX", "AIR"
SUFFIXES = {MINDIR: ".mindir", ONNX: ".onnx", AIR: ".air"}
# Keys that no other json has together.
_MARKS = {"format", "file", "sha256", "part", "task"}


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of the graph.

    Attributes:
        name: Its name.
        dtype: ``int32`` or ``float32``.
        shape: Its sizes; ``None`` where any size will do.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def shown(self) -> str:
        """Return it for people, as in ``input_ids int32 [1, 128]``."""
        return f"{self.name} {self.dtype} [{', '.join('any' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class ExportDescription:
    """The content of ``NAME.json`` beside an exported model.

    Attributes:
        format: ``MINDIR``, ``ONNX`` or ``AIR``.
        file: Name of the model's file in the same folder.
        sha256: Checksum of that file, as it lies there (of an encrypted model that of the encrypted bytes).
        part: ``model``, or ``encoder`` for the backbone alone.
        inputs: Inputs in their order.
        outputs: Outputs in their order.
        task: What the network was trained for, its labels, lengths and tokenizer.
        versions: Versions of the libraries that wrote it.
        max_difference: Largest difference between its outputs and those of the checkpoint; ``None`` when it could not
            be run where it was written (AIR).
        encryption: How it is encrypted, for example ``AES-GCM``; empty when it is not.
        checkpoint: Name of the checkpoint that the weights are from.
        checkpoint_sha256: Checksum of that file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    format: str
    file: str
    sha256: str
    part: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    task: TaskDescription
    versions: dict[str, str] = field(default_factory=dict)
    max_difference: float | None = None
    encryption: str = ""
    checkpoint: str = ""
    checkpoint_sha256: str = ""

    @property
    def rows(self) -> int | None:
        """Return the number of rows of every batch, ``None`` when any number will do."""
        return self.inputs[0].shape[0]

    @property
    def length(self) -> int | None:
        """Return the number of tokens of every row, ``None`` when any number will do."""
        return self.inputs[0].shape[1]


def description_path(model: Path) -> Path:
    """Return the json that stands beside a model."""
    return model.with_name(f"{model.stem}.json")


def assets_folder(model: Path) -> Path:
    """Return the folder beside a model (or its json) that holds its tokenizer's files."""
    return model.with_name(f"{model.stem}.assets")


def described_file(path: Path) -> str:
    """Return the name of the file that a description describes; empty where there is none, or it is damaged."""
    return str(object_or_empty(path).get("file", ""))


def is_description(path: Path) -> bool:
    """Tell whether a json is the description of an export, not whether it is a good one."""
    content = object_or_empty(path)
    return content.keys() >= _MARKS and content["format"] in tuple(SUFFIXES)


def write_description(path: Path, description: ExportDescription) -> None:
    """Write a description as json."""
    write_json_atomic(path, asdict(description))


def read_description(model: Path) -> ExportDescription:
    """Return the description of an exported model whose file is whole.

    Args:
        model: The model's file, or the json beside it.

    Raises:
        CheckpointError: One of both is missing or damaged, or they do not belong together.
    """
    path = model if model.suffix == ".json" else description_path(model)
    if model != path and not model.is_file():
        raise _no_model(model)
    try:
        description = TypeAdapter(ExportDescription).validate_json(path.read_bytes())
        _check_content(description)
    except FileNotFoundError as error:
        fix = "export.py writes it beside the model: move both together, with the folder NAME.assets"
        raise CheckpointError("the description of the model is missing", str(path), fix) from error
    except (OSError, ValueError) as error:
        what = f"the description of the model is damaged: {_reason(error)}"
        raise CheckpointError(what, str(path), "copy it again, or export again") from error
    file = path.with_name(description.file)
    if model not in (path, file):
        # Two formats under one name: the json is that of the other.
        what = f"{path.name} describes {description.file}"
        raise CheckpointError(what, str(model), "export each format under a name of its own")
    if not file.is_file():
        raise CheckpointError("the model beside the description is missing", str(file), "copy it, too")
    if sha256_of(file) != description.sha256:
        what = f"the file is damaged or another one: its checksum is not the one in {path.name}"
        raise CheckpointError(what, str(file), "copy all files of the model again, or export again")
    return description


def _no_model(model: Path) -> CheckpointError:
    """Return the error for a path that is no file."""
    if model.is_dir():
        names = sorted(path.name for path in model.iterdir() if path.suffix in SUFFIXES.values())
        fix = f"name the model in it: {', '.join(names[:3])}" if names else "name the file of a model"
        return CheckpointError("this is a folder", str(model), fix)
    for suffix in SUFFIXES.values():
        path = model.with_name(f"{model.name}{suffix}")
        if path.is_file():
            return CheckpointError("there is no such model", str(model), f"did you mean {path.name}?")
    return CheckpointError("there is no such model", str(model), "check the path, or export it with export.py")


def _reason(error: OSError | ValueError) -> str:
    """Return what is wrong with a description, with the key where there is one."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"{key}: {first['msg']}" if key else first["msg"]
    return str(error)


def _check_content(description: ExportDescription) -> None:
    """Raise ``ValueError`` for values that no export writes."""
    if description.format not in SUFFIXES or description.part not in (MODEL, ENCODER):
        raise ValueError("unknown format or part")
    if Path(description.file).name != description.file or Path(description.file).suffix == ".json":
        raise ValueError("the file is no model in the same folder")
    check_task(description.task)
    check_tensors(description)
