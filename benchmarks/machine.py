"""What a measurement says about the machine it ran on, and how much memory processes take (Linux only)."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from src.common.environment import cpu_model, package_versions, usable_cpu_count
from src.common.errors import DeviceError

ROOT = Path(__file__).resolve().parents[1]
# Writing this to clear_refs sets VmHWM back to the present VmRSS (proc(5)).
_RESET_PEAK = "5"


def machine_lines(packages: Sequence[str]) -> list[str]:
    """Return date, versions, processor and load as a measurement's first lines."""
    versions = ", ".join(f"{name} {version}" for name, version in package_versions(packages).items())
    return [
        f"date       {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
        f"versions   Python {platform.python_version()}, {versions}",
        f"processor  {cpu_model()}, {usable_cpu_count()} usable",
        f"load       {load_text()}",
    ]


def load_text() -> str:
    """Return the load averages of the last 1 and 5 minutes; above the number of processors, speeds are too low."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} (1 min), {five:.1f} (5 min)"


def status_mb(key: str, process: int | str = "self") -> float:
    """Return a size of a process in MB (2^20 bytes), for example ``VmRSS`` or its peak ``VmHWM``.

    Raises:
        DeviceError: The system does not tell: it is no Linux, or the process has ended.
    """
    path = Path(f"/proc/{process}/status")
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise DeviceError("the memory of a process cannot be read", str(path), "measure on Linux") from error
    values = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    if not values:
        raise DeviceError(f"the process has no {key}", str(path), "it has ended")
    return int(values[0]) / 1024


def reset_peak(process: int | str = "self") -> None:
    """Let ``VmHWM`` of a process begin anew; raise ``DeviceError`` where the system refuses."""
    path = Path(f"/proc/{process}/clear_refs")
    try:
        path.write_text(_RESET_PEAK, encoding="ascii")
    except OSError as error:
        raise DeviceError("the peak of memory cannot be set back", str(path), "measure on Linux") from error
