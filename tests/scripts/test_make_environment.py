from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_environment.sh"

# A Python that has a version, can make environments of itself, and notes what pip is asked for.
FAKE_PYTHON = """#!/usr/bin/env bash
version="@VERSION@"
case "$1 $2" in
    "-c import sys; print"*) echo "$version" ;;
    "-c "*)
        [[ "$version" =~ ^3\\.1[0-2]\\. ]] || exit 1
        [[ "$*" != *ensurepip* || -z "@NO_VENV@" ]] || exit 1
        ;;
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/pyvenv.cfg" ;;
    "-m pip")
        printf '%s\\n' "${*: -1}" >>"$RECORD"
        [[ "$3" == --version ]] || printf '%s\\n' "$*" >>"${RECORD%record}options"
        [[ "$3" == --version || -z "${PIP_FAILS:-}" ]]
        ;;
esac
"""

# Tells what the variables say of two disks.
FAKE_DF = """#!/usr/bin/env bash
[[ "$1 $2" == "-Pk --" && -e "$3" ]] || exit 1
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
case "$3" in
    *other*) echo "/dev/other 9 9 $OTHER_KB 9% /other" ;;
    *) echo "/dev/one 9 9 $FREE_KB 9% /" ;;
esac
"""
FAKE_DU = """#!/usr/bin/env bash
echo "${USED_KB:-0} ${*: -1}"
"""
GB_IN_KB = 10**9 / 1024

Make = Callable[..., subprocess.CompletedProcess[str]]


def add_python(folder: Path, name: str, version: str, *, venv: bool = True) -> Path:
    path = folder / name
    path.write_text(FAKE_PYTHON.replace("@VERSION@", version).replace("@NO_VENV@", "" if venv else "1"))
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs that the script needs, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "rm", "mkdir", "touch", "ls", "cp", "cat", "dirname"):
        source = next(Path(part) / name for part in ("/usr/bin", "/bin") if (Path(part) / name).exists())
        (folder / name).symlink_to(source)
    return folder


