"""The installed packages, read from their metadata; none is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from src.runtime.doctor.machine import Machine

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][^\s;#]*)")


def normalized(name: str) -> str:
    """Return a package's name as the package index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(path: Path) -> dict[str, str]:
    """Return the exact versions that a requirements file asks for, by normalized name; none where it is missing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found = (_PIN.match(line.strip()) for line in lines)
    return {normalized(match[1]): match[2] for match in found if match}


@dataclass(frozen=True)
class Package:
    """An installed package.

    Attributes:
        name: Its normalized name.
        version: Its version without the part behind ``+``, which names a build.
        folder: The folder that it is installed in.
        requires: The normalized names of the packages that it always needs.
    """

    name: str
    version: str
    folder: Path
    requires: tuple[str, ...]


class Installed:
    """The packages that this machine's Python finds."""

    def __init__(self, machine: Machine) -> None:
        self._path = machine.search_path()
        self._known: dict[str, Package | None] = {}

    def get(self, name: str) -> Package | None:
        """Return a package; ``None`` where it is not installed."""
        name = normalized(name)
        if name not in self._known:
            self._known[name] = next(self._copies(name), None)
        return self._known[name]

    def copies(self, name: str) -> list[Package]:
        """Return every copy that is installed, that which counts first."""
        return list(self._copies(normalized(name)))

    def _copies(self, name: str) -> Iterator[Package]:
        for found in metadata.distributions(name=name, path=self._path):
            try:
                version = found.version
            except (KeyError, TypeError):  # The folder is there, its METADATA is not.
                continue
            if version:
                requires = tuple(_always_needed(found.requires or ()))
                yield Package(name, version.partition("+")[0], Path(str(found.locate_file(""))).resolve(), requires)

    def missing_below(self, names: list[str]) -> dict[str, str]:
        """Return what the named packages need and is not installed: the missing one and which asks for it."""
        waiting, seen, missing = list(names), set(names), {}
        while waiting:
            package = self.get(waiting.pop())
            for needed in package.requires if package else ():
                if needed not in seen:
                    seen.add(needed)
                    waiting.append(needed)
                    if package is not None and self.get(needed) is None:
                        missing[needed] = package.name
        return missing


def _always_needed(requirements: list[str] | tuple[str, ...]) -> Iterator[str]:
    """Yield the names of requirements without a condition; to judge conditions takes a package of its own."""
    for requirement in requirements:
        match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
        if match and ";" not in requirement:
            yield normalized(match[0])


def major_minor(version: str) -> tuple[int, int] | None:
    """Return the first two numbers of a version; ``None`` where it does not begin with two."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else None
