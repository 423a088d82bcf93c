"""Environment variables that change what MindSpore, CANN, HCCL or Python do: which are set, and what is wrong there."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from src.common.environment import usable_cpu_count
from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine, whole_number
from src.runtime.doctor.variable_rules import GROUP_VARIABLES, PREFIXES, RULES

TOPIC = Topic("variables")
# What the commands import, besides the standard library.
_MODULES: tuple[str, ...] = (
    "mindspore",
    "numpy",
    "scipy",
    "sklearn",
    "sentencepiece",
    "pydantic",
    "yaml",
    "tqdm",
    "matplotlib",
)
_MODULES += ("tensorboard", "google_crc32c", "safetensors", "onnxruntime", "starlette", "uvicorn", "setuptools")


def probe(machine: Machine, usable_cores: int | None = None) -> Iterator[Finding]:
    """Yield what there is to say about each variable by itself."""
    for name in sorted(set(RULES) & set(machine.environment)):
        yield from _check(name, machine)
    yield from _check_log_folder(machine)
    yield from check_threads(machine, usable_cpu_count() if usable_cores is None else usable_cores)
    yield from check_unknown(machine)
    yield from check_python_path(machine)
    yield from check_libraries(machine)
    if not any(name.startswith(PREFIXES) for name in machine.environment):
        yield TOPIC.ok("none of MindSpore, CANN, HCCL and OpenMP is set")


def _check(name: str, machine: Machine) -> Iterator[Finding]:
    """Check one variable that is set."""
    rule, value = RULES[name], machine.value(name)
    if not value:
        yield TOPIC.note(f"{name} is empty", f"unset {name}")
        return
    problem = rule.problem(value)
    if problem:
        yield Finding(
            rule.level, TOPIC.name, f"{machine.shown(name)} {problem}", f"unset {name}, or give a right value"
        )
    elif rule.meaning:
        yield TOPIC.note(f"{machine.shown(name)}: {rule.meaning}", f"unset {name} unless you mean it")
    else:
        yield TOPIC.ok(machine.shown(name))


def _check_log_folder(machine: Machine) -> Iterator[Finding]:
    if machine.value("GLOG_logtostderr") == "0" and not machine.value("GLOG_log_dir"):
        yield TOPIC.error(
            "GLOG_logtostderr=0 without GLOG_log_dir: MindSpore cannot be imported", "export GLOG_log_dir=$PWD/ms_log"
        )


def check_threads(machine: Machine, usable: int) -> Iterator[Finding]:
    """Check the number of OpenMP threads against the cores."""
    value = whole_number(machine.value("OMP_NUM_THREADS").partition(",")[0])
    if not value:
        return
    if value > usable:
        yield TOPIC.warning(
            f"OMP_NUM_THREADS={value}, and there are {usable} cores to use: threads wait for each other",
            f"export OMP_NUM_THREADS={usable}",
        )
    elif value < usable:
        yield TOPIC.note(f"OMP_NUM_THREADS={value} leaves {usable - value} of {usable} cores unused", "unset it")


def check_unknown(machine: Machine) -> Iterator[Finding]:
    """Name variables that look like one of these and are not known; a typing error would do nothing, silently."""
    known = [*RULES, *GROUP_VARIABLES]
    others = sorted(n for n in machine.environment if n.startswith(PREFIXES) and n not in known)
    unclear = []
    for name in others:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if close:
            yield TOPIC.warning(f"{name} is no known variable", f"did you mean {close[0]}?")
        else:
            unclear.append(name)
    if unclear:
        yield TOPIC.note(f"set and not checked: {', '.join(unclear)}")


def check_python_path(machine: Machine) -> Iterator[Finding]:
    """Check what ``PYTHONPATH`` puts before the installed packages and this project."""
    for folder in machine.folders("PYTHONPATH"):
        if not folder.exists():
            yield TOPIC.note(f"PYTHONPATH names {folder}, which is not there", "leave it out")
            continue
        hidden = [name for name in (*_MODULES, *sorted(sys.stdlib_module_names)) if _has_module(folder, name)]
        if hidden:
            yield TOPIC.warning(
                f"PYTHONPATH: {folder} hides the installed {', '.join(hidden)}", "leave the folder out of PYTHONPATH"
            )
        if _has_module(folder, "src") and folder.resolve() != machine.project.resolve():
            yield TOPIC.note(
                f"PYTHONPATH: {folder} has a package src too, the name of this project's",
                "leave it out, or start commands in the project's folder",
            )
    if machine.value("PYTHONHOME"):
        yield TOPIC.warning(
            f"{machine.shown('PYTHONHOME')}: Python takes its own library from there", "unset PYTHONHOME"
        )


def _has_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()


def check_libraries(machine: Machine) -> Iterator[Finding]:
    """Check where libraries are searched first."""
    missing = [str(folder) for folder in machine.folders("LD_LIBRARY_PATH") if not folder.is_dir()]
    if missing:
        yield TOPIC.note(f"LD_LIBRARY_PATH names folders that are not there: {', '.join(missing)}", "leave them out")
    gone = [
        name
        for name in machine.value("LD_PRELOAD").replace(":", " ").split()
        if "/" in name and not Path(name).exists()
    ]
    if gone:
        yield TOPIC.warning(f"LD_PRELOAD names files that are not there: {', '.join(gone)}", "unset LD_PRELOAD")
    elif machine.value("LD_PRELOAD"):
        yield TOPIC.note(machine.shown("LD_PRELOAD"), "unset it unless you mean it")
