"""A process that works for one side of a contest, as the runner sees it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from benchmarks.machine import ROOT
from src.common.errors import DeviceError

_SHOWN_LINES = 15
# The last line of a traceback.
_ERROR = re.compile(r"[\w.]+(Error|Exception): ")


class SideProcess:
    """A process of one side; see ``benchmarks.contest.worker``.

    Args:
        python: Python of its environment.
        module: What it runs.
        case: What it works on, a dataclass of plain values.
        log: Takes what its libraries print.
        environment: Variables besides those of this process.
    """

    def __init__(
        self, python: Path | str, module: str, case: Any, log: IO[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = module.rpartition(".")[2]
        self._log = log
        quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [str(python), "-m", module, json.dumps(asdict(case))],
            cwd=ROOT,
            env={**os.environ, **quiet, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    @property
    def number(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    def say(self, **content: Any) -> None:
        """Tell it what to do; that it has ended is found by ``answer``."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(content) + "\n")
                self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for what it says next.

        Raises:
            DeviceError: The process has failed; shows the end of what it said.
        """
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self._process.wait()
        self._log.seek(0)
        last = last_words(self._log.readlines())
        what = f"the process of {self.name} ended with status {self._process.returncode}: {last}"
        fix = "is there enough memory, and is the environment complete (make bench mends it)?"
        raise DeviceError(what, "benchmarks.contest", fix)

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def last_words(lines: Sequence[str]) -> str:
    """Return what a process said at last: the error without the way to it, or else its last lines."""
    errors = [place for place, line in enumerate(lines) if _ERROR.match(line)]
    return "".join(lines[errors[-1] :] if errors else lines[-_SHOWN_LINES:]).strip()


@contextlib.contextmanager
def log_file() -> Iterator[IO[str]]:
    """Give a file for what a process prints, until it has ended."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        yield log


def figures_of(
    python: Path | str, module: str, case: Any, environment: Mapping[str, str] | None = None
) -> tuple[dict[str, float], dict[str, str]]:
    """Run a process that does one thing; return its figures and versions. Arguments and errors as ``SideProcess``."""
    with log_file() as log:
        side = SideProcess(python, module, case, log, environment)
        try:
            answer = side.answer()
        finally:
            side.close()
    return answer["figures"], answer["versions"]
