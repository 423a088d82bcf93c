"""Compiling the kernels: once for each machine, and a clear reason where that is not possible."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.kernels import compiler
from src.kernels.compiler import NoKernelsError, cache_folder, compiled_library, find_compiler
from tests.kernels.needs import needs_compiler


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test compile into a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv(compiler.SWITCH, raising=False)
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

    monkeypatch.setattr(compiler, "_compile", refuse)
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
    real = find_compiler()
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
    with pytest.raises(NoKernelsError, match="no library can be made"):
        compiled_library()
    assert not list(cache_folder().glob("kernels-*"))


def test_a_compiler_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_TIMEOUT_S", 0.2)
    monkeypatch.setenv("CXX", str(_program(tmp_path / "sleeping", f"exec {shutil.which('sleep')} 20")))
    with pytest.raises(NoKernelsError, match=r"takes longer than 0\.2 s"):
        compiled_library()


def test_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NoKernelsError, match="XDG_CACHE_HOME"):
        compiled_library()


@pytest.mark.parametrize("value", ["off", "OFF", "0"])
def test_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiler.SWITCH, value)
    with pytest.raises(NoKernelsError, match="ALBERT_KERNELS is off"):
        compiled_library()


@needs_compiler
@pytest.mark.slow
def test_processes_that_compile_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from src.kernels.compiler import compiled_library; print(compiled_library())"]
    environment = {**os.environ, "PYTHONPATH": str(Path(compiler.__file__).parents[2])}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0]
    (path,) = printed
    assert [str(item) for item in cache_folder().iterdir()] == [path.strip()]
