"""What this machine has: processor cores to share out, and how many devices of a kind."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

from src.common.errors import ConfigError, DeviceError
from src.common.wording import counted

_VISIBLE = {"GPU": "CUDA_VISIBLE_DEVICES", "Ascend": "ASCEND_RT_VISIBLE_DEVICES"}
_NVIDIA_SMI_TIMEOUT_S = 20
# Processes on the CPU share its cores; so many to a core only wait for each other and fill the memory.
_PROCESSES_OF_CORE, _FEWEST_ALLOWED = 8, 64


def split_cores(cores: list[int], parts: int) -> list[list[int]]:
    """Share cores out in blocks of neighbours whose sizes differ by one at most.

    Raises:
        ConfigError: There are fewer cores than parts.
    """
    if len(cores) < parts:
        raise ConfigError(
            f"{len(cores)} cores cannot be shared by {parts} processes", "--bind_cores", "leave --bind_cores out"
        )
    ends = [len(cores) * part // parts for part in range(parts + 1)]
    return [cores[begin:end] for begin, end in itertools.pairwise(ends)]


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may use.

    Raises:
        ConfigError: The system cannot bind processes to cores.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise ConfigError("this system cannot bind processes to cores", "--bind_cores", "leave --bind_cores out")
    return sorted(os.sched_getaffinity(0))


def device_count(target: str, device_folder: Path = Path("/dev")) -> int | None:
    """Return how many devices of a kind there are, ``None`` where that cannot be told."""
    if target not in _VISIBLE:
        return None
    visible = os.environ.get(_VISIBLE[target])
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip()])
    if target == "GPU":
        return _count_gpus()
    names = [path.name for path in device_folder.glob("davinci*")]
    # davinci_manager is there with any driver; without it this is no Ascend machine, or a container that hides it.
    return len([name for name in names if re.fullmatch(r"davinci\d+", name)]) if names else None


def check_device_count(target: str, wanted: int) -> None:
    """Check that there are devices for all processes, where that can be told.

    Raises:
        DeviceError: There are fewer, or far fewer cores.
    """
    if target == "CPU":
        cores = os.cpu_count() or 1
        most = max(_PROCESSES_OF_CORE * cores, _FEWEST_ALLOWED)
        if wanted > most:
            raise DeviceError(
                f"{wanted} processes are too many for {counted(cores, 'core')}", "--device_num", f"use at most {most}"
            )
    there = device_count(target)
    if there is not None and there < wanted:
        raise DeviceError(
            f"{wanted} processes need {wanted} {target} devices, there are {there}",
            "--device_num",
            f"lower it, or check {_VISIBLE[target]}",
        )


def _count_gpus() -> int | None:
    if shutil.which("nvidia-smi") is None:
        return None
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_NVIDIA_SMI_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return len([line for line in listed.stdout.splitlines() if line.startswith("GPU ")])
