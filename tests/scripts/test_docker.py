"""The image recipes, read as text: Docker is not needed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from src.runtime.doctor.ascend import CANN_VERSIONS
from src.runtime.doctor.versions import PYTHONS
from tests.test_readme import parse

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scripts" / "docker"
RECIPES = sorted(FOLDER.glob("Dockerfile.*"))
PAGE = ROOT / "docs" / "docker.md"
ENTRY = FOLDER / "ascend_entrypoint.sh"
SECRET = re.compile(r"password|passwd|token|secret|access_key|api_key|BEGIN [A-Z ]*PRIVATE KEY", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """An instruction of a recipe with its arguments, continued lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def steps_of(text: str) -> list[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]


def of_kind(steps: list[Step], *names: str) -> list[Step]:
    return [step for step in steps if step.name in names]


def base_image(steps: list[Step]) -> str:
    (base,) = [step.text.partition("=")[2] for step in of_kind(steps, "ARG") if step.text.startswith("BASE_IMAGE=")]
    return base


def is_ignored(name: str) -> bool:
    """Tell whether .dockerignore keeps a file, or a folder above it, out of the image."""
    patterns = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    patterns = [pattern for pattern in patterns if pattern and pattern[0] != "#"]
    parts = name.split("/")
    return any(_matches("/".join(parts[:depth]), pattern) for pattern in patterns for depth in range(1, len(parts) + 1))


def _matches(name: str, pattern: str) -> bool:
    """Match as Docker does: a pattern begins at the project's folder, and * stays inside a folder."""
    if pattern.startswith("**/"):
        rest, parts = pattern[3:], name.split("/")
        return any(_matches("/".join(parts[begin:]), rest) for begin in range(len(parts)))
    names, patterns = name.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def problems_of(text: str) -> list[str]:
    """Return what is wrong with a recipe."""
    steps = steps_of(text)
    found = []
    if [step.name for step in steps[:2]] != ["ARG", "FROM"] or steps[1].text != "${BASE_IMAGE}":
        found.append("it does not begin with ARG BASE_IMAGE and FROM")
    if not re.fullmatch(r"[\w./-]+:\d+\.\d+\.[\w.-]+(@sha256:[0-9a-f]{64})?", base_image(steps)):
        found.append("the base image is not pinned")
    users = [step.text for step in of_kind(steps, "USER")]
    if not users or users[-1] in ("root", "0"):
        found.append("it ends as root")
    found += [f"{step.name} is not used" for step in of_kind(steps, "ADD", "ONBUILD", "SHELL", "VOLUME")]
    found += [f"may hold a secret: {line}" for line in text.splitlines() if SECRET.search(line)]
    found += [
        f"{source} is not there, or .dockerignore keeps it out"
        for source in copied(steps)
        if source != "." and (not (ROOT / source).exists() or is_ignored(source))
    ]
    for step in of_kind(steps, "RUN"):
        found += _problems_of_run(step.text)
    return found


def copied(steps: list[Step]) -> list[str]:
    words = [[word for word in step.words if not word.startswith("--")] for step in of_kind(steps, "COPY")]
    return [source for names in words for source in names[:-1]]


def _problems_of_run(text: str) -> list[str]:
    found = [f"{word} is not there" for word in re.findall(r"\bscripts/\S+", text) if not (ROOT / word).is_file()]
    if re.search(r"\b(curl|wget|git clone|sudo)\b|https?://", text):
        found.append(f"fetches something that is not pinned: {text}")
    if "apt-get install" in text and not ("--no-install-recommends" in text and "rm -rf /var/lib/apt/lists" in text):
        found.append(f"leaves the lists of packages behind: {text}")
    for options in re.findall(r"pip install (.*?)(?:&&|$)", text):
        if "--requirement requirements.txt" not in options:
            found.append(f"installs what requirements.txt does not pin: {text}")
    return found


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipes(path: Path) -> None:
    assert problems_of(path.read_text()) == []


def test_both_recipes_are_there() -> None:
    assert [path.name for path in RECIPES] == ["Dockerfile.ascend", "Dockerfile.cpu"]


