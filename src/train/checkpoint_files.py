"""The files of a checkpoint directory: the manifest's schema, parameter files, checks of both.

The manifest is the authority: a file counts only once the manifest names it with its checksum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import mindspore as ms
import numpy as np
from mindspore import Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.common.errors import CheckpointError
from src.common.files import sha256_of
from src.common.json_files import read_json
from src.train.cell import MICRO_BATCHES, SUM_PREFIX

MANIFEST_NAME = "manifest.json"
_LISTED_NAMES = 8
_PLAIN_NAME = r"^[^/\\]+$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRecord(_Record):
    """Name inside the directory, size and checksum of one file."""

    name: str = Field(pattern=_PLAIN_NAME)
    bytes: int = Field(ge=0)
    sha256: str


class TrainPosition(_Record):
    """Where training stands: the next batch is number ``step_in_epoch`` (from 0) of ``epoch`` (from 1).

    Attributes:
        epoch: Epoch under way or just finished.
        step_in_epoch: Steps done in that epoch.
        global_step: Steps done in all, skipped updates included.
        extra: Whatever else the driver needs to go on; must be JSON.
    """

    epoch: int = Field(ge=0)
    step_in_epoch: int = Field(ge=0)
    global_step: int = Field(ge=0)
    extra: dict[str, Any] = {}


class Metric(_Record):
    """A figure of the evaluation."""

    name: str
    value: float


class CheckpointEntry(_Record):
    """One complete checkpoint: weights, training state and position."""

    position: TrainPosition
    weights: FileRecord
    state: FileRecord
    metric: Metric | None = None


class BestEntry(_Record):
    """The weights with the best metric so far."""

    position: TrainPosition
    weights: FileRecord
    metric: Metric


class Manifest(_Record):
    """Content of ``manifest.json``.

    Attributes:
        prefix: First part of the file names.
        checkpoints: Complete checkpoints, oldest first.
        best: The best weights, kept apart from the rotation.
        next_best: Set while the best file is being replaced: the file is ``best`` or this one, its checksum tells.
        removable: Files that are being put in place or removed; leftovers, unless an entry names them.
    """

    format: Literal["albert-checkpoints"] = "albert-checkpoints"
    format_version: Literal[1] = 1
    prefix: str
    checkpoints: tuple[CheckpointEntry, ...] = ()
    best: BestEntry | None = None
    next_best: BestEntry | None = None
    removable: tuple[str, ...] = ()


def read_manifest(directory: Path, prefix: str) -> Manifest | None:
    """Read the manifest of ``directory``; ``None`` when there is none.

    Raises:
        CheckpointError: It cannot be read, is damaged, or belongs to another prefix.
    """
    path = directory / MANIFEST_NAME
    advice = "restore the file, or start anew in another directory"
    try:
        manifest = Manifest.model_validate(read_json(path))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        what = "a file stands where the folder of the checkpoints should be"
        raise CheckpointError(what, str(directory), "choose another folder") from error
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror}", str(path), "check its permissions") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"not a manifest of checkpoints: {where}: {first['msg']}", str(path), advice) from error
    except ValueError as error:
        raise CheckpointError(f"damaged: {error}", str(path), advice) from error
    if manifest.prefix != prefix:
        message = f"the checkpoints are named {manifest.prefix!r}, not {prefix!r}"
        raise CheckpointError(message, str(path), "use another directory for another task")
    return manifest


def record_of(path: Path) -> FileRecord:
    """Measure a file that was just written."""
    return FileRecord(name=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))


def damage_of(directory: Path, record: FileRecord) -> str | None:
    """Say what is wrong with a recorded file; ``None`` when it is whole."""
    path = directory / record.name
    try:
        size = path.stat().st_size
        if size != record.bytes:
            return f"{path} has {size} bytes instead of {record.bytes}"
        if sha256_of(path) != record.sha256:
            return f"{path} has another sha256 than the manifest says"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None


def write_parameters(parameters: Iterable[Parameter], path: Path) -> None:
    """Write parameters to a new ``.ckpt`` file that ``mindspore.load_checkpoint`` reads."""
    # MindSpore makes the file readable by its owner only; a file made in the usual way has the usual permissions.
    path.touch()
    permissions = path.stat().st_mode
    ms.save_checkpoint([{"name": item.name, "data": item} for item in parameters], str(path.resolve()), crc_check=True)
    path.chmod(permissions)


def read_parameters(directory: Path, record: FileRecord) -> dict[str, Parameter]:
    """Read a recorded ``.ckpt`` file after checking its size and checksum.

    Raises:
        CheckpointError: The file is missing, damaged or not a checkpoint.
    """
    damage = damage_of(directory, record)
    if damage:
        raise CheckpointError(f"damaged checkpoint: {damage}", "", "resume from another checkpoint")
    path = directory / record.name
    try:
        return ms.load_checkpoint(str(path.resolve()))
    except (ValueError, TypeError, RuntimeError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"not a MindSpore checkpoint: {first_line}", str(path)) from error


def check_match(expected: Mapping[str, Parameter], loaded: Mapping[str, Parameter], path: Path) -> None:
    """Check that names, shapes and types of ``loaded`` are exactly those of ``expected``.

    Raises:
        CheckpointError: They are not; the message lists the parameters.
    """
    shared = [name for name in expected if name in loaded]
    shapes = [name for name in shared if tuple(expected[name].shape) != tuple(loaded[name].shape)]
    types = [name for name in shared if name not in shapes and expected[name].dtype != loaded[name].dtype]
    problems = [
        _listed("missing", [name for name in expected if name not in loaded]),
        _listed("unexpected", [name for name in loaded if name not in expected]),
        _listed("other shape", [f"{name} {tuple(loaded[name].shape)} != {expected[name].shape}" for name in shapes]),
        _listed("other type", [f"{name} {loaded[name].dtype} != {expected[name].dtype}" for name in types]),
    ]
    found = "; ".join(problem for problem in problems if problem)
    if found:
        advice = "resume with the network, optimizer, accumulation and loss scale that the checkpoint was saved with"
        raise CheckpointError(f"does not fit: {found}", str(path), advice)


def with_sums_of(parameters: Mapping[str, Parameter], loaded: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return what was loaded with the running sums that ``parameters`` has, where a checkpoint is from between updates.

    There all running sums are zero, so that training goes on with any number of micro-batches.
    """
    micro_batches = loaded.get(MICRO_BATCHES)
    if micro_batches is not None and int(micro_batches.asnumpy()) != 0:
        return dict(loaded)
    kept = {name: value for name, value in loaded.items() if not name.startswith(SUM_PREFIX)}
    sums = [item for name, item in parameters.items() if name.startswith(SUM_PREFIX)]
    zeros = {item.name: Parameter(np.zeros(item.shape, item.asnumpy().dtype), name=item.name) for item in sums}
    return {**kept, **zeros}


def _listed(title: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f", and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return f"{title}: {', '.join(names[:_LISTED_NAMES])}{more}"
