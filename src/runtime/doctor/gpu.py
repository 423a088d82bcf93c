"""GPU: devices, driver, and the CUDA libraries that MindSpore's wheel is built for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine, whole_number
from src.runtime.doctor.packages import Installed

TOPIC = Topic("GPU")
# What libmindspore_gpu.so.11.6 of the wheel of MindSpore 2.10.0 is linked with, besides the driver's libcuda.so.1.
LIBRARIES: tuple[str, ...] = (
    "libcudart.so.11.0",
    "libcublas.so.11",
    "libcudnn.so.8",
    "libcufft.so.10",
    "libcurand.so.10",
)
LIBRARIES += ("libcusolver.so.11", "libcusparse.so.11", "libnvrtc.so.11.2")
DRIVER_LIBRARY = "libcuda.so.1"
# The plugin itself names the first; the others are those of the system's loader.
_USUAL_FOLDERS = ("usr/local/cuda/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib", "lib/x86_64-linux-gnu")
# The library of kernels names code for 6.0 and 8.6. CUDA 11.6 knows nothing newer.
_NEWEST = (8, 6)
_OLDEST = (6, 0)
_INSTALL = "install CUDA 11.6 with cuDNN 8.5 and put its lib64 into LD_LIBRARY_PATH: docs/gpu.md"
_FIELDS = "index,name,compute_cap,memory.total,memory.used,driver_version"


def probe(machine: Machine, device_target: str) -> Iterator[Finding]:
    """Yield what there is to say about GPUs; little where another device is asked for."""
    if device_target != "GPU":
        if machine.program("nvidia-smi"):
            yield TOPIC.note("nvidia-smi is here", "look at the GPU with --device_target GPU")
        return
    yield from check_wheel(Installed(machine))
    devices, problem = list_devices(machine)
    if problem:
        yield TOPIC.error(f"nvidia-smi: {problem}", "install NVIDIA's driver; in a container, start it with --gpus all")
    for device in devices:
        yield from check_device(device)
    yield from check_visible(machine, len(devices))
    yield from check_libraries(machine)


def check_wheel(installed: Installed) -> Iterator[Finding]:
    """Check that the installed MindSpore has a plugin for GPUs."""
    package = installed.get("mindspore")
    if package is None:
        return
    found = sorted((package.folder / "mindspore" / "lib" / "plugin").glob("libmindspore_gpu.so.*"))
    names = ", ".join(path.name.removeprefix("libmindspore_gpu.so.") for path in found)
    if found:
        yield TOPIC.ok(f"MindSpore {package.version} has plugins for CUDA {names}")
    else:
        yield TOPIC.error(
            f"MindSpore {package.version} has no plugin for GPUs", "use a wheel that has, or another device"
        )


@dataclass(frozen=True)
class Gpu:
    """A line of nvidia-smi.

    Attributes:
        index: Its number.
        name: Its name.
        capability: Its compute capability, for example (8, 6); ``None`` where the driver is too old to say it.
        total_mib: Its memory in MiB; 0 where it is not known.
        used_mib: How much of it is in use.
        driver: The version of the driver.
    """

    index: str
    name: str
    capability: tuple[int, int] | None
    total_mib: int
    used_mib: int
    driver: str


def list_devices(machine: Machine) -> tuple[list[Gpu], str]:
    """Return the GPUs that nvidia-smi lists, and what went wrong; one of the two is empty."""
    program = machine.program("nvidia-smi")
    if program is None:
        return [], "no such program"
    outcome = machine.run([program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"])
    if outcome.problem:
        return [], outcome.problem
    rows = [[cell.strip() for cell in line.split(",")] for line in outcome.output.splitlines() if line.strip()]
    devices = [_gpu_of(row) for row in rows if len(row) == _FIELDS.count(",") + 1]
    return devices, "" if devices else "it lists no GPU"


def _gpu_of(row: list[str]) -> Gpu:
    capability = re.fullmatch(r"(\d+)\.(\d+)", row[2])
    total, used = (int(cell) if cell.isdecimal() else 0 for cell in row[3:5])
    return Gpu(row[0], row[1], (int(capability[1]), int(capability[2])) if capability else None, total, used, row[5])


def check_device(device: Gpu) -> Iterator[Finding]:
    """Check that MindSpore's kernels fit a GPU, and that its memory is free."""
    free = device.total_mib - device.used_mib
    what = f"GPU {device.index}: {device.name}, driver {device.driver}, {free:,} of {device.total_mib:,} MiB free"
    if device.capability is not None and device.capability < _OLDEST:
        yield TOPIC.error(f"{what}; its compute capability {_dotted(device.capability)} is too old", "use a newer GPU")
    elif device.capability is not None and device.capability > _NEWEST:
        yield TOPIC.warning(
            f"{what}; its compute capability {_dotted(device.capability)} is newer than {_dotted(_NEWEST)}, the "
            "newest that CUDA 11.6 and the wheel's kernels know",
            "see what the smoke test says",
        )
    elif device.total_mib and free < device.total_mib // 2:
        yield TOPIC.warning(f"{what}: another process uses it", "see nvidia-smi, and choose another with --device_id")
    else:
        yield TOPIC.ok(what)


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def check_visible(machine: Machine, count: int) -> Iterator[Finding]:
    """Check the variable that hides GPUs."""
    if "CUDA_VISIBLE_DEVICES" not in machine.environment:
        return
    value = machine.value("CUDA_VISIBLE_DEVICES")
    names = [name.strip() for name in value.split(",") if name.strip()]
    missing = [name for name in names if count and (whole_number(name) or 0) >= count]
    if not names or names[0].startswith("-"):
        yield TOPIC.error(f"CUDA_VISIBLE_DEVICES={value} hides every GPU", "unset CUDA_VISIBLE_DEVICES")
    elif missing:
        yield TOPIC.error(
            f"CUDA_VISIBLE_DEVICES={value}: there is no GPU {missing[0]}; it hides those behind it",
            f"use numbers from 0 to {count - 1}",
        )
    else:
        yield TOPIC.ok(f"CUDA_VISIBLE_DEVICES={value}")


