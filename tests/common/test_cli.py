from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from src.common.cli import run_command
from src.common.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def failing(error: BaseException) -> int:
    def main(_: Sequence[str]) -> int:
        raise error

    return run_command(main, [])


def test_the_status_of_the_command_is_passed_on() -> None:
    assert run_command(lambda argv: len(argv), ["a", "b", "c"]) == 3


def test_arguments_come_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--x", "1"])
    assert run_command(lambda argv: len(argv)) == 2


def test_a_users_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(ConfigError("unknown key 'lr'", "a.yaml:3", "did you mean learning_rate?")) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: a.yaml:3: unknown key 'lr' -> did you mean learning_rate?\n"
    assert captured.out == ""


def test_a_system_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(OSError(errno.ENOSPC, "No space left on device", "out/file")) == 2
    assert capsys.readouterr().err.startswith("error: out/file: no space left on the device")


def test_an_interruption_has_its_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_package_that_is_not_installed_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError("No module named 'pydantic.v9'", name="pydantic.v9")
    assert failing(error) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {sys.executable}: this Python lacks the package pydantic.v9 -> run 'make quick")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("name", ["src.no_such_module", None])
def test_a_module_of_ours_that_is_not_there_keeps_its_traceback(name: str | None) -> None:
    with pytest.raises(ModuleNotFoundError):
        failing(ModuleNotFoundError("No module", name=name))


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


def test_a_reader_that_leaves_is_no_failure() -> None:
    program = (
        "import sys\n"
        "from src.common.cli import run_command\n"
        "def main(argv):\n"
        "    for _ in range(100000): print('line')\n"
        "    return 0\n"
        "sys.exit(run_command(main))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=30) == 0