@pytest.fixture
def make(tmp_path: Path, programs: Path) -> Make:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(programs), "RECORD": str(tmp_path / "record"), "VENV": str(tmp_path / "venv")}
        return subprocess.run(
            ["bash", str(SCRIPT), *arguments],
            env={**variables, **environment},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    return run


def installed(tmp_path: Path) -> list[str]:
    record = tmp_path / "record"
    lines = record.read_text().splitlines() if record.exists() else []
    return [os.path.basename(line) for line in lines if line != "--version"]


def test_makes_the_runtime_environment(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.13.0")
    add_python(programs, "python3.12", "3.12.1")
    result = make("runtime")
    assert result.returncode == 0, result.stderr
    assert "python3.12 (3.12.1)" in result.stdout
    assert installed(tmp_path) == ["requirements.txt"]
    assert (tmp_path / "venv" / ".runtime-installed").exists()
    assert not (tmp_path / "venv" / ".dev-installed").exists()
    assert not (tmp_path / "venv" / ".installing").exists()


def test_dev_adds_to_an_environment_that_is_there(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.10.13")
    assert make("runtime").returncode == 0
    (tmp_path / "venv" / "mine").touch()
    result = make("dev")
    assert result.returncode == 0, result.stderr
    assert "creating" not in result.stdout
    assert (tmp_path / "venv" / "mine").exists()
    assert (tmp_path / "venv" / ".dev-installed").exists()
    assert installed(tmp_path) == ["requirements.txt", "requirements-dev.txt"]


def test_peers_are_installed_elsewhere(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.12.1")
    peers = tmp_path / "peers"
    result = make("peers", PEERS_VENV=str(peers))
    assert result.returncode == 0, result.stderr
    assert installed(tmp_path) == ["requirements-peers.txt"]
    assert (peers / ".peers-installed").exists()
    assert not (tmp_path / "venv").exists()


def test_tensorflow_is_installed_elsewhere_as_it_is_listed(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.12.1")
    other = tmp_path / "other"
    assert make("runtime").returncode == 0
    result = make("tensorflow", TENSORFLOW_VENV=str(other))
    assert result.returncode == 0, result.stderr
    assert installed(tmp_path) == ["requirements.txt", "requirements-tensorflow.txt"]
    assert (other / ".tensorflow-installed").exists()
    assert not (other / ".runtime-installed").exists()
    assert not (tmp_path / "venv" / ".tensorflow-installed").exists()
    # The list is complete; what its packages ask for besides would be another TensorFlow.
    assert "--no-deps" in (tmp_path / "options").read_text().splitlines()[-1]
    assert "--no-deps" not in (tmp_path / "options").read_text().splitlines()[0]


def test_failed_installation_is_done_again_from_nothing(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.11.7")
    result = make("runtime", PIP_FAILS="1")
    assert result.returncode == 1
    assert not (tmp_path / "venv" / ".runtime-installed").exists()
    (tmp_path / "venv" / "half a package").touch()
    result = make("runtime")
    assert result.returncode == 0, result.stderr
    assert "creating" in result.stdout
    assert not (tmp_path / "venv" / "half a package").exists()
    assert (tmp_path / "venv" / ".runtime-installed").exists()


def test_environment_whose_python_is_gone_is_made_anew(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.11.7")
    assert make("runtime").returncode == 0
    (tmp_path / "venv" / "bin" / "python").unlink()
    result = make("runtime")
    assert result.returncode == 0, result.stderr
    assert "creating" in result.stdout


def test_no_python_that_fits(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.13.0")
    add_python(programs, "python3.12", "3.12.1", venv=False)
    result = make("runtime")
    assert result.returncode == 2
    assert "needs Python 3.10, 3.11 or 3.12 with its venv module" in result.stderr
    assert "python3.12=3.12.1 python3=3.13.0" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all(make: Make) -> None:
    result = make("runtime")
    assert result.returncode == 2
    assert "Found: none" in result.stderr


def test_named_python_that_does_not_fit_is_not_replaced(make: Make, programs: Path) -> None:
    add_python(programs, "python3", "3.11.7")
    old = add_python(programs, "old", "3.9.2")
    result = make("runtime", PYTHON=str(old))
    assert result.returncode == 2
    assert f"Found: {old}=3.9.2" in result.stderr


def test_named_python(make: Make, programs: Path) -> None:
    add_python(programs, "python3", "3.11.7")
    mine = add_python(programs, "mine", "3.10.2")
    assert f"{mine} (3.10.2)" in make("runtime", PYTHON=str(mine)).stdout


def test_folder_that_is_no_environment_is_left_alone(make: Make, programs: Path, tmp_path: Path) -> None:
    add_python(programs, "python3", "3.11.7")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "letters.txt").write_text("dear")
    result = make("runtime")
    assert result.returncode == 2
    assert "is not a Python environment" in result.stderr
    assert (tmp_path / "venv" / "letters.txt").read_text() == "dear"


@pytest.mark.parametrize("arguments", [(), ("everything",)])
def test_wrong_call(make: Make, arguments: tuple[str, ...]) -> None:
    result = make(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: bash scripts/make_environment.sh runtime|dev|tensorflow|peers")


@pytest.fixture
def disks(programs: Path) -> None:
    """Programs that tell how much is free, and a Python to install with."""
    add_python(programs, "python3", "3.11.7")
    for name, text in (("df", FAKE_DF), ("du", FAKE_DU)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)


def kilobytes(gigabytes: float) -> str:
    return str(int(gigabytes * GB_IN_KB) + 1)


@pytest.mark.usefixtures("disks")
@pytest.mark.parametrize(
    ("kind", "needed"), [("runtime", "5.4"), ("dev", "7.5"), ("tensorflow", "3.0"), ("peers", "2.2")]
)
def test_a_disk_that_is_too_full_is_refused_before_anything_is_written(
    make: Make, tmp_path: Path, kind: str, needed: str
) -> None:
    variable = {"tensorflow": "TENSORFLOW_VENV", "peers": "PEERS_VENV"}.get(kind, "VENV")
    place = {variable: str(tmp_path / "deep" / "er")}
    result = make(kind, FREE_KB=kilobytes(float(needed) - 0.1), **place)
    assert result.returncode == 2
    assert result.stderr == (
        f"error: the installation of {kind} needs about {needed} GB in {tmp_path}/deep/er, and "
        f"{float(needed) - 0.1:.1f} GB are free there -> free some space, name a folder of another disk with "
        f"{variable}, or go on all the same with SPACE_CHECK=no\n"
    )
    assert not (tmp_path / "deep").exists()
    assert installed(tmp_path) == []
    assert make(kind, FREE_KB=kilobytes(float(needed)), **place).returncode == 0
    assert (tmp_path / "deep" / "er" / "pyvenv.cfg").exists()


@pytest.mark.usefixtures("disks")
def test_a_disk_for_what_is_downloaded(make: Make, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    keys = {"TMPDIR": str(tmp_path / "other"), "FREE_KB": kilobytes(3.4)}
    result = make("runtime", OTHER_KB=kilobytes(1.9), **keys)
    assert result.returncode == 2
    assert f"needs about 2.0 GB in {tmp_path}/other, and 1.9 GB are free" in result.stderr
    assert "with TMPDIR" in result.stderr
    assert make("runtime", OTHER_KB=kilobytes(2.0), **keys).returncode == 0


@pytest.mark.usefixtures("disks")
def test_what_is_there_of_an_environment_needs_no_more_space(make: Make, tmp_path: Path) -> None:
    assert make("runtime", FREE_KB=kilobytes(6)).returncode == 0
    there = {"USED_KB": kilobytes(3.4)}
    assert "needs about 2.1 GB" in make("dev", FREE_KB=kilobytes(2), **there).stderr
    # What is refused is left as it was.
    assert not (tmp_path / "venv" / ".installing").exists()
    assert make("dev", FREE_KB=kilobytes(2.2), **there).returncode == 0
    assert make("dev", FREE_KB="0", USED_KB=kilobytes(9)).returncode == 0
    # An environment that is made anew gives its space back first, and all is downloaded again.
    (tmp_path / "venv" / ".installing").touch()
    assert "needs about 7.5 GB" in make("dev", FREE_KB=kilobytes(2.2), **there).stderr
    assert (tmp_path / "venv" / "pyvenv.cfg").exists()
    assert make("dev", FREE_KB=kilobytes(4.2), **there).returncode == 0


@pytest.mark.usefixtures("disks")
def test_the_check_of_the_disk_can_be_left_out(make: Make, tmp_path: Path) -> None:
    assert make("runtime", FREE_KB="0", SPACE_CHECK="no").returncode == 0
    assert installed(tmp_path) == ["requirements.txt"]


@pytest.mark.usefixtures("disks")
@pytest.mark.parametrize("free", ["", "-", "1.5G"])
def test_a_disk_that_tells_nothing_is_no_obstacle(make: Make, free: str) -> None:
    assert make("runtime", FREE_KB=free).returncode == 0


@pytest.mark.usefixtures("disks")
def test_a_folder_that_is_named_without_its_path(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = make("runtime", VENV="mine", FREE_KB="0")
    assert result.returncode == 2
    assert "needs about 5.4 GB in mine, and 0.0 GB are free there" in result.stderr
