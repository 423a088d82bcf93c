from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.common.cli import run_command
from src.runtime.doctor import command, smoke
from src.runtime.doctor.findings import Finding, count_text, has_errors
from src.runtime.doctor.machine import PROJECT, Machine
from src.runtime.doctor.smoke import Smoke
from tests.runtime.doctor_support import add_program, make_machine, only, write

RESULT = {"import_s": 2.0, "first_s": 0.5, "second_s": 0.001, "difference": 0.0, "problem": "", "fix": ""}


def test_levels_are_counted() -> None:
    findings = [
        Finding("ERROR", "a", "x"),
        Finding("NOTE", "a", "y"),
        Finding("NOTE", "a", "z"),
        Finding("OK", "a", ""),
    ]
    assert count_text(findings) == "1 error, 0 warnings, 2 notes"
    assert has_errors(findings)
    assert not has_errors(findings[1:])


def test_a_device_is_named_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    parser = command.make_parser()
    assert [parser.parse(["--device_target", name]).device_target for name in ("ascend", "cPu", "GPU")] == [
        "Ascend",
        "CPU",
        "GPU",
    ]
    for words in (["--device_target", "TPU"], ["--smoke_timeout_s", "0"]):
        assert run_command(command.main, words) == 2
        assert f"'{words[1]}'" in capsys.readouterr().err


def smoke_of(tmp_path: Path, code: str, timeout_s: float = 20.0, **environment: str) -> Finding:
    """Return what the doctor says of a test whose process does this."""
    machine = make_machine(tmp_path, {**os.environ, **environment})
    write(machine.project / "fake_smoke.py", f"import os, sys, json, time\n{code}\n")
    return only(smoke.probe(machine, Smoke("Ascend", 3, timeout_s, "fake_smoke")))


def test_a_smoke_test_that_ends_well(tmp_path: Path) -> None:
    # Libraries print lines of their own, before and after.
    code = f"assert sys.argv[1:] == ['Ascend', '3']\nprint('[1, 2]')\nprint({json.dumps(RESULT)!r})\nprint('bye')"
    found = smoke_of(tmp_path, code)
    assert found.level == "OK"
    assert found.what.startswith(
        "Ascend 3: MindSpore started in 2.0 s, a graph was compiled and run in 0.50 s, and run again in 0.0010 s; "
    )


def test_what_the_smoke_test_says_of_the_device(tmp_path: Path) -> None:
    result = {"problem": "Ascend cannot be used: Unsupported device target Ascend", "fix": "install CANN"}
    assert smoke_of(tmp_path, f"print({json.dumps(result)!r})").as_line() == (
        "ERROR    Ascend 3: Ascend cannot be used: Unsupported device target Ascend -> install CANN"
    )


@pytest.mark.parametrize(
    ("code", "what", "fix"),
    [
        ("os.kill(os.getpid(), 11)", "Ascend 3: the process was ended by SIGSEGV", "most often libraries of another"),
        (
            "sys.stderr.write('terminate called\\n----\\n'); sys.stderr.flush(); os.abort()",
            "Ascend 3: the process was ended by SIGABRT: terminate called",
            "most often a driver",
        ),
        ("os.kill(os.getpid(), 9)", "Ascend 3: the process was ended by SIGKILL", "most often the memory was used up"),
        ("sys.exit(3)", "Ascend 3: the process ended with status 3", "see the errors above"),
        ("import no_such_module", "status 1: ModuleNotFoundError: No module named 'no_such_module'", "see the errors"),
        ("print('{}')", "Ascend 3: the process ended with status 0", "see the errors above"),
    ],
)
def test_a_smoke_test_that_crashes_is_a_line(tmp_path: Path, code: str, what: str, fix: str) -> None:
    found = smoke_of(tmp_path, code)
    assert found.level == "ERROR"
    assert what in found.what
    assert found.fix.startswith(fix)


def test_a_smoke_test_that_hangs(tmp_path: Path) -> None:
    found = smoke_of(tmp_path, "time.sleep(60)", timeout_s=0.5)
    assert found.what == "Ascend 3: no end within 0.5 s"
    assert "--smoke_timeout_s" in found.fix


def test_the_smoke_test_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = f"open('rank_0', 'w').close()\nprint({json.dumps(RESULT)!r})"
    assert smoke_of(tmp_path, code).level == "OK"
    assert not (tmp_path / "rank_0").exists()
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_the_smoke_test_on_this_cpu() -> None:
    found = only(smoke.probe(Machine(), Smoke("CPU")))
    assert found.level == "OK", found.as_line()
    assert found.what.startswith("CPU: MindSpore started in ")


