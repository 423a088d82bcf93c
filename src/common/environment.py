"""Record where a run took place, without secrets: no environment variables, credentials in the command masked."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "mindspore",
    "numpy",
    "sentencepiece",
    "pydantic",
    "PyYAML",
    "google-crc32c",
    "tensorboard",
    "matplotlib",
    "tqdm",
)

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_GIT_TIMEOUT_S = 10
_MASK = "***"
# Words of an option's name that say its value is a secret; ``tokenizer`` and ``max_tokens`` are other words.
_SECRET_WORDS = {"secret", "password", "passwd", "token", "apikey", "ak", "sk", "credential", "credentials"}
_SECRET_PAIRS = ("api_key", "access_key", "secret_key", "private_key")


def _is_secret(option: str) -> bool:
    """Tell whether the name of an option announces a secret."""
    name = re.sub(r"[^a-z0-9]+", "_", option.lower()).strip("_")
    return bool(_SECRET_WORDS & set(name.split("_"))) or any(pair in name for pair in _SECRET_PAIRS)


def mask_secrets(arguments: Sequence[str]) -> list[str]:
    """Return the command line with the values of secret options and passwords inside URLs replaced by ``***``."""
    masked: list[str] = []
    hide_next = False
    for argument in arguments:
        is_option = argument.startswith("--")
        name, equals, _ = argument.partition("=")
        if hide_next and not is_option:
            masked.append(_MASK)
            hide_next = False
            continue
        hide_next = is_option and not equals and _is_secret(name)
        text = f"{name}={_MASK}" if is_option and equals and _is_secret(name) else argument
        masked.append(re.sub(r"://[^/@\s]+@", f"://{_MASK}@", text))
    return masked


def _first_line_value(path: Path, key: str) -> str:
    """Return what follows ``key:`` in a file of the kernel, or an empty string."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key), "")


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    return _first_line_value(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def cpu_flags() -> str:
    """Return what the processor's instruction set has, as the system tells it; empty where it does not."""
    cpuinfo = Path("/proc/cpuinfo")
    return _first_line_value(cpuinfo, "flags") or _first_line_value(cpuinfo, "Features")


def usable_cpu_count() -> int:
    """Return how many processors this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str | None]:
    """Return the installed version of each package; ``None`` where it is not installed. Nothing is imported."""
    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _git(root: Path, *arguments: str) -> str | None:
    """Return the output of a git command that only reads, or ``None`` when it fails or git is not there."""
    try:
        # Without optional locks, ``status`` does not write the index of somebody's working copy.
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state(root: Path = _PROJECT_ROOT) -> dict[str, Any] | None:
    """Return commit and whether tracked files differ from it; ``None`` where ``root`` is no repository of its own."""
    top = _git(root, "rev-parse", "--show-toplevel")
    # The project's folder may lie inside another repository, whose commit says nothing about this code.
    if top is None or Path(top).resolve() != root.resolve():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": None if changed is None else bool(changed)} if commit else None


def collect_environment(device: str, arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what a reader needs to repeat a run, as plain JSON.

    Args:
        device: The device in words, for example ``CPU``.
        arguments: Command line with the program's name; ``None`` takes that of this process.
    """
    return {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": mask_secrets(sys.argv if arguments is None else arguments),
        "device": device,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(),
        "cpu": {"model": cpu_model(), "count": os.cpu_count(), "usable": usable_cpu_count()},
        "memory": _first_line_value(Path("/proc/meminfo"), "MemTotal"),
        "git": git_state(),
    }
