"""Machines that the tests of the doctor make up."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from src.runtime.doctor.findings import Finding
from src.runtime.doctor.machine import Machine


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_machine(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    **settings: object,
) -> Machine:
    """Return a machine whose files, project and packages lie below ``folder`` and whose programs are in ``bin``."""
    for name in ("system", "project", "site-packages", "bin", "temporary"):
        (folder / name).mkdir(exist_ok=True)
    for name, text in (files or {}).items():
        write(folder / "system" / name, text)
    return Machine(
        **{
            "environment": {"PATH": str(folder / "bin"), **(environment or {})},
            "root": folder / "system",
            "project": folder / "project",
            "packages": [str(folder / "site-packages")],
            "limits": {},
            "temporary": folder / "temporary",
            **settings,
        }  # type: ignore[arg-type]
    )


def add_program(machine: Machine, name: str, output: str, status: int = 0, error: str = "") -> None:
    """Add a program that prints what the real one would."""
    path = Path(machine.environment["PATH"]) / name
    lines = [f"#!{sys.executable} -S", "import sys", f"sys.stdout.write({output!r})", f"sys.stderr.write({error!r})"]
    write(path, "\n".join([*lines, f"sys.exit({status})"]) + "\n").chmod(0o755)


def add_package(machine: Machine, name: str, version: str, requires: Iterable[str] = ()) -> Path:
    """Install a package without content; return the folder that it is in."""
    site = Path(machine.search_path()[0])
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    write(site / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA", "\n".join(lines) + "\n")
    return site


def texts(findings: Iterable[Finding], *levels: str) -> list[str]:
    """Return the lines of findings, those of some levels only where levels are given."""
    return [finding.as_line() for finding in findings if not levels or finding.level in levels]


def only(findings: Iterable[Finding]) -> Finding:
    """Return the one finding that there must be."""
    (finding,) = findings
    return finding
