"""Compile the C++ kernels of this folder for the processor they run on, once, and keep the library in a cache.

The cache is ``albert-mindspore`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``. The name of the file is a digest of
all that the library depends on: sources, compiler, options, processor. So another version never gets an old one.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from src.common.environment import cpu_flags, cpu_model
from src.common.errors import AlbertError, OutputError
from src.common.files import atomic_path

_LOGGER = logging.getLogger(__name__)
SOURCES = Path(__file__).parent
# Set to "off", it leaves the kernels out.
SWITCH = "ALBERT_KERNELS"
COMPILERS = ("c++", "g++", "clang++")
_OPTIONS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
# For exactly this processor; compilers that do not know the one option know the other, or neither.
_PROCESSOR_OPTIONS = (("-march=native",), ("-mcpu=native",), ())
_TIMEOUT_S = 300
_SHOWN_CHARACTERS = 300


class NoKernelsError(AlbertError):
    """The kernels cannot be had on this machine; networks are built without them."""


def is_switched_off(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether the user wants no kernels."""
    return environment.get(SWITCH, "").strip().lower() in ("0", "off")


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where compiled libraries are kept."""
    base = environment.get("XDG_CACHE_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".cache") / "albert-mindspore"


def find_compiler(environment: Mapping[str, str] = os.environ) -> str:
    """Return the C++ compiler: ``$CXX``, or the first of ``COMPILERS`` in the path.

    Raises:
        NoKernelsError: There is none.
    """
    chosen = environment.get("CXX", "").strip()
    for name in (chosen,) if chosen else COMPILERS:
        if path := shutil.which(name, path=environment.get("PATH", os.defpath)):
            return path
    if chosen:
        raise NoKernelsError(f"there is no compiler {chosen!r}", "CXX", "name one that is there, or unset the variable")
    raise NoKernelsError(f"no C++ compiler ({', '.join(COMPILERS)}) is there", "", "install g++ or clang")


@lru_cache(maxsize=1)
def compiled_library() -> Path:
    """Return the library of the kernels, compiled if it is not in the cache.

    Raises:
        NoKernelsError: They are switched off, there is no compiler, it fails, or the cache cannot be written.
    """
    if is_switched_off():
        raise NoKernelsError(f"{SWITCH} is off")
    compiler = find_compiler()
    try:
        path = cache_folder() / f"kernels-{_digest(compiler)}.so"
        if not path.is_file():
            _LOGGER.info("compiling kernels for this processor, once")
            with atomic_path(path) as temporary:
                _compile(compiler, temporary)
                ctypes.CDLL(str(temporary))
    except (OutputError, OSError, RuntimeError) as error:
        # RuntimeError: there is no home folder.
        reason = error.what if isinstance(error, OutputError) else str(error)
        raise NoKernelsError(
            f"no library can be made: {reason}", "", "set XDG_CACHE_HOME to a folder of yours"
        ) from error
    return path


def _digest(compiler: str) -> str:
    """Return a name for everything that the library depends on."""
    digest = hashlib.sha256()
    for source in _sources("*.h") + _sources("*.cc"):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    version = _run([compiler, "--version"]).stdout
    digest.update(repr((compiler, version, _OPTIONS, cpu_model(), cpu_flags(), platform.machine())).encode())
    return digest.hexdigest()[:24]


def _sources(pattern: str) -> list[Path]:
    return sorted(SOURCES.glob(pattern))


def _compile(compiler: str, path: Path) -> None:
    """Write the library to ``path``.

    Raises:
        NoKernelsError: The compiler fails with the options for every processor too.
    """
    for processor in _PROCESSOR_OPTIONS:
        done = _run([compiler, *_OPTIONS, *processor, "-o", str(path), *map(str, _sources("*.cc"))])
        if done.returncode == 0:
            return
    message = " ".join(done.stderr.split())[:_SHOWN_CHARACTERS]
    raise NoKernelsError(f"{compiler} fails: {message}", "", "install a newer g++ or clang")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoKernelsError(f"{command[0]} takes longer than {_TIMEOUT_S} s") from error