def test_programs(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    assert machine.program("tool") is None
    assert machine.run([str(tmp_path / "none")]).problem == "cannot be started: No such file or directory"
    add_program(machine, "tool", "said\n", 2, "first\nlast\n")
    outcome = machine.run([str(machine.program("tool"))])
    assert (outcome.status, outcome.output, outcome.problem) == (2, "said\n", "ended with status 2: last")
    write(tmp_path / "bin" / "slow", f"#!{sys.executable} -S\nimport time\ntime.sleep(60)\n").chmod(0o755)
    assert machine.run([str(machine.program("slow"))], 0.3).problem == "did not end within 0.3 s"


def test_shown_variables_hide_secrets(tmp_path: Path) -> None:
    machine = make_machine(tmp_path, {"MY_SECRET_KEY": "geheim", "URL": "s3://a:b@c"})
    assert machine.shown("MY_SECRET_KEY") == "MY_SECRET_KEY=***"
    assert machine.shown("URL") == "URL=s3://***@c"


def fake(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(command, "examine", lambda machine, target, run_dir: iter(findings))
    monkeypatch.setattr(
        command.smoke, "probe", lambda machine, test: iter([Finding("OK", "smoke test", test.device_target)])
    )


def test_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, Finding("OK", "disk", "well"), Finding("ERROR", "disk", "full", "free some"))
    assert command.main(["--device_target", "GPU"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == ["disk", "  OK       well", "  ERROR    full -> free some", "smoke test", "  OK       GPU", ""]
    assert lines[-1].startswith("1 error, 0 warnings, 0 notes in ")


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, Finding("WARNING", "disk", "short", "free some"))
    assert command.main(["--json", "--no_smoke"]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert content.pop("elapsed_s") >= 0
    assert content == {
        "device_target": "CPU",
        "ok": True,
        "counts": {"OK": 0, "NOTE": 0, "WARNING": 1, "ERROR": 0},
        "findings": [{"level": "WARNING", "topic": "disk", "what": "short", "fix": "free some"}],
    }


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--no_smok"], "unknown option --no_smok -> did you mean --no_smoke?"),
        (["--device_target", "TPU"], "invalid choice: 'TPU'"),
        (["--device_id", "-1"], "'-1' is not a count"),
        (["--run_dir", ""], "must not be empty"),
    ],
)
def test_wrong_calls(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command.main, argv) == 2
    assert message in capsys.readouterr().err


def run_bare(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor in a Python that finds the standard library alone."""
    variables = {"PATH": os.defpath, **environment}
    words = [sys.executable, "-S", "-m", "src.runtime.doctor", *arguments]
    return subprocess.run(words, cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_without_any_package(tmp_path: Path) -> None:
    done = run_bare("--no_smoke", "--run_dir", str(tmp_path), "--json")
    content = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stderr == ""
    errors = [finding["what"] for finding in content["findings"] if finding["level"] == "ERROR"]
    assert errors[0] == "MindSpore is not installed: nothing can be trained or predicted"
    # Under 1 s on an idle machine; the tests may share theirs.
    assert content["elapsed_s"] < 5


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    main = PROJECT / "src" / "runtime" / "doctor" / "__main__.py"
    # What Python 3.6 has not: the check must come before, and its file must not use it itself.
    text = main.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "__future__" not in text
    program = f"import sys; sys.version_info = (3, 8, 18, 'final', 0); exec(open({str(main)!r}).read())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "ERROR    Python 3.8 is too old for this project -> use Python 3.10 to 3.12\n"
    assert (done.returncode, done.stderr) == (1, "")


def test_the_help_needs_no_package() -> None:
    done = run_bare("--help")
    assert done.returncode == 0
    assert "--device_target" in done.stdout


def test_strange_variables_end_in_lines(tmp_path: Path) -> None:
    strange = {
        "RANK_TABLE_FILE": str(tmp_path),
        "RANK_ID": "²",
        "OMP_NUM_THREADS": "٣",
        "LC_ALL": "xx_XX",
        "GLOG_log_dir": "\x7f",
        "LD_LIBRARY_PATH": ":::",
        "PYTHONPATH": "\udcff",
        "MS_SCHED_PORT": "9" * 5000,
    }
    done = run_bare("--no_smoke", "--run_dir", str(tmp_path), **strange)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "Traceback" not in done.stdout
    assert "RANK_TABLE_FILE: " in done.stdout
