from __future__ import annotations

from pathlib import Path

import pytest

from src.runtime.doctor import versions
from src.runtime.doctor.findings import Finding
from src.runtime.doctor.machine import Machine
from src.runtime.doctor.packages import Installed, major_minor, pins_of
from tests.runtime.doctor_support import add_package, make_machine, only, texts, write

REQUIREMENTS = """# What the commands need.
-c constraints.txt
mindspore==2.10.0
# A remark.
numpy==1.26.4
PyYAML==6.0.3
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = make_machine(tmp_path)
    write(made.project / "requirements.txt", REQUIREMENTS)
    write(made.project / "constraints.txt", "click==8.5.1\nprotobuf==7.36.2\n")
    return made


def install(machine: Machine, **versions_of: str) -> None:
    for name, version in {"mindspore": "2.10.0", "numpy": "1.26.4", "pyyaml": "6.0.3", **versions_of}.items():
        if version:
            add_package(machine, name, version)


def levels(findings: list[Finding]) -> set[str]:
    return {finding.level for finding in findings}


def packages(machine: Machine) -> list[Finding]:
    installed = Installed(machine)
    return [
        *versions.check_mindspore(installed, machine),
        *versions.check_numpy(installed),
        *versions.check_pins(installed, machine),
    ]


def test_what_the_requirements_pin(machine: Machine) -> None:
    assert pins_of(machine.project / "requirements.txt") == {
        "mindspore": "2.10.0",
        "numpy": "1.26.4",
        "pyyaml": "6.0.3",
    }
    assert pins_of(machine.project / "none.txt") == {}


def test_everything_as_pinned(machine: Machine) -> None:
    install(machine)
    found = packages(machine)
    assert texts(found) == [
        "OK       MindSpore 2.10.0",
        "OK       3 packages of requirements.txt in their pinned versions",
    ]


def test_nothing_is_installed(machine: Machine) -> None:
    found = texts(packages(machine))
    assert found[0].startswith(
        "ERROR    MindSpore is not installed: nothing can be trained or predicted -> bash scripts/"
    )
    assert found[1].startswith("ERROR    numpy is not installed; requirements.txt has 1.26.4 -> ")
    assert found[2].startswith("ERROR    pyyaml is not installed; requirements.txt has 6.0.3 -> ")
    assert len(found) == 3


def test_many_missing_packages_are_one_line(machine: Machine) -> None:
    write(machine.project / "requirements.txt", "".join(f"package{number}==1.0\n" for number in range(5)))
    found = texts(versions.check_pins(Installed(machine), machine))
    assert found[0].startswith("ERROR    5 required packages are not installed: package0, package1, ")
    assert len(found) == 1


@pytest.mark.parametrize("version", ["2.0.0", "2.4.6", "10.1"])
def test_numpy_2_is_an_error_of_its_own(machine: Machine, version: str) -> None:
    install(machine, numpy=version)
    found = texts(packages(machine), "ERROR", "WARNING")
    assert found == [
        f"ERROR    numpy {version}: parts of MindSpore are built for NumPy 1, and operators fail now and then with "
        'SystemError -> python -m pip install "numpy>=1.26,<2"'
    ]


def test_other_versions_are_warnings(machine: Machine) -> None:
    install(machine, mindspore="2.6.0", numpy="1.25.0", pyyaml="7.0")
    found = texts(packages(machine))
    assert found[0].startswith("WARNING  MindSpore 2.6.0: this project was tried with 2.10.0 alone -> ")
    assert found[1].startswith(
        "WARNING  2 packages have another version than that of requirements.txt in parentheses: "
        "numpy 1.25.0 (1.26.4), pyyaml 7.0 (6.0.3) -> "
    )


def test_the_name_of_a_build_is_no_other_version(machine: Machine) -> None:
    install(machine, pyyaml="6.0.3+cpu")
    assert levels(packages(machine)) == {"OK"}


def test_other_versions_of_constraints_are_noted(machine: Machine) -> None:
    install(machine, click="8.0.0")
    found = texts(packages(machine), "NOTE")
    assert len(found) == 1
    assert (
        "1 package of constraints.txt has another version than the tested one in parentheses: click 8.0.0 (8.5.1)"
        in (found[0])
    )


def test_what_a_package_needs_is_missing(machine: Machine) -> None:
    install(machine, mindspore="", pyyaml="")
    add_package(machine, "pyyaml", "6.0.3")
    add_package(machine, "mindspore", "2.10.0", ["protobuf>=7", "tomli; python_version < '3.11'", "numpy"])
    found = texts(packages(machine), "ERROR")
    assert len(found) == 1
    assert found[0].startswith("ERROR    protobuf is not installed; mindspore needs it -> ")


def test_a_package_installed_twice(machine: Machine) -> None:
    install(machine)
    add_package(machine, "numpy", "1.25.0")
    (found,) = texts(packages(machine), "WARNING")[-1:]
    assert found.startswith("WARNING  numpy is installed more than once: ")
    assert "1.25.0 in " in found
    assert "1.26.4 in " in found


def test_one_folder_under_two_names_is_no_second_copy(machine: Machine, tmp_path: Path) -> None:
    install(machine)
    (tmp_path / "lib64").symlink_to(tmp_path / "site-packages")
    both = make_machine(tmp_path, packages=[str(tmp_path / "site-packages"), str(tmp_path / "lib64")])
    assert levels(packages(both)) == {"OK"}


def test_the_old_packages_of_mindspore(machine: Machine) -> None:
    install(machine)
    add_package(machine, "mindspore-gpu", "1.10.1")
    (found,) = texts(packages(machine), "ERROR")
    assert "mindspore-gpu 1.10.1 beside mindspore 2.10.0: today one package" in found
    assert "python -m pip uninstall mindspore-gpu" in found


def test_an_old_package_of_mindspore_alone(machine: Machine) -> None:
    install(machine, mindspore="")
    add_package(machine, "mindspore-ascend", "1.10.1")
    found = list(versions.check_mindspore(Installed(machine), machine))
    assert only(found).level == "WARNING"


def test_no_requirements(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    assert texts(versions.check_pins(Installed(machine), machine)) == [
        "WARNING  requirements.txt is not there: versions cannot be compared -> use a whole copy of the project"
    ]


def test_a_package_without_metadata_is_none(machine: Machine) -> None:
    write(Path(machine.search_path()[0]) / "numpy-1.26.4.dist-info" / "RECORD")
    assert Installed(machine).get("numpy") is None


def test_leftovers_of_an_interrupted_installation(machine: Machine) -> None:
    write(Path(machine.search_path()[0]) / "~umpy" / "x.py")
    write(machine.project / ".venv" / ".installing")
    found = texts(versions.check_leftovers(machine))
    assert found[0].startswith("NOTE     pip was interrupted: ~umpy in ")
    assert found[1] == (
        "ERROR    the installation of .venv was interrupted -> bash scripts/make_environment.sh runtime"
    )


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 9, 18), "ERROR"), ((3, 10, 0), "OK"), ((3, 11, 7), "OK"), ((3, 12, 1), "OK"), ((3, 13, 0), "ERROR")],
)
def test_versions_of_python(version: tuple[int, ...], level: str, tmp_path: Path) -> None:
    assert only(versions.check_python(version, "/venv", "/usr", tmp_path)).level == level


def test_an_environment_that_is_not_active(tmp_path: Path) -> None:
    assert texts(versions.check_python((3, 11, 7), "/usr", "/usr", tmp_path), "NOTE", "WARNING") == [
        f"NOTE     this is the system's Python, not that of an environment -> {versions.INSTALL}"
    ]
    write(tmp_path / ".venv" / "bin" / "python")
    assert texts(versions.check_python((3, 11, 7), "/usr", "/usr", tmp_path), "NOTE", "WARNING") == [
        "WARNING  the project's environment .venv is not active -> source .venv/bin/activate"
    ]


@pytest.mark.parametrize(
    ("system", "machine_name", "libc", "level"),
    [
        ("Linux", "x86_64", ("glibc", "2.36"), "OK"),
        ("Linux", "aarch64", ("glibc", "2.31"), "OK"),
        ("Linux", "x86_64", ("", ""), "ERROR"),
        ("Linux", "riscv64", ("glibc", "2.36"), "WARNING"),
        ("Darwin", "arm64", ("", ""), "WARNING"),
    ],
)
def test_platforms(system: str, machine_name: str, libc: tuple[str, str], level: str) -> None:
    assert only(versions.check_platform(system, machine_name, libc)).level == level


def test_numbers_of_versions() -> None:
    assert major_minor("8.2.RC1") == (8, 2)
    assert major_minor("10.11.3") == (10, 11)
    assert major_minor("next") is None
