"""A folder with one ``.npy`` file for each parameter, between the two steps of the model zoo's conversion.

The files have the names of parameters in a checkpoint, ``albert.albert.dense.weight.npy``. ``manifest.json`` lists them
with their checksums and tells the network, so that files of another conversion are found out.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.common.errors import CheckpointError
from src.common.files import output_error, sha256_of, write_json_atomic
from src.common.json_files import read_json
from src.config.sections import NetworkConfig
from src.model.names import canonical_name
from src.weights.network_file import network_keys
from src.weights.saved_names import saved_name

MANIFEST = "manifest.json"
_SUFFIX = ".npy"
_PLAIN_NAME = r"^[^/\\]+$"
_AGAIN = "run read_weight_tf.py again, into a new folder"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArrayRecord(_Record):
    """One file: its shape and checksum."""

    shape: tuple[int, ...]
    sha256: str


class ArrayManifest(_Record):
    """Content of ``manifest.json``.

    Attributes:
        source: Name of the checkpoint that was read.
        network: Keys of ``NetworkConfig``.
        arrays: The files by the parameter's name in a checkpoint.
    """

    format: Literal["albert-arrays"] = "albert-arrays"
    format_version: Literal[1] = 1
    source: str
    network: dict[str, Any]
    arrays: dict[Annotated[str, Field(pattern=_PLAIN_NAME)], ArrayRecord] = Field(min_length=1)


def write_arrays(
    folder: Path, weights: Mapping[str, np.ndarray], network: NetworkConfig, source: str
) -> tuple[Path, ...]:
    """Write a file for each parameter, and the manifest last.

    Args:
        folder: An empty folder.
        weights: Arrays by canonical name.
        network: The network.
        source: Name of the checkpoint, for the manifest.

    Raises:
        OutputError: A file cannot be written.
    """
    records: dict[str, ArrayRecord] = {}
    paths = []
    for canonical, values in weights.items():
        name = saved_name(canonical)
        path = folder / f"{name}{_SUFFIX}"
        try:
            with path.open("wb") as stream:
                np.save(stream, values, allow_pickle=False)
        except OSError as error:
            raise output_error(error, path) from error
        records[name] = ArrayRecord(shape=values.shape, sha256=sha256_of(path))
        paths.append(path)
    manifest = ArrayManifest(source=source, network=network_keys(network), arrays=records)
    write_json_atomic(folder / MANIFEST, manifest.model_dump(mode="json"))
    return (*paths, folder / MANIFEST)


def own_names(folder: Path) -> set[str]:
    """Return the names of the files that an earlier run left in ``folder``; none without its manifest."""
    if not (folder / MANIFEST).is_file():
        return set()
    return {MANIFEST, *(f"{name}{_SUFFIX}" for name in _read_manifest(folder).arrays)}


def _read_manifest(folder: Path) -> ArrayManifest:
    path = folder / MANIFEST
    try:
        return ArrayManifest.model_validate(read_json(path))
    except FileNotFoundError as error:
        what = f"there is no {MANIFEST}, so that nobody knows what the .npy files are"
        raise CheckpointError(what, str(folder), _AGAIN) from error
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"no manifest of read_weight_tf.py: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise CheckpointError(what, str(path), _AGAIN) from error
    except ValueError as error:
        raise CheckpointError("the manifest is no JSON", str(path), _AGAIN) from error


def read_arrays(folder: Path) -> tuple[dict[str, np.ndarray], ArrayManifest]:
    """Return the arrays by canonical name, each checked against the manifest.

    Raises:
        CheckpointError: A file is missing, changed or not in the manifest.
    """
    if not folder.is_dir():
        raise CheckpointError("there is no such folder", str(folder), "give the --output_path of read_weight_tf.py")
    manifest = _read_manifest(folder)
    there = {path.name for path in folder.glob(f"*{_SUFFIX}")}
    wanted = {f"{name}{_SUFFIX}" for name in manifest.arrays}
    for names, what in ((there - wanted, "not in the manifest, from another conversion"), (wanted - there, "missing")):
        if names:
            shown = ", ".join(sorted(names)[:4])
            raise CheckpointError(f"{len(names)} .npy files are {what}: {shown}", str(folder), _AGAIN)
    weights = {}
    for name, record in manifest.arrays.items():
        canonical = canonical_name(name)
        if canonical in weights:
            raise CheckpointError(f"the manifest names {canonical} twice", str(folder), _AGAIN)
        weights[canonical] = _read_array(folder / f"{name}{_SUFFIX}", record)
    return weights, manifest


def _read_array(path: Path, record: ArrayRecord) -> np.ndarray:
    try:
        if sha256_of(path) != record.sha256:
            raise CheckpointError("the file is not the one that the manifest names", str(path), _AGAIN)
        values = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror or error}", str(path), "check the path") from error
    except (ValueError, EOFError) as error:
        raise CheckpointError("the file is no array", str(path), _AGAIN) from error
    if values.shape != record.shape or values.dtype != np.float32 or not np.isfinite(values).all():
        what = f"{values.dtype}{list(values.shape)} is not what the manifest says: float32{list(record.shape)}, finite"
        raise CheckpointError(what, str(path), _AGAIN)
    return values
