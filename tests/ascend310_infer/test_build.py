from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.ascend310_infer.application import BUILD

_TOOLS = ("bash", "dirname", "cat", "nproc", "mkdir", "rm")


def refused(
    tmp_path: Path, *arguments: str, tools: tuple[str, ...] = ("cmake", "make", "c++"), **environment: str
) -> str:
    """Return the error of a build that must fail before anything is written."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for name in _TOOLS:
        source = next(Path(part) / name for part in ("/usr/bin", "/bin") if (Path(part) / name).exists())
        (programs / name).symlink_to(source)
    for name in tools:
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["bash", str(BUILD), "--output_dir", str(tmp_path / "out"), *arguments],
        env={"PATH": str(programs), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert not (tmp_path / "out" / "ascend310_infer").exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def make_lite(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def test_help() -> None:
    done = subprocess.run(["bash", str(BUILD), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--sanitize", "--output_dir", "LITE_HOME"))


def test_wrong_options(tmp_path: Path) -> None:
    assert "unknown option '--fast' -> see --help" in refused(tmp_path, "--fast")


def test_an_option_without_its_value(tmp_path: Path) -> None:
    assert "--output_dir has no value -> see --help" in refused(tmp_path, "--output_dir")


@pytest.mark.parametrize(
    ("tools", "error"),
    [
        (("make", "c++"), "cmake is missing -> install it"),
        (("cmake", "c++"), "make is missing -> install it"),
        (("cmake", "make"), "a C++17 compiler is missing -> install one"),
    ],
)
def test_tools_that_are_missing(tmp_path: Path, tools: tuple[str, ...], error: str) -> None:
    assert error in refused(tmp_path, tools=tools)


def test_a_compiler_that_is_not_there(tmp_path: Path) -> None:
    assert "CXX: clang++-99 is no program" in refused(tmp_path, CXX="clang++-99")


def test_lite_that_is_not_there(tmp_path: Path) -> None:
    assert f"LITE_HOME {tmp_path}/none is no folder" in refused(tmp_path, LITE_HOME=str(tmp_path / "none"))


def test_a_folder_that_is_not_lite(tmp_path: Path) -> None:
    error = refused(tmp_path, LITE_HOME=str(make_lite(tmp_path / "lite", "README")))
    assert "has no include/api/model.h, neither in itself nor in runtime or mindspore_lite" in error


@pytest.mark.parametrize("part", ["runtime", ".", "mindspore_lite"])
def test_lite_without_its_library(tmp_path: Path, part: str) -> None:
    lite = make_lite(tmp_path / "lite", f"{part}/include/api/model.h", f"{part}/lib/libother.so")
    assert f"neither {part}/lib/libmindspore-lite.so nor" in refused(tmp_path, LITE_HOME=str(lite))


@pytest.mark.parametrize("library", ["runtime/lib/libmindspore-lite.so", "runtime/lib/libmindspore-extendrt_python.so"])
def test_lite_is_found(tmp_path: Path, library: str) -> None:
    lite = make_lite(tmp_path / "lite", "runtime/include/api/model.h", library)
    # The cmake of this test always fails: what comes before is right.
    assert "cmake failed" in refused(tmp_path, LITE_HOME=str(lite))


def test_an_output_that_cannot_be_made(tmp_path: Path) -> None:
    lite = make_lite(tmp_path / "lite", "runtime/include/api/model.h", "runtime/lib/libmindspore-lite.so")
    done = subprocess.run(
        ["bash", str(BUILD), "--output_dir", "/proc/out"],
        env={**os.environ, "LITE_HOME": str(lite)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: /proc/out: the folder cannot be made")
