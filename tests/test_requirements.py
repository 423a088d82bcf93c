from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILES = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
TENSORFLOW = "requirements-tensorflow.txt"


def lines(name: str) -> list[str]:
    content = [line.partition(" #")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return [line for line in content if line and not line.startswith("#")]


def pins(*names: str) -> dict[str, str]:
    """Package name to version, of the lines that are no options."""
    found: dict[str, str] = {}
    for name in names:
        for line in lines(name):
            if not line.startswith("-"):
                requirement = Requirement(line)
                found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return found


@pytest.mark.parametrize("name", [*FILES, TENSORFLOW])
def test_every_line_is_one_exact_version_from_the_package_index(name: str) -> None:
    for line in lines(name):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.]*|-[rc] [a-z-]+\.txt", line), line


def test_the_files_build_on_each_other() -> None:
    assert "-c constraints.txt" in lines("requirements.txt")
    assert "-r requirements.txt" in lines("requirements-dev.txt")


def test_no_package_is_pinned_twice() -> None:
    names = [canonicalize_name(Requirement(line).name) for name in FILES for line in lines(name) if line[0] != "-"]
    assert sorted(names) == sorted(set(names))


def test_the_platform_installs_all_but_mindspore() -> None:
    assert lines("pip-requirements.txt") == [line for line in lines("requirements.txt") if "mindspore" not in line]


def test_tensorflow_stays_out_of_the_projects_own_environment() -> None:
    assert "tensorflow-cpu" in pins(TENSORFLOW)
    # The list is installed without what its packages ask for, so that the build for GPUs does not come along.
    assert not {"tensorflow", "mindspore"} & set(pins(TENSORFLOW))
    assert not [name for name in pins(*FILES) if name.startswith(("tensorflow", "tf-", "keras"))]


def test_what_the_project_is_built_on() -> None:
    runtime = pins("requirements.txt")
    assert runtime["mindspore"] == "==2.10.0"
    assert re.fullmatch(r"==1\.(2[6-9])\.\d+", runtime["numpy"])


def test_everything_that_comes_along_is_pinned_too() -> None:
    pinned = pins(*FILES)
    waiting, seen = list(pins("requirements.txt", "requirements-dev.txt")), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    assert sorted(seen - set(pinned)) == []
    assert len(seen) > 50
