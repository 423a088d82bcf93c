"""A picture of a folder that a training writes into: checkpoints that fit their manifest, and all other files.

Files that are never changed once they have their name are linked, so a picture costs no time and no space, and the
rotation of checkpoints may remove what is still being sent. Files that grow are copied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from src.common.errors import OutputError
from src.common.files import output_error
from src.common.json_files import object_or_empty
from src.common.run_lock import LOCK_NAME

MANIFEST_NAME = "manifest.json"
SCRATCH_NAME = ".sending"
_FIXED = (".ckpt", ".mindir", ".onnx", ".air", ".safetensors", ".mindrecord", ".npy")
_ATTEMPTS = 20
_PAUSE_S = 0.1


State = tuple[int, int, int]
"""What tells a file from the one that had its name before: inode, time of its last change in nanoseconds, bytes."""


def states(folder: Path) -> dict[str, State]:
    """Return the state of every file below a folder by relative name."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = state_of(path)
    return found


def state_of(path: Path) -> State:
    """Return the state of a file.

    Raises:
        OSError: It is not there.
    """
    state = path.stat()
    return state.st_ino, state.st_mtime_ns, state.st_size


@contextlib.contextmanager
def snapshot(folder: Path, before: Mapping[str, State]) -> Iterator[dict[str, Path]]:
    """Give the files of a folder by relative name, as they are now; the picture goes with the block.

    Args:
        folder: The folder.
        before: Files that are left out as long as they have these states.

    Raises:
        OutputError: It cannot be taken.
    """
    scratch = folder / SCRATCH_NAME
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            with contextlib.suppress(FileNotFoundError):
                files = _picture(folder, scratch, before)
                if _fits(files):
                    yield files
                    return
            # A checkpoint was saved or dropped in this very moment.
            if attempt < _ATTEMPTS:
                time.sleep(_PAUSE_S)
        raise OutputError("the checkpoints change faster than they can be sent", str(folder), "save them less often")
    except OSError as error:
        raise output_error(error, folder) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def manifests(folder: Path) -> dict[str, int]:
    """Return when each manifest of checkpoints below a folder was last written, in nanoseconds."""
    found = {}
    for path in folder.rglob(MANIFEST_NAME):
        if SCRATCH_NAME not in path.parts:
            with contextlib.suppress(OSError):
                found[str(path)] = path.stat().st_mtime_ns
    return found


def _picture(folder: Path, scratch: Path, before: Mapping[str, State]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # The manifest first: what it names is then still there or newer, and _fits tells.
        for name in sorted(names, key=lambda name: name != MANIFEST_NAME):
            if name == LOCK_NAME or name.startswith("."):
                continue
            path = Path(place) / name
            relative = path.relative_to(folder).as_posix()
            if relative in before and before[relative] == state_of(path):
                continue
            target = scratch / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            _take(path, target)
            files[relative] = target
    return files


def _take(path: Path, target: Path) -> None:
    if path.suffix in _FIXED:
        try:
            os.link(path, target)
            return
        except FileNotFoundError:
            raise
        except OSError:
            pass  # A disk without links.
    shutil.copyfile(path, target)


def _fits(files: dict[str, Path]) -> bool:
    """Tell whether the picture holds every file that a manifest in it names, with its size."""
    for name, path in files.items():
        if Path(name).name != MANIFEST_NAME:
            continue
        for record in _records(object_or_empty(path.read_bytes())):
            other = files.get((Path(name).parent / str(record["name"])).as_posix())
            if other is None or other.stat().st_size != record["bytes"]:
                return False
    return True


def _records(content: Any) -> Iterator[dict[str, Any]]:
    """Yield every record of a file (name, bytes, sha256) inside a manifest."""
    if isinstance(content, dict):
        if {"name", "bytes", "sha256"} <= set(content):
            yield content
        for value in content.values():
            yield from _records(value)
    elif isinstance(content, list):
        for value in content:
            yield from _records(value)
