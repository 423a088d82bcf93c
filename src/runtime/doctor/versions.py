"""Versions: Python, MindSpore, NumPy, and every package that the requirements pin."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from src.common.wording import counted
from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine
from src.runtime.doctor.packages import Installed, Package, major_minor, pins_of

TOPIC = Topic("versions")
PYTHONS = ((3, 10), (3, 12))
INSTALL = "bash scripts/make_environment.sh runtime, or python -m pip install -r requirements.txt"
# They bring the same folder as the package mindspore, and whichever was installed last has won.
_RIVALS = ("mindspore-ascend", "mindspore-gpu", "mindspore-cpu", "mindspore-dev")
_WHEEL_MACHINES = ("x86_64", "aarch64")


def probe(machine: Machine) -> Iterator[Finding]:
    """Yield what there is to say about versions."""
    installed = Installed(machine)
    yield from check_python(sys.version_info[:3], sys.prefix, sys.base_prefix, machine.project)
    yield from check_platform(platform.system(), platform.machine(), platform.libc_ver())
    yield from check_mindspore(installed, machine)
    yield from check_numpy(installed)
    yield from check_pins(installed, machine)
    yield from check_leftovers(machine)


def check_python(version: tuple[int, ...], prefix: str, base: str, project: Path) -> Iterator[Finding]:
    """Check the version of Python, and whether it is one of a virtual environment."""
    text = ".".join(map(str, version))
    first, last = (".".join(map(str, pair)) for pair in PYTHONS)
    if not PYTHONS[0] <= version[:2] <= PYTHONS[1]:
        yield TOPIC.error(
            f"Python {text}: MindSpore 2.10.0 has no wheels for it", f"use Python {first} to {last}, then {INSTALL}"
        )
    else:
        yield TOPIC.ok(f"Python {text} in {prefix}")
    own = project / ".venv"
    if prefix == base and (own / "bin" / "python").exists():
        yield TOPIC.warning("the project's environment .venv is not active", "source .venv/bin/activate")
    elif prefix == base:
        yield TOPIC.note("this is the system's Python, not that of an environment", INSTALL)


def check_platform(system: str, machine: str, libc: tuple[str, str]) -> Iterator[Finding]:
    """Check that MindSpore has wheels for this kind of machine."""
    if system != "Linux" or machine not in _WHEEL_MACHINES:
        yield TOPIC.warning(f"{system} on {machine}: this project was tried on Linux alone", "use Linux on x86-64")
    elif libc[0] != "glibc":
        yield TOPIC.error(
            "the system's C library is not glibc, which MindSpore is built for", "use Debian, Ubuntu, ..."
        )
    else:
        yield TOPIC.ok(f"{system} on {machine}, {' '.join(libc)}")


def check_mindspore(installed: Installed, machine: Machine) -> Iterator[Finding]:
    """Check that MindSpore is there, once, in the version that this project was tried with."""
    wanted = pins_of(machine.project / "requirements.txt").get("mindspore", "2.10.0")
    found = installed.get("mindspore")
    rivals = [package for name in _RIVALS if (package := installed.get(name)) is not None]
    if found is None and not rivals:
        yield TOPIC.error("MindSpore is not installed: nothing can be trained or predicted", INSTALL)
    elif found is not None and found.version == wanted:
        yield TOPIC.ok(f"MindSpore {wanted}")
    elif found is not None:
        yield TOPIC.warning(f"MindSpore {found.version}: this project was tried with {wanted} alone", INSTALL)
    for rival in rivals:
        names = f"{rival.name} {rival.version}" + (f" beside mindspore {found.version}" if found else "")
        yield TOPIC.bad(
            found is not None,
            f"{names}: today one package, mindspore, serves all devices",
            f"python -m pip uninstall {rival.name}, then install mindspore=={wanted} anew",
        )


def check_numpy(installed: Installed) -> Iterator[Finding]:
    """Check for NumPy 2, which MindSpore's wheel lets in and does not work with."""
    found = installed.get("numpy")
    numbers = major_minor(found.version) if found else None
    if found is not None and numbers is not None and numbers >= (2, 0):
        yield TOPIC.error(
            f"numpy {found.version}: parts of MindSpore are built for NumPy 1, and operators fail now and then "
            "with SystemError",
            'python -m pip install "numpy>=1.26,<2"',
        )


def check_pins(installed: Installed, machine: Machine) -> Iterator[Finding]:
    """Check every package that requirements.txt and constraints.txt pin."""
    pins = pins_of(machine.project / "requirements.txt")
    if not pins:
        yield TOPIC.warning(
            "requirements.txt is not there: versions cannot be compared", "use a whole copy of the project"
        )
        return
    found = {name: installed.get(name) for name in pins}
    yield from _check_required(pins, found)
    for name, asks in sorted(installed.missing_below(list(pins)).items()):
        yield TOPIC.error(f"{name} is not installed; {asks} needs it", INSTALL)
    constraints = pins_of(machine.project / "constraints.txt")
    there = {name: package.version for name in constraints if (package := installed.get(name)) is not None}
    other = [
        f"{name} {version} ({constraints[name]})" for name, version in there.items() if version != constraints[name]
    ]
    if other:
        what = f"{counted(len(other), 'package')} of constraints.txt {'has' if len(other) == 1 else 'have'} another"
        yield TOPIC.note(f"{what} version than the tested one in parentheses: {', '.join(other)}", INSTALL)
    for name in (*pins, *constraints):
        copies = installed.copies(name)
        if len({(package.version, package.folder) for package in copies}) > 1:
            places = ", ".join(f"{package.version} in {package.folder}" for package in copies)
            yield TOPIC.warning(
                f"{name} is installed more than once: {places}", f"python -m pip uninstall {name} there"
            )


def _check_required(pins: dict[str, str], found: dict[str, Package | None]) -> Iterator[Finding]:
    missing = [name for name, package in found.items() if package is None and name != "mindspore"]
    if len(missing) > 3:
        yield TOPIC.error(f"{len(missing)} required packages are not installed: {', '.join(missing)}", INSTALL)
    else:
        for name in missing:
            yield TOPIC.error(f"{name} is not installed; requirements.txt has {pins[name]}", INSTALL)
    other = []
    for name, package in found.items():
        numbers = major_minor(package.version) if package else None
        # MindSpore and NumPy 2 have findings of their own.
        if package is not None and name != "mindspore" and (name != "numpy" or numbers is None or numbers < (2, 0)):
            other += [f"{name} {package.version} ({pins[name]})"] if package.version != pins[name] else []
    if other:
        words = "package has" if len(other) == 1 else "packages have"
        what = f"{len(other)} {words} another version than that of requirements.txt in parentheses"
        yield TOPIC.warning(f"{what}: {', '.join(other)}", INSTALL)
    elif not missing:
        yield TOPIC.ok(f"{counted(len(pins), 'package')} of requirements.txt in their pinned versions")


def check_leftovers(machine: Machine) -> Iterator[Finding]:
    """Check for what an interrupted ``pip install`` leaves: folders whose first letter has become a tilde."""
    for folder in machine.search_path():
        path = Path(folder)
        if path.name == "site-packages" and path.is_dir():
            names = sorted(entry.name for entry in path.glob("~*"))
            if names:
                yield TOPIC.note(f"pip was interrupted: {', '.join(names)} in {path}", "remove these folders")
    if (machine.project / ".venv" / ".installing").exists():
        yield TOPIC.error("the installation of .venv was interrupted", "bash scripts/make_environment.sh runtime")
