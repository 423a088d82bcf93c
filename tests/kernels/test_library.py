"""Compiling the kernels: once for each machine, and a clear reason where that is not possible."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.kernels import compiler, library
from src.kernels.compiler import NoKernelsError, find_compiler
from src.kernels.library import cache_folder, compiled_library
from tests.kernels.needs import needs_compiler


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test compile into a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv(library.SWITCH, raising=False)
    compiled_library.cache_clear()
    yield
    compiled_library.cache_clear()


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@needs_compiler
@pytest.mark.slow
def test_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiled_library()
    assert path.parent == cache_folder()
    assert ctypes.CDLL(str(path)).albert_bias_gelu
    assert [item.name for item in path.parent.iterdir()] == [path.name]

    def refuse(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(library, "compile_library", refuse)
    compiled_library.cache_clear()
    assert compiled_library() == path


@needs_compiler
@pytest.mark.slow
def test_another_source_makes_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "one.cc").write_text('extern "C" int number() { return 1; }')
    monkeypatch.setattr(compiler, "SOURCES", sources)
    first = compiled_library()
    (sources / "one.cc").write_text('extern "C" int number() { return 2; }')
    compiled_library.cache_clear()
    second = compiled_library()
    assert [ctypes.CDLL(str(path)).number() for path in (first, second)] == [1, 2]


@needs_compiler
@pytest.mark.slow
def test_a_compiler_that_knows_no_processor_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (real,) = find_compiler()
    refuses = 'for option; do case "$option" in -m*) echo "no $option" >&2; exit 1;; esac; done'
    monkeypatch.setenv("CXX", str(_program(tmp_path / "plain", f'{refuses}\nexec {real} "$@"')))
    assert compiled_library().is_file()


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKernelsError, match=r"no C\+\+ compiler \(c\+\+, g\+\+, clang\+\+\) is there -> install"):
        compiled_library()


def test_a_chosen_compiler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "nothing-of-this-name")
    with pytest.raises(NoKernelsError, match="CXX: there is no compiler 'nothing-of-this-name'"):
        compiled_library()


def test_a_compiler_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = _program(tmp_path / "failing", "echo 'error: too   old' >&2; exit 1")
    monkeypatch.setenv("CXX", str(failing))
    with pytest.raises(NoKernelsError, match="failing fails: error: too old -> install a newer"):
        compiled_library()
    assert not list(cache_folder().glob("*"))


def test_a_compiler_that_writes_no_library_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'while [ "$1" != -o ] && [ $# -gt 1 ]; do shift; done; echo nonsense > "$2"'
    monkeypatch.setenv("CXX", str(_program(tmp_path / "wrong", text)))
    with pytest.raises(
        NoKernelsError, match=r"what .*wrong writes cannot be loaded: .* -> set CXX to another compiler"
    ):
        compiled_library()
    assert not list(cache_folder().glob("kernels-*"))


def test_a_compiler_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "TIMEOUT_S", 0.2)
    monkeypatch.setenv("CXX", str(_program(tmp_path / "sleeping", f"exec {shutil.which('sleep')} 20")))
    with pytest.raises(NoKernelsError, match=r"takes longer than 0\.2 s"):
        compiled_library()


def test_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NoKernelsError, match="XDG_CACHE_HOME"):
        compiled_library()


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("damage", ["empty", "half", "zeros inside", "other bytes"])
def test_a_damaged_library_is_compiled_again(damage: str) -> None:
    path = compiled_library()
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "zeros inside": whole[:20_000] + bytes(20_000) + whole[40_000:],
        "other bytes": b"nonsense" * 9_000,
    }
    # Another file, because this process has mapped the first one.
    path.unlink()
    path.write_bytes(damaged[damage])
    compiled_library.cache_clear()
    assert compiled_library() == path
    assert path.read_bytes()[-32:] == hashlib.sha256(path.read_bytes()[:-32]).digest()


@needs_compiler
@pytest.mark.slow
def test_what_killed_compilations_left_is_removed() -> None:
    folder = cache_folder()
    folder.mkdir(parents=True)
    old, new = folder / ".kernels-a.so.b.tmp", folder / ".kernels-c.so.d.tmp"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    path = compiled_library()
    assert sorted(folder.iterdir()) == sorted([new, path])


def test_a_compiler_that_writes_half_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading it ends the process that loads it."""
    text = f'while [ "$1" != -o ] && [ $# -gt 1 ]; do shift; done; head -c 4500 {sys.executable} > "$2"'
    monkeypatch.setenv("CXX", str(_program(tmp_path / "half", text)))
    with pytest.raises(NoKernelsError, match="half writes cannot be loaded"):
        compiled_library()


def test_a_file_that_is_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _program(tmp_path / "broken", "")
    path.write_bytes(b"\x7fELF nonsense")
    monkeypatch.setenv("CXX", str(path))
    with pytest.raises(NoKernelsError, match=r"broken cannot be run: .* -> set CXX"):
        compiled_library()


@needs_compiler
@pytest.mark.slow
def test_a_compiler_with_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", f"{find_compiler()[0]} -O1")
    assert compiled_library().is_file()


def test_a_command_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "g++ '")
    with pytest.raises(NoKernelsError, match="is no command"):
        compiled_library()


def test_a_cache_whose_path_has_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a:b"))
    with pytest.raises(NoKernelsError, match="path with a colon -> set XDG_CACHE_HOME"):
        cache_folder()


def test_where_the_cache_is(tmp_path: Path) -> None:
    home = {"HOME": "/home/me"}
    assert cache_folder(home) == Path("/home/me/.cache/albert-mindspore")
    assert cache_folder({**home, "XDG_CACHE_HOME": "relative"}) == cache_folder(home)
    assert cache_folder({**home, "XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "albert-mindspore"


def test_a_switch_that_says_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.SWITCH, "perhaps")
    with pytest.raises(NoKernelsError, match="ALBERT_KERNELS: 'perhaps' is neither on nor off"):
        compiled_library()


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false", "no"])
def test_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.SWITCH, value)
    with pytest.raises(NoKernelsError, match="ALBERT_KERNELS is off"):
        compiled_library()


@needs_compiler
@pytest.mark.slow
def test_processes_that_compile_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from src.kernels.library import compiled_library; print(compiled_library())"]
    environment = {**os.environ, "PYTHONPATH": str(Path(compiler.__file__).parents[2])}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0]
    (path,) = printed
    assert [str(item) for item in cache_folder().iterdir()] == [path.strip()]
