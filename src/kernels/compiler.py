"""Compile the C++ kernels of this folder for the processor they run on."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from src.common.errors import AlbertError

SOURCES = Path(__file__).parent
COMPILERS = ("c++", "g++", "clang++")
OPTIONS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi")
TIMEOUT_S = 300
# For exactly this processor; compilers that do not know the one option know the other, or neither.
_PROCESSOR_OPTIONS = (("-march=native",), ("-mcpu=native",), ())
_SHOWN_CHARACTERS = 300
_LOADS = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"


class NoKernelsError(AlbertError):
    """The kernels cannot be had on this machine; networks are built without them."""


def find_compiler(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the command of the C++ compiler: ``$CXX``, or the first of ``COMPILERS`` in the path.

    Raises:
        NoKernelsError: There is none.
    """
    chosen = environment.get("CXX", "").strip()
    try:
        commands = [shlex.split(chosen)] if chosen else [[name] for name in COMPILERS]
    except ValueError as error:
        raise NoKernelsError(f"{chosen!r} is no command: {error}", "CXX", "name a compiler") from error
    for name, *options in commands:
        if path := shutil.which(name, path=environment.get("PATH", os.defpath)):
            return [path, *options]
    if chosen:
        raise NoKernelsError(f"there is no compiler {chosen!r}", "CXX", "name one that is there, or unset the variable")
    raise NoKernelsError(f"no C++ compiler ({', '.join(COMPILERS)}) is there", "", "install g++ or clang")


def version_of(compiler: Sequence[str]) -> str:
    """Return what the compiler says of itself."""
    return _run([*compiler, "--version"]).stdout


def sources() -> list[Path]:
    """Return all that is compiled."""
    return [*sorted(SOURCES.glob("*.h")), *_units()]


def compile_library(compiler: Sequence[str], path: Path) -> None:
    """Write the library to ``path``, and see whether it can be loaded.

    Raises:
        NoKernelsError: The compiler fails, also with the options for every processor, or writes no library.
    """
    for processor in _PROCESSOR_OPTIONS:
        done = _run([*compiler, *OPTIONS, *processor, "-o", str(path), *map(str, _units())])
        if done.returncode == 0:
            break
    else:
        raise NoKernelsError(f"{_name(compiler)} fails: {_last(done.stderr)}", "", "install a newer g++ or clang")
    # In another process, because half a library kills the one that loads it.
    loaded = _run([sys.executable, "-c", _LOADS, str(path)])
    if loaded.returncode != 0:
        what = f"what {_name(compiler)} writes cannot be loaded: {_last(loaded.stderr) or 'it ends the process'}"
        raise NoKernelsError(what, "", "set CXX to another compiler")


def _units() -> list[Path]:
    return sorted(SOURCES.glob("*.cc"))


def _name(compiler: Sequence[str]) -> str:
    return " ".join(compiler)


def _last(text: str) -> str:
    """Return the end of a message, in one line."""
    return " ".join(text.split())[-_SHOWN_CHARACTERS:]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoKernelsError(f"{command[0]} takes longer than {TIMEOUT_S} s") from error
    except OSError as error:
        what = f"{command[0]} cannot be run: {error.strerror or error}"
        raise NoKernelsError(what, "", "set CXX to another compiler") from error
