"""Ascend: devices, driver, and the CANN whose variables have to be set."""

from __future__ import annotations

import importlib.machinery
import os
import re
from collections.abc import Iterator
from pathlib import Path

from src.common.wording import counted
from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine, whole_number
from src.runtime.doctor.packages import Installed, major_minor

TOPIC = Topic("Ascend")
# The versions of CANN that MindSpore 2.10.0 checks for (mindspore/run_check/_check_version.py).
CANN_VERSIONS = ((8, 2), (8, 3), (8, 5), (9, 0), (9, 1))
# What set_env.sh of CANN sets and MindSpore reads.
VARIABLES = ("ASCEND_HOME_PATH", "ASCEND_OPP_PATH")
_TOOLKITS = ("usr/local/Ascend/ascend-toolkit", "usr/local/Ascend/cann", "home/HwHiAiUser/Ascend/ascend-toolkit")
_NODES = ("davinci_manager", "devmm_svm", "hisi_hdc")
_CONTAINER = "in a container, pass --device /dev/davinci0 --device /dev/davinci_manager ...: docs/docker.md"
_DRIVER = "install the driver and firmware, and reboot; " + _CONTAINER


def probe(machine: Machine, device_target: str) -> Iterator[Finding]:
    """Yield what there is to say about Ascend devices; little where another device is asked for."""
    if device_target != "Ascend":
        if _davinci_numbers(machine):
            yield TOPIC.note("there are Ascend devices", "look at them with --device_target Ascend")
        return
    yield from check_wheel(Installed(machine))
    yield from check_nodes(machine)
    yield from check_driver(machine)
    yield from check_npu_smi(machine)
    yield from check_cann(machine)
    yield from check_visible(machine)


def check_wheel(installed: Installed) -> Iterator[Finding]:
    """Check that the installed MindSpore has a plugin for Ascend."""
    package = installed.get("mindspore")
    if package is None:
        return
    if list((package.folder / "mindspore" / "lib" / "plugin").glob("libmindspore_ascend.so*")):
        yield TOPIC.ok(f"MindSpore {package.version} has a plugin for Ascend")
    else:
        yield TOPIC.error(f"MindSpore {package.version} has no plugin for Ascend", "use a wheel that has one")


def _davinci_numbers(machine: Machine) -> list[int]:
    names = [path.name for path in (machine.root / "dev").glob("davinci[0-9]*")]
    return sorted(int(name.removeprefix("davinci")) for name in names if name.removeprefix("davinci").isdecimal())


