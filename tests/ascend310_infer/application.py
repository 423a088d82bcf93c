"""Build and run the C++ application, and write folders for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "ascend310_infer" / "build.sh"
MODELS = ROOT / "tests" / "fixtures" / "mindir_v1"
SHAPES = {"classifier": (4, 32), "squad": (2, 64)}
WORDS = 204
_FOLDERS = ("00_data", "01_data", "02_data", "03_data")
# What Lite allocates is not looked at, which makes a run three times as fast.
_SANITIZER = {"ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=4", "UBSAN_OPTIONS": "print_stacktrace=1"}


def find_lite() -> Path:
    """Return MindSpore Lite; skip the test where it or a tool for the build is missing."""
    fetched = ROOT / ".lite" / "mindspore_lite-2.0.0"
    home = os.environ.get("LITE_HOME") or (str(fetched) if (fetched / ".complete").exists() else "")
    if not home:
        pytest.skip("no MindSpore Lite: run scripts/fetch_mindspore_lite.sh, or set LITE_HOME")
    for tool in ("cmake", "make", "g++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    return Path(home)


def build(output: Path, lite: Path, *options: str) -> Path:
    """Build the application and return it."""
    command = ["bash", str(BUILD), *options, "--output_dir", str(output)]
    done = subprocess.run(command, env={**os.environ, "LITE_HOME": str(lite)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return output / "ascend310_infer"


@dataclass(frozen=True)
class Ended:
    """What a run left: exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Return the one line of an error, after checking that it is the only one and no sanitizer spoke."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0]


def clean_environment() -> dict[str, str]:
    """Return the environment without a wish for Lite's log, with the sanitizers' options."""
    return {**{key: value for key, value in os.environ.items() if key != "GLOG_v"}, **_SANITIZER}


@dataclass(frozen=True)
class Work:
    """A folder with inputs for a model, and where its results go.

    Attributes:
        folder: Where everything lies.
        application: The program.
        model: The model.
        shapes: Shape of every input.
    """

    folder: Path
    application: Path
    model: Path
    shapes: tuple[tuple[int, ...], ...]

    @property
    def results(self) -> Path:
        return self.folder / "result_files"

    @property
    def time_file(self) -> Path:
        return self.folder / "time_result" / "test_perform_static.txt"

    def file(self, number: int, batch: str) -> Path:
        return self.folder / _FOLDERS[number] / f"{batch}.bin"

    def write(self, *batches: str, seed: int = 0) -> list[str]:
        """Write batches with ids of the vocabulary, full and padded rows, and both segments."""
        random = np.random.default_rng(seed)
        for batch in batches:
            rows, length = self.shapes[0]
            ids = random.integers(5, WORDS, (rows, length))
            mask = np.arange(length) < random.integers(3, length + 1, (rows, 1))
            segments = (np.arange(length) >= random.integers(1, length, (rows, 1))) & mask
            for number, values in enumerate((ids * mask, mask, segments)):
                self.put(number, batch, values)
        return list(batches)

    def put(self, number: int, batch: str, values: np.ndarray) -> None:
        path = self.file(number, batch)
        path.parent.mkdir(exist_ok=True)
        values.astype("<i4").tofile(path)

    def inputs(self, batch: str) -> list[np.ndarray]:
        return [np.fromfile(self.file(n, batch), "<i4").reshape(shape) for n, shape in enumerate(self.shapes)]

    def command(self, *options: Any, **replaced: Any) -> list[str]:
        """Return a whole command line; an option that is replaced by ``None`` is left out."""
        folders = {f"input{n}_path": self.folder / _FOLDERS[n] for n in range(len(self.shapes))}
        given = {
            "mindir_path": self.model,
            **folders,
            "device": "CPU",
            "threads": 1,
            "output_dir": self.results,
            "time_dir": self.folder / "time_result",
            "warmup": 0,
            **replaced,
        }
        named = [f"--{key}={value}" for key, value in given.items() if value is not None]
        return [str(self.application), *named, *map(str, options)]

    def run(self, *options: Any, **replaced: Any) -> Ended:
        return run(self.command(*options, **replaced), self.folder)

    def refused(self, *options: Any, status: int = 2, **replaced: Any) -> str:
        """Return the error of a run that must fail and leave no results."""
        ended = self.run(*options, **replaced)
        assert ended.status == status, ended
        assert not list(self.folder.rglob("results.json"))
        assert not list(self.folder.rglob("*_0.bin"))
        assert not list(self.folder.rglob(".unfinished*"))
        assert not self.time_file.exists()
        return ended.error


def run(command: Sequence[str], folder: Path) -> Ended:
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, timeout=300, stdin=subprocess.DEVNULL
    )
    out, err = (stream.decode("utf-8", errors="backslashreplace") for stream in (done.stdout, done.stderr))
    return Ended(done.returncode, out, err)
