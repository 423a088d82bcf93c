from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    "help",
    "quickstart",
    "test",
    "test-fast",
    "test-tensorflow",
    "bench",
    "check",
    "format",
    "export-check",
    "parity",
    "clean",
)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # A make that started this test run would pass its own options on.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_is_the_default_and_lists_the_targets() -> None:
    result = make()
    assert result.returncode == 0, result.stderr
    assert result.stdout == make("help").stdout
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == sorted(
        TARGETS, key=lambda name: (ROOT / "Makefile").read_text().index(f"\n{name}:")
    )


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_not_mistaken_for_files(target: str) -> None:
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert target in " ".join(phony).split()


def test_quickstart_installs_the_runtime_alone(tmp_path: Path) -> None:
    commands = make("--dry-run", "quickstart", f"VENV={tmp_path}/venv").stdout
    assert commands.startswith("bash scripts/make_environment.sh runtime\n")
    assert "make_environment.sh dev" not in commands


@pytest.mark.parametrize("target", ["test", "test-fast", "check", "format", "parity"])
def test_tests_and_checks_install_the_tools(target: str, tmp_path: Path) -> None:
    commands = make("--dry-run", target, f"VENV={tmp_path}/venv").stdout
    assert commands.startswith("bash scripts/make_environment.sh dev\n")
    assert commands.count("bash scripts/make_environment.sh") == 1


@pytest.mark.parametrize("target", ["test", "test-fast"])
def test_processes_share_whole_files_of_tests(target: str) -> None:
    assert "-m pytest -n 2 --dist loadfile " in make("--dry-run", target).stdout
    assert "-m pytest -n 0 --dist loadfile " in make("--dry-run", target, "TEST_WORKERS=0").stdout


def test_tensorflow_gets_an_environment_of_its_own(tmp_path: Path) -> None:
    places = (f"VENV={tmp_path}/venv", f"TENSORFLOW_VENV={tmp_path}/other")
    commands = make("--dry-run", "test-tensorflow", *places).stdout.splitlines()
    assert [line for line in commands if "make_environment" in line] == [
        "bash scripts/make_environment.sh dev",
        "bash scripts/make_environment.sh tensorflow",
    ]
    start = f"TENSORFLOW_PYTHON={tmp_path}/other/bin/python {tmp_path}/venv/bin/python -m pytest tests/tensorflow"
    assert commands[-1].startswith(start)
    assert "environment.sh tensorflow" not in make("--dry-run", "test", *places).stdout


def test_peers_get_an_environment_of_their_own(tmp_path: Path) -> None:
    places = (f"VENV={tmp_path}/venv", f"PEERS_VENV={tmp_path}/peers", "BENCH_ARGS=--only forward")
    commands = make("--dry-run", "bench", *places).stdout.splitlines()
    assert [line for line in commands if "make_environment" in line] == [
        "bash scripts/make_environment.sh runtime",
        "bash scripts/make_environment.sh peers",
    ]
    peer = f"--peer_python {tmp_path}/peers/bin/python --only forward"
    assert commands[-1] == f"{tmp_path}/venv/bin/python -m benchmarks.contest {peer}"


def test_a_finished_environment_is_taken_as_it_is(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(ROOT / "tests" / "scripts" / "absent")
    for stamp in (".runtime-installed", ".dev-installed"):
        (venv / stamp).touch()
    assert "make_environment.sh dev" in make("--dry-run", "test", f"VENV={venv}").stdout
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").write_text("#!/bin/sh\necho 1\n")
    (venv / "bin" / "python").chmod(0o755)
    assert "make_environment.sh" not in make("--dry-run", "test", f"VENV={venv}").stdout
    (venv / ".installing").touch()
    assert "make_environment.sh dev" in make("--dry-run", "test", f"VENV={venv}").stdout


def test_quickstart_removes_nothing_but_its_own_folders() -> None:
    removals = [line for line in make("--dry-run", "quickstart").stdout.splitlines() if line.startswith("rm ")]
    assert removals == ["rm -rf quickstart/vocabulary quickstart/records quickstart/pretrain quickstart/run"]


def test_continuous_integration_runs_checks_and_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert text.index("make check") < text.index("make test")