def check_libraries(machine: Machine) -> Iterator[Finding]:
    """Check that the loader will find CUDA's libraries."""
    cache = _loader_cache(machine)
    folders = [*machine.folders("LD_LIBRARY_PATH"), *(machine.root / name for name in _USUAL_FOLDERS)]

    def is_there(name: str) -> bool:
        return name in cache or any((folder / name).exists() for folder in folders)

    missing = [name for name in LIBRARIES if not is_there(name)]
    if missing:
        what = f"{len(missing)} of the {len(LIBRARIES)} CUDA libraries of the plugin for CUDA 11.6 are not found"
        yield TOPIC.error(f"{what}: {', '.join(missing)}{_other_versions(missing, cache, folders)}", _INSTALL)
    else:
        yield TOPIC.ok("the CUDA 11.6 and cuDNN 8 libraries are found")
    if not is_there(DRIVER_LIBRARY):
        yield TOPIC.error(f"the driver's {DRIVER_LIBRARY} is not found", "install the driver; containers: --gpus all")


def _loader_cache(machine: Machine) -> set[str]:
    """Return the names of the libraries in the loader's cache."""
    program = machine.program("ldconfig") or str(machine.root / "sbin" / "ldconfig")
    return set(re.findall(r"^\s+(\S+) \(", machine.run([program, "-p"]).output, re.MULTILINE))


def _other_versions(missing: list[str], cache: set[str], folders: list[Path]) -> str:
    """Return which other versions of missing libraries are there, such as those of CUDA 12."""
    stems = {name.partition(".so.")[0] + ".so." for name in missing}
    there = cache | {path.name for folder in folders for stem in stems for path in folder.glob(f"{stem}*")}
    found = sorted(name for name in there if name.startswith(tuple(stems)) and re.search(r"\.so\.\d+$", name))
    return f" (there are {', '.join(found)})" if found else ""
