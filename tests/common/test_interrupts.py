from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from src.common.cli import run_command
from src.common.interrupts import ended_in_a_word, held_interrupts, interrupted_by_sigterm, quiet_interrupts

ROOT = Path(__file__).resolve().parents[2]


def test_sigterm_interrupts_and_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_nothing_is_shown_between_an_interrupt_and_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    @quiet_interrupts()
    def compiled() -> None:
        os.write(2, b"before\n")
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            os.write(2, b"where a compiler stood\n")

    with pytest.raises(KeyboardInterrupt):
        compiled()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_others_and_threads_are_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with quiet_interrupts():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]

    def in_thread() -> None:
        with quiet_interrupts():
            seen.append(0)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert seen == [signal.SIGINT, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_until_the_block_has_ended(number: int) -> None:
    done = []

    def work() -> None:
        with held_interrupts():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            done.append("to the end")
        done.append("too far")

    with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():
        work()
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_happens_and_threads_are_left_alone() -> None:
    done = []

    def work() -> None:
        with held_interrupts():
            done.append("thread")

    with held_interrupts():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert done == ["thread"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


PROGRAM = """
import atexit, os, signal, sys
from pathlib import Path
from src.common.cli import run_command
from src.common.files import atomic_path
sys.path.append(sys.argv[1])
atexit.register(lambda: os.write(2, b"half built\\n"))
def main(argv):
    if len(argv) == 1:
        import compiled
    else:
        with atomic_path(Path(argv[1], "deep", "file")):
            import compiled
    return 0
sys.exit(run_command(main))
"""


@pytest.mark.parametrize("is_writing", [False, True])
def test_an_interrupted_import_ends_in_a_word(tmp_path: Path, is_writing: bool) -> None:
    # As a compiled module does, which makes an error of its own of Ctrl-C.
    text = (
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    [0 for _ in range(1000)]\n"
        "except KeyboardInterrupt:\n    raise ImportError('initialization failed')\n"
    )
    (tmp_path / "compiled.py").write_text(text, encoding="utf-8")
    folder = tmp_path / "written"
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path), *([str(folder)] if is_writing else [])]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert not folder.exists()


def test_an_interrupt_outside_of_imports_is_an_exception() -> None:
    done = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            done.append("tidied up")

    with pytest.raises(KeyboardInterrupt), ended_in_a_word():
        work()
    assert done == ["tidied up"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_commands_are_quiet_after_both_signals(capfd: pytest.CaptureFixture[str], number: int) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def main(argv: Sequence[str]) -> int:
        with quiet_interrupts(sigterm=True):
            try:
                signal.raise_signal(number)
            finally:
                os.write(2, b"where a compiler stood\n")
        return 0

    assert run_command(main, []) == 130
    assert capfd.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before


SCRIPTS = [path.name for path in sorted(ROOT.glob("*.py"))]


@pytest.mark.parametrize("name", SCRIPTS)
def test_entry_scripts_import_inside_their_command(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert set(modules) <= {"__future__", "sys", "collections.abc", "src.common.cli"}
