"""Processor and memory: cores, limits of a container, vector instructions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from src.common.environment import usable_cpu_count
from src.kernels.compiler import NoKernelsError, find_compiler
from src.kernels.library import ANOTHER_FOLDER, SWITCH, cache_folder, is_switched_off
from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine
from src.runtime.doctor.system import first_existing, write_problem

CPU = Topic("processor")
MEMORY = Topic("memory")
GIB = 1 << 30
# A fine-tuning of ALBERT base takes some GiB, MindSpore alone about half of one.
_LEAST_BYTES, _GOOD_BYTES = GIB, 4 * GIB
_VECTORS = {"x86": ("avx", "avx2", "fma", "avx512f"), "arm": ("asimd", "fphp")}
_NEEDED_VECTORS = {"x86": "avx2", "arm": "asimd"}
_NO_LIMIT = 1 << 60


def probe(machine: Machine) -> Iterator[Finding]:
    """Yield what there is to say about processor and memory."""
    yield from check_cores(machine, usable_cpu_count(), os.cpu_count() or 1)
    yield from check_vectors(machine)
    yield from check_kernels(machine)
    yield from check_memory(machine)


def check_cores(machine: Machine, usable: int, there: int) -> Iterator[Finding]:
    """Check how many cores may be used, and whether a container gives less time than they have."""
    name = re.search(r"^model name\s*:\s*(.+)$", machine.text("proc/cpuinfo"), re.MULTILINE)
    cores = f"{usable} of {there} cores" if usable != there else f"{there} core{'s' if there > 1 else ''}"
    yield CPU.ok(f"{name[1].strip() + ', ' if name else ''}{cores}")
    share = cpu_share(machine)
    if share is not None and share < usable:
        threads = max(1, int(share))
        yield CPU.warning(
            f"this container may use the time of {share:g} cores, and MindSpore starts threads for {usable}",
            f"export OMP_NUM_THREADS={threads}, or start it with --cpuset-cpus",
        )


def check_vectors(machine: Machine) -> Iterator[Finding]:
    """Check the vector instructions that MindSpore's kernels are built with."""
    match = re.search(r"^(flags|Features)\s*:\s*(.+)$", machine.text("proc/cpuinfo"), re.MULTILINE)
    if match is None:
        yield CPU.note("the vector instructions of this processor are not known")
        return
    kind = "x86" if match[1] == "flags" else "arm"
    flags = set(match[2].split())
    known = [flag for flag in _VECTORS[kind] if flag in flags]
    if _NEEDED_VECTORS[kind] in flags:
        yield CPU.ok(f"vector instructions: {', '.join(known)}")
    else:
        yield CPU.warning(
            f"no {_NEEDED_VECTORS[kind]}: MindSpore is slow here, or ends with 'Illegal instruction'",
            "use a newer processor, or let the virtual machine pass the host's features on",
        )


def check_kernels(machine: Machine) -> Iterator[Finding]:
    """Check what the compiled kernels of ``src/kernels`` need; networks on a CPU use them, others do not."""
    try:
        if is_switched_off(machine.environment):
            yield CPU.note(f"{SWITCH} switches the compiled kernels off: on a CPU, training takes half as long again")
            return
        compiler, folder = find_compiler(machine.environment), cache_folder(machine.environment)
        there = first_existing(folder)
        problem = write_problem(there) if there.is_dir() else "it is no folder"
        if problem:
            raise NoKernelsError(f"cannot be written: {problem}", str(folder), ANOTHER_FOLDER)
        yield CPU.ok(f"compiled kernels: {' '.join(compiler)}, kept in {folder}")
    except NoKernelsError as error:
        what = f"{f'{error.where}: ' if error.where else ''}{error.what}"
        yield CPU.warning(f"{what}: without compiled kernels, training on a CPU takes half as long again", error.fix)


def check_memory(machine: Machine) -> Iterator[Finding]:
    """Check how much memory is free, in the machine and in the container."""
    text = machine.text("proc/meminfo")
    sizes = {name: int(size) * 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    if "MemTotal" not in sizes:
        yield MEMORY.note("the size of the memory is not known")
        return
    total, free = sizes["MemTotal"], sizes.get("MemAvailable", sizes["MemTotal"])
    what = f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free"
    limit = memory_limit(machine)
    if limit is not None and limit[0] < total:
        free = min(free, limit[0] - limit[1])
        what = f"{max(free, 0) / GIB:.1f} of the container's {limit[0] / GIB:.1f} GiB are free"
    if free < _LEAST_BYTES:
        yield MEMORY.error(what, "end other programs, raise the container's limit, or use a larger machine")
    elif free < _GOOD_BYTES:
        fix = "use a small network or small batches: docs/training.md#memory"
        yield MEMORY.warning(f"{what}: few for a network of base size", fix)
    else:
        yield MEMORY.ok(what)


def cpu_share(machine: Machine) -> float | None:
    """Return how many cores' time the control group allows; ``None`` without a limit."""
    shares = []
    for folder in _group_folders(machine, "cpu"):
        new = machine.text(f"{folder}/cpu.max").split()
        old = [machine.text(f"{folder}/cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        for pair in (new, old):
            if len(pair) == 2 and pair[0].isdecimal() and pair[1].isdecimal() and int(pair[1]):
                shares.append(int(pair[0]) / int(pair[1]))
    return min(shares, default=None)


def memory_limit(machine: Machine) -> tuple[int, int] | None:
    """Return the control group's limit in bytes and how many are in use; ``None`` without a limit."""
    found = []
    for folder in _group_folders(machine, "memory"):
        for limit_name, used_name in (("max", "current"), ("limit_in_bytes", "usage_in_bytes")):
            limit = machine.text(f"{folder}/memory.{limit_name}").strip()
            used = machine.text(f"{folder}/memory.{used_name}").strip()
            # A group without a limit says "max", in version 1 a number near 2^63.
            if limit.isdecimal() and int(limit) < _NO_LIMIT:
                found.append((int(limit), int(used) if used.isdecimal() else 0))
    return min(found, default=None)


def _group_folders(machine: Machine, controller: str) -> list[str]:
    """Return the folders of this process's control group and of those above it, in version 2 and in version 1."""
    folders = []
    for line in machine.text("proc/self/cgroup").splitlines() or ["0::/"]:
        number, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if number == "0" and not controllers:
            mounts = ["sys/fs/cgroup"]
        elif controller in controllers.split(","):
            mounts = sorted({f"sys/fs/cgroup/{controllers}", f"sys/fs/cgroup/{controller}"})
        else:
            continue
        parts = [part for part in place.split("/") if part not in ("", "..")]
        folders += ["/".join([mount, *parts[:depth]]) for mount in mounts for depth in range(len(parts), -1, -1)]
    return folders