def check_nodes(machine: Machine) -> Iterator[Finding]:
    """Check the devices in /dev and whether this user may open them."""
    numbers = _davinci_numbers(machine)
    if not numbers:
        yield TOPIC.error("there is no /dev/davinci0: no device, no driver, or a container that hides it", _DRIVER)
        return
    missing = [f"/dev/{name}" for name in _NODES if not (machine.root / "dev" / name).exists()]
    if missing:
        yield TOPIC.error(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there", _DRIVER)
    names = [f"davinci{number}" for number in numbers] + [name for name in _NODES if f"/dev/{name}" not in missing]
    closed = [f"/dev/{name}" for name in names if not os.access(machine.root / "dev" / name, os.R_OK | os.W_OK)]
    if closed:
        yield TOPIC.error(
            f"this user may not open {', '.join(closed)}", "add the user to the group of the files (HwHiAiUser)"
        )
    if not missing and not closed:
        yield TOPIC.ok(
            f"{counted(len(numbers), 'device')} in /dev: {', '.join(f'davinci{number}' for number in numbers)}"
        )


def check_driver(machine: Machine) -> Iterator[Finding]:
    """Check the version files of driver and firmware."""
    where = re.search(r"^Driver_Install_Path_Param=(\S+)", machine.text("etc/ascend_install.info"), re.MULTILINE)
    folder = where[1] if where else "/usr/local/Ascend"
    driver = _version_in(machine.text(f"{folder}/driver/version.info"))
    firmware = _version_in(machine.text(f"{folder}/firmware/version.info"))
    if not driver:
        yield TOPIC.error(f"{folder}/driver/version.info is not there", _DRIVER)
        return
    yield TOPIC.ok(f"driver {driver}, firmware {firmware or 'not known from here'}")
    libraries = [path for path in machine.folders("LD_LIBRARY_PATH") if "driver" in path.parts]
    if not libraries:
        yield TOPIC.warning(
            "LD_LIBRARY_PATH has no folder of the driver, where libascend_hal.so is",
            f"source {folder}/driver/bin/setenv.bash",
        )


def _version_in(text: str) -> str:
    """Return the version in a version file: a line ``Version=...`` in any case."""
    match = re.search(r"^version=\[?([^\s\]]+)", text, re.MULTILINE | re.IGNORECASE)
    return match[1] if match else ""


def check_npu_smi(machine: Machine) -> Iterator[Finding]:
    """Check the health that npu-smi gives of each device."""
    program = machine.program("npu-smi")
    if program is None:
        yield TOPIC.warning("npu-smi: no such program", "add /usr/local/bin or /usr/local/sbin to PATH, or mount it")
        return
    outcome = machine.run([program, "info"])
    if outcome.problem:
        yield TOPIC.error(f"npu-smi info {outcome.problem}", _DRIVER)
        return
    # A device: | 0     910B3 | OK | ...; the row of its chip has the address of the bus in place of the health.
    rows = re.findall(r"^\|\s*(\d+)\s+([A-Za-z0-9][\w-]*)\s*\|\s*([A-Za-z]+)\s*\|", outcome.output, re.MULTILINE)
    if not rows:
        yield TOPIC.error("npu-smi info lists no device", _DRIVER)
    for number, name, health in rows:
        what = f"device {number}: {name}, health {health}"
        if health.upper() == "OK":
            yield TOPIC.ok(what)
        else:
            yield TOPIC.bad(
                health.lower() in ("alarm", "critical", "unknown"),
                what,
                f"npu-smi info -t health -i {number} says more",
            )


def check_cann(machine: Machine) -> Iterator[Finding]:
    """Check that CANN is there, in a version that MindSpore is built for, and that its set_env.sh was sourced."""
    scripts = [script for name in _TOOLKITS if (script := machine.root / name / "set_env.sh").is_file()]
    unset = [name for name in VARIABLES if not machine.value(name)]
    if unset:
        what = f"{' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set"
        if scripts:
            yield TOPIC.error(f"{what}: CANN is installed and its variables are missing", f"source {scripts[0]}")
        else:
            yield TOPIC.error(
                f"{what}, and no CANN was found in /usr/local/Ascend", "install CANN, source its set_env.sh"
            )
        return
    home = Path(machine.value("ASCEND_HOME_PATH"))
    yield from _check_version(home)
    if "/opp" not in machine.value("ASCEND_OPP_PATH"):
        yield TOPIC.warning(
            f"{machine.shown('ASCEND_OPP_PATH')} is no folder opp of CANN", f"source {home}/../set_env.sh"
        )
    yield from _check_paths(machine, home)


def _check_version(home: Path) -> Iterator[Finding]:
    """Check the version of CANN as MindSpore does it."""
    path = home / "compiler" / "version.info"
    try:
        version = _version_in(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        yield TOPIC.warning(
            f"{path} is not there: the version of CANN is not known", "check ASCEND_HOME_PATH, or install CANN anew"
        )
        return
    known = ", ".join(f"{pair[0]}.{pair[1]}" for pair in CANN_VERSIONS)
    if major_minor(version) in CANN_VERSIONS:
        yield TOPIC.ok(f"CANN {version} in {home}")
    else:
        yield TOPIC.warning(f"CANN {version or 'without a version'} in {home}", f"MindSpore 2.10.0 is made for {known}")


def _check_paths(machine: Machine, home: Path) -> Iterator[Finding]:
    """Check what set_env.sh puts into PYTHONPATH and LD_LIBRARY_PATH."""
    script = home.parent / "set_env.sh"
    if not any(str(folder).rstrip("/").endswith("lib64") for folder in machine.folders("LD_LIBRARY_PATH")):
        yield TOPIC.error("LD_LIBRARY_PATH has no lib64 of CANN", f"source {script}")
    path = [str(folder) for folder in machine.folders("PYTHONPATH")] + machine.search_path()
    missing = [name for name in ("te", "hccl") if importlib.machinery.PathFinder.find_spec(name, path) is None]
    if missing:
        yield TOPIC.error(
            f"CANN's Python packages are not found: {', '.join(missing)}; without them no operator can be compiled",
            f"source {script}",
        )


def check_visible(machine: Machine) -> Iterator[Finding]:
    """Check the variable that hides devices, and the number of this process's."""
    count = len(_davinci_numbers(machine))
    visible = machine.value("ASCEND_RT_VISIBLE_DEVICES")
    if visible:
        count = len([name for name in visible.split(",") if name.strip()])
    device = whole_number(machine.value("DEVICE_ID"))
    if count and device is not None and device >= count:
        yield TOPIC.error(
            f"DEVICE_ID={device}, and {counted(count, 'device')} can be used", f"use a number below {count}"
        )
