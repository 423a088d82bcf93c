"""Find the index of a TensorFlow checkpoint from what a user may give: prefix, index, folder or ``checkpoint`` file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from src.common.errors import CheckpointError
from src.weights.tf_table import is_table

INDEX_SUFFIX = ".index"
_PART = re.compile(r"\.(data-\d+-of-\d+|meta)$")
# The text form of CheckpointState (checkpoint_state.proto); TensorFlow escapes every byte that is not ASCII.
_STATE = re.compile(rb"^\s*model_checkpoint_path\s*:\s*\"((?:[^\"\\\n]|\\.)*)\"", re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_STATE_BYTES = 1 << 20
_TAIL_BYTES = 8
_LISTED = 10
_GIVE = "give the prefix, the .index file, the folder, or the file 'checkpoint'"


def data_path(prefix: Path, shard: int, num_shards: int) -> Path:
    """Return the name of a data file; ``shard`` counts from 0."""
    return Path(f"{prefix}.data-{shard:05d}-of-{num_shards:05d}")


def index_path(prefix: Path) -> Path:
    """Return the name of the index that belongs to a prefix."""
    return Path(f"{prefix}{INDEX_SUFFIX}")


def find_index(path: Path) -> Path:
    """Return the index file of the checkpoint that ``path`` names.

    Args:
        path: A prefix (``model.ckpt-best``), its ``.index`` file, a folder that holds one checkpoint or a file
            ``checkpoint`` that names one, a TF-Hub module or SavedModel, or the file ``checkpoint`` itself.

    Raises:
        CheckpointError: No checkpoint or more than one is there, or it is one of TensorFlow's old format V1.
    """
    if index_path(path).is_file():
        return index_path(path)
    if path.is_dir():
        return _index_in_folder(path)
    part = _PART.search(path.name)
    if part:
        prefix = path.name[: part.start()]
        raise CheckpointError("this is only a part of a checkpoint", str(path), f"give its prefix: {prefix}")
    if not path.is_file():
        raise _missing(path)
    return path if path.suffix == INDEX_SUFFIX else _index_of_other_file(path)


def _missing(path: Path) -> CheckpointError:
    """Return the error for a path that names nothing."""
    folder = path.parent
    if not folder.is_dir():
        return CheckpointError(
            "there is no such TensorFlow checkpoint", str(path), "check the path: there is no such folder"
        )
    if any(other.name.startswith(f"{path.name}.data-") for other in folder.iterdir()):
        return CheckpointError(
            "the checkpoint has data files but no index", str(index_path(path)), "copy the index too"
        )
    there = _names(_indices(folder))
    fix = f"checkpoints in this folder: {there}" if there else _GIVE
    return CheckpointError("there is no such TensorFlow checkpoint", str(path), f"check the path; {fix}")


def _indices(folder: Path) -> list[Path]:
    """Return the index files of a folder; hidden ones are temporary, or made by macOS's archiver."""
    return sorted(path for path in folder.glob(f"*{INDEX_SUFFIX}") if path.name[0] != "." and path.is_file())


def _names(indices: list[Path]) -> str:
    """Return the prefixes of index files as one text."""
    names = [path.name.removesuffix(INDEX_SUFFIX) for path in indices[:_LISTED]]
    more = f" and {len(indices) - _LISTED} more" if len(indices) > _LISTED else ""
    return ", ".join(names) + more


def _index_in_folder(folder: Path) -> Path:
    """Return the one index of a folder, or that which its file ``checkpoint`` names."""
    indices, state = _indices(folder), folder / "checkpoint"
    if len(indices) == 1:
        return indices[0]
    if state.is_file():
        return _index_of_other_file(state)
    if indices:
        raise CheckpointError(
            f"several checkpoints are in this folder: {_names(indices)}", str(folder), "give the prefix of one of them"
        )
    if (folder / "variables").is_dir():  # a TF-Hub module or a SavedModel
        return _index_in_folder(folder / "variables")
    raise CheckpointError("no TensorFlow checkpoint (*.index) is in this folder", str(folder), _GIVE)


def _index_of_other_file(path: Path) -> Path:
    """Return the index that a ``checkpoint`` file names; refuse every other file."""
    with path.open("rb") as stream:
        head = stream.read(_STATE_BYTES)
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
        tail = stream.read(_TAIL_BYTES)
    if is_table(tail):
        raise CheckpointError(
            "this is a checkpoint in TensorFlow's old format V1 (one file without .index), which is not read",
            str(path),
            "load it in TensorFlow and save it again with SaverDef.V2; a renamed index needs its ending .index",
        )
    found = _STATE.search(head)
    if not found:
        raise CheckpointError("this is no TensorFlow checkpoint", str(path), _GIVE)
    return _index_of_state(path, found.group(1))


def _index_of_state(state: Path, escaped: bytes) -> Path:
    """Return the index for the path in a ``checkpoint`` file, which counts from the folder of that file."""
    raw = _ESCAPE.sub(_unescape, escaped)
    named = Path(os.fsdecode(raw))
    # An absolute path is that of the machine which trained; the files were most likely moved together.
    candidates = [state.parent / named, state.parent / named.name]
    for prefix in candidates:
        if "\0" not in str(prefix) and index_path(prefix).is_file():
            return index_path(prefix)
    what = f"it names the checkpoint {str(named)!r}, which is not there"
    raise CheckpointError(what, str(state), "give the prefix of the checkpoint instead")


def _unescape(found: re.Match[bytes]) -> bytes:
    """Return the bytes that one escape stands for."""
    text: bytes = found.group(1)
    if text[:1].isdigit():
        return bytes([int(text, 8) & 0xFF])
    if text[:1] == b"x" and len(text) > 1:
        return bytes([int(text[1:], 16)])
    return _ESCAPED.get(text, text)