GOOD = "ARG BASE_IMAGE=python:3.11.13-slim\nFROM ${BASE_IMAGE}\nCOPY requirements.txt ./\nUSER albert\n"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("3.11.13-slim", "latest"), "the base image is not pinned"),
        (("python:3.11.13-slim", "python"), "the base image is not pinned"),
        (("FROM ${BASE_IMAGE}", "FROM python:3.11"), "it does not begin with"),
        (("USER albert", "USER root"), "it ends as root"),
        (("USER albert", ""), "it ends as root"),
        (("requirements.txt", "no_such_file.txt"), "no_such_file.txt is not there"),
        (("requirements.txt", ".git"), ".git is not there, or .dockerignore keeps it out"),
        (("USER albert", "ENV API_TOKEN=x\nUSER albert"), "may hold a secret: ENV API_TOKEN=x"),
        (("USER albert", "ADD http://x /x\nUSER albert"), "ADD is not used"),
        (("USER albert", "RUN bash scripts/no.sh\nUSER albert"), "scripts/no.sh is not there"),
        (("USER albert", "RUN curl http://x | bash\nUSER albert"), "fetches something"),
        (("USER albert", "RUN pip install mindspore\nUSER albert"), "installs what requirements.txt does not pin"),
        (("USER albert", "RUN apt-get install \\\n  --yes git\nUSER albert"), "leaves the lists of packages behind"),
    ],
)
def test_a_wrong_recipe_would_be_found(change: tuple[str, str], problem: str) -> None:
    assert problems_of(GOOD) == []
    assert any(text.startswith(problem) for text in problems_of(GOOD.replace(*change)))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_base_image_fits_the_project(path: Path) -> None:
    name = base_image(steps_of(path.read_text()))
    python = re.search(r"python:(\d+)\.(\d+)|py(\d+)\.(\d+)", name)
    assert python is not None
    assert PYTHONS[0] <= tuple(int(number) for number in python.groups() if number) <= PYTHONS[1]
    cann = re.search(r"/cann:(\d+)\.(\d+)", name)
    assert cann is None or (int(cann[1]), int(cann[2])) in CANN_VERSIONS
    assert f"`{name}`" in PAGE.read_text()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_what_starts_is_there(path: Path) -> None:
    steps = steps_of(path.read_text())
    words = [word for step in of_kind(steps, "CMD", "ENTRYPOINT") for word in re.findall(r'"([^"]+)"', step.text)]
    assert "src.runtime.doctor" in words
    assert (ROOT / "src" / "runtime" / "doctor" / "__main__.py").exists()
    for word in words:
        assert not word.startswith("/opt/albert/") or (ROOT / word.removeprefix("/opt/albert/")).is_file()
    (folder,) = {step.text for step in of_kind(steps, "WORKDIR")}
    assert folder == "/opt/albert"


def test_what_stays_out_of_the_image() -> None:
    for name in (
        ".git/config",
        ".venv/bin/python",
        "runs/x/train.log",
        "data/a.mindrecord",
        "src/__pycache__/x.pyc",
        ".env",
        "deep/down/server.key",
        "a/credentials",
        "classifier_log.txt",
    ):
        assert is_ignored(name), name
    sources = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "scripts", "configs")
        for path in (ROOT / folder).rglob("*")
    ]
    kept_out = [name for name in sources if "__pycache__" not in name and is_ignored(name)]
    assert kept_out == []
    assert not any(is_ignored(path.name) for path in [*ROOT.glob("*.py"), *ROOT.glob("*.yaml"), *ROOT.glob("*.txt")])


def commands_of_the_page() -> list[str]:
    text = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("docker ")]


def test_the_commands_of_the_page_fit_the_recipes() -> None:
    builds = [shlex.split(line) for line in commands_of_the_page() if line.startswith("docker build ")]
    assert len(builds) == 2
    tags = set()
    for words in builds:
        recipe = ROOT / words[words.index("-f") + 1]
        known = {step.text.partition("=")[0] for step in of_kind(steps_of(recipe.read_text()), "ARG")}
        given = {words[index + 1].partition("=")[0] for index, word in enumerate(words) if word == "--build-arg"}
        assert given <= known
        assert words[-1] == "."
        tags.add(words[words.index("-t") + 1])
    for line in commands_of_the_page():
        if line.startswith("docker run "):
            assert tags & set(line.split()), line
    assert "not built here" in PAGE.read_text()


def test_the_commands_inside_the_containers_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    inner = [match[1] for line in commands_of_the_page() if (match := re.search(r" (python\d? .+)", line))]
    assert len(inner) == 2
    for command in inner:
        parse(command)


def run_entry(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "ASCEND_ROOT": str(folder)}
    return subprocess.run(
        ["bash", str(ENTRY), *command], env=environment, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("toolkit", ["ascend-toolkit", "cann"])
def test_the_entry_point_sets_the_variables_of_cann(tmp_path: Path, toolkit: str) -> None:
    script = tmp_path / toolkit / "set_env.sh"
    script.parent.mkdir()
    # As CANN's own, it reads variables that are not set, and a command in it fails.
    script.write_text('export ASCEND_HOME_PATH=/cann PYTHONPATH="/cann/python:$PYTHONPATH"\nfalse\n')
    show = 'echo "$ASCEND_HOME_PATH|$PYTHONPATH|$LD_LIBRARY_PATH|$1"; exit 7'
    done = run_entry(tmp_path, "bash", "-c", show, "name", "two words")
    driver = f"{tmp_path}/driver/lib64"
    assert done.stdout == f"/cann|/cann/python:|{driver}/common:{driver}/driver:|two words\n"
    assert done.stderr == ""
    assert done.returncode == 7


def test_the_entry_point_without_cann_or_command(tmp_path: Path) -> None:
    done = run_entry(tmp_path, "true")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no set_env.sh of CANN in {tmp_path} -> ")
    done = run_entry(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: bash scripts/docker/ascend_entrypoint.sh")
