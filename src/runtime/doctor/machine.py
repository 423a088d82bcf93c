"""What the probes look at: variables, folders and programs of this machine, or of one that a test has made up."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from src.common.environment import mask_secrets

PROJECT = Path(__file__).resolve().parents[3]
PROGRAM_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        status: Its exit status, ``None`` where it could not be started or did not end in time.
        output: What it printed.
        problem: What went wrong, in words; empty for status 0.
    """

    status: int | None
    output: str
    problem: str = ""


@dataclass(frozen=True)
class Machine:
    """A machine to look at.

    Attributes:
        environment: The environment variables.
        root: The folder below which ``proc``, ``sys``, ``dev``, ``etc`` and ``usr`` are found.
        project: The project's folder, with ``requirements.txt``.
        packages: The folders in which Python looks for packages; ``None`` takes those of this Python.
        limits: Soft limits by their name in ``resource``, -1 for none.
        temporary: The folder for temporary files.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    root: Path = Path("/")
    project: Path = PROJECT
    packages: Sequence[str] | None = None
    limits: Mapping[str, int] = field(default_factory=lambda: soft_limits())
    temporary: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))

    def text(self, path: str | Path) -> str:
        """Return the content of a file below ``root``; empty where it cannot be read."""
        try:
            return (self.root / str(path).lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def value(self, name: str) -> str:
        """Return a variable without the blanks around it; empty where it is not set."""
        return self.environment.get(name, "").strip()

    def shown(self, name: str) -> str:
        """Return ``NAME=value``, with what looks like a secret replaced by ``***``."""
        return mask_secrets([f"--{name}={self.environment.get(name, '')}"])[0].removeprefix("--")

    def program(self, name: str) -> str | None:
        """Return the path of a program on ``PATH``."""
        return shutil.which(name, path=self.environment.get("PATH", os.defpath))

    def run(self, command: Sequence[str], timeout_s: float = PROGRAM_TIMEOUT_S) -> Outcome:
        """Run a program and wait for it; nothing is raised."""
        try:
            done = subprocess.run(
                list(command),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                timeout=timeout_s,
                env=dict(self.environment),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(None, "", f"did not end within {timeout_s:g} s")
        except (OSError, ValueError) as error:
            return Outcome(None, "", f"cannot be started: {getattr(error, 'strerror', None) or error}")
        last = ([line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()] or [""])[-1]
        problem = f"ended with status {done.returncode}: {last[:200]}" if done.returncode else ""
        return Outcome(done.returncode, done.stdout, problem)

    def folders(self, name: str) -> list[Path]:
        """Return the folders that a variable like ``PATH`` lists, those of no name left out."""
        return [Path(part) for part in self.environment.get(name, "").split(os.pathsep) if part]

    def search_path(self) -> list[str]:
        """Return the folders in which Python looks for packages."""
        return list(sys.path if self.packages is None else self.packages)


def whole_number(text: str) -> int | None:
    """Return a number from 0 on that is written in plain digits, at most 15 of them; ``None`` for all else."""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def soft_limits() -> dict[str, int]:
    """Return the soft limits of this process."""
    names = ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_STACK", "RLIMIT_AS")
    return {name: resource.getrlimit(getattr(resource, name))[0] for name in names}
