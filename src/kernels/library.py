"""The compiled kernels, kept in a cache: compiled once for each machine, and whole, or not there at all.

The cache is ``albert-mindspore`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``. The name of the file is a digest of
all that the library depends on: sources, compiler, options, processor. So another version never gets an old one. Its
last bytes are a digest of those before, which loaders do not look at: a damaged file is compiled again.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from src.common.environment import cpu_flags, cpu_model
from src.common.errors import OutputError
from src.common.files import atomic_path
from src.kernels.compiler import OPTIONS, TIMEOUT_S, NoKernelsError, compile_library, find_compiler, sources, version_of

_LOGGER = logging.getLogger(__name__)
# Set to "off", it leaves the kernels out.
SWITCH = "ALBERT_KERNELS"
_ON, _OFF = ("", "1", "on", "true", "yes"), ("0", "off", "false", "no")
_DIGEST_BYTES = hashlib.sha256().digest_size
ANOTHER_FOLDER = "set XDG_CACHE_HOME to a folder of yours"


def is_switched_off(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether the user wants no kernels.

    Raises:
        NoKernelsError: It cannot be told.
    """
    value = environment.get(SWITCH, "").strip().lower()
    if value not in (*_ON, *_OFF):
        raise NoKernelsError(f"{value!r} is neither on nor off", SWITCH, "use one of them")
    return value in _OFF


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where compiled libraries are kept.

    Raises:
        NoKernelsError: There is no home folder, or MindSpore cannot load anything from there.
    """
    base = environment.get("XDG_CACHE_HOME", "").strip()
    try:
        # Relative ones do not count (XDG Base Directory Specification).
        home = Path(environment.get("HOME", "").strip() or Path.home())
        folder = (Path(base) if os.path.isabs(base) else home / ".cache") / "albert-mindspore"
    except RuntimeError as error:
        raise NoKernelsError("there is no home folder", "", ANOTHER_FOLDER) from error
    if ":" in str(folder):
        raise NoKernelsError("MindSpore loads nothing from a path with a colon", str(folder), ANOTHER_FOLDER)
    return folder


@lru_cache(maxsize=1)
def compiled_library() -> Path:
    """Return the library of the kernels, compiled if it is not in the cache.

    Raises:
        NoKernelsError: They are switched off, there is no compiler, it fails, or the cache cannot be used.
    """
    if is_switched_off():
        raise NoKernelsError(f"{SWITCH} is off")
    compiler, folder = find_compiler(), cache_folder()
    path = folder / f"kernels-{_identity(compiler)}.so"
    try:
        if not _is_whole(path):
            _remove_leftovers(folder)
            with atomic_path(path) as temporary:
                _LOGGER.info("compiling kernels for this processor, once")
                compile_library(compiler, temporary)
                _seal(temporary)
        ctypes.CDLL(str(path))
    except OutputError as error:
        raise NoKernelsError(error.what, error.where, ANOTHER_FOLDER) from error
    except OSError as error:
        raise NoKernelsError(error.strerror or str(error), str(path), ANOTHER_FOLDER) from error
    return path


def _identity(compiler: list[str]) -> str:
    """Return a name for everything that the library depends on."""
    digest = hashlib.sha256()
    for source in sources():
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    machine = (cpu_model(), cpu_flags(), platform.machine())
    digest.update(repr((compiler, version_of(compiler), OPTIONS, *machine)).encode())
    return digest.hexdigest()[:24]


def _seal(path: Path) -> None:
    """Append the digest of a file to it."""
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())


def _is_whole(path: Path) -> bool:
    """Say whether there is a file that ends with its digest."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return hashlib.sha256(content[:-_DIGEST_BYTES]).digest() == content[-_DIGEST_BYTES:]


def _remove_leftovers(folder: Path) -> None:
    """Remove what compilations left that were killed; those that may still run stay."""
    for path in folder.glob(".kernels-*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > 2 * TIMEOUT_S:
                path.unlink()
