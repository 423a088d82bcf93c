"""The smoke test: start a process that computes something on the device, and say how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from src.common.json_files import object_or_empty
from src.runtime.doctor.findings import Finding, Topic
from src.runtime.doctor.machine import Machine

TOPIC = Topic("smoke test")
MODULE = "src.runtime.doctor.smoke_graph"
_NO_MINDSPORE = "ModuleNotFoundError: No module named 'mindspore'"
_REASONS = "see the errors above: one of them may be the reason"
_SIGNAL_ADVICE = {
    "SIGILL": "this processor misses instructions that MindSpore was built with",
    "SIGKILL": "most often the memory was used up: see the line about it, and dmesg",
    "SIGSEGV": "most often libraries of another version: compare the versions above, unset LD_PRELOAD",
    "SIGABRT": "most often a driver or library of another version: compare the versions above",
}


@dataclass(frozen=True)
class Smoke:
    """What to run.

    Attributes:
        device_target: ``CPU``, ``GPU`` or ``Ascend``.
        device_id: Number of the device.
        timeout_s: Seconds after which the process is killed.
        module: The module that computes.
    """

    device_target: str
    device_id: int = 0
    timeout_s: float = 180.0
    module: str = MODULE


def probe(machine: Machine, smoke: Smoke) -> Iterator[Finding]:
    """Yield how the test ended."""
    device = smoke.device_target if smoke.device_target == "CPU" else f"{smoke.device_target} {smoke.device_id}"
    # The project first, as in a run; and a folder of its own, as MindSpore leaves files in the current one.
    path = os.pathsep.join([str(machine.project), *filter(None, [machine.environment.get("PYTHONPATH")])])
    environment = {**machine.environment, "PYTHONPATH": path}
    command = [sys.executable, "-m", smoke.module, smoke.device_target, str(smoke.device_id)]
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(dir=machine.temporary) as folder:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=smoke.timeout_s,
                check=False,
            )
    except subprocess.TimeoutExpired:
        yield TOPIC.error(
            f"{device}: no end within {smoke.timeout_s:g} s",
            "check npu-smi or nvidia-smi for a device that hangs, or give it longer with --smoke_timeout_s",
        )
        return
    except OSError as error:
        yield TOPIC.error(f"{device}: the test cannot be started: {error.strerror}", "see the lines about disk")
        return
    yield _judge(device, done, time.perf_counter() - began)


def _judge(device: str, done: subprocess.CompletedProcess[str], seconds: float) -> Finding:
    """Return the finding for a process that has ended."""
    result = _result_of(done.stdout)
    if result is not None and not result.get("problem"):
        return TOPIC.ok(
            f"{device}: MindSpore started in {result['import_s']:.1f} s, a graph was compiled and run in "
            f"{result['first_s']:.2f} s, and run again in {result['second_s']:.4f} s; {seconds:.1f} s in all"
        )
    if result is not None:
        problem = str(result["problem"])
        fix = str(result.get("fix") or ("see the lines about versions" if problem == _NO_MINDSPORE else _REASONS))
        return TOPIC.error(f"{device}: {problem}", fix)
    if done.returncode < 0:
        name = _signal_name(-done.returncode)
        return TOPIC.error(
            f"{device}: the process was ended by {name}{_quoted(done.stderr)}",
            _SIGNAL_ADVICE.get(name, "compare the versions"),
        )
    return TOPIC.error(
        f"{device}: the process ended with status {done.returncode}{_quoted(done.stderr)}",
        _REASONS,
    )


def _result_of(output: str) -> dict[str, Any] | None:
    """Return the last line of JSON; MindSpore and the libraries below it print lines of their own."""
    for line in reversed(output.splitlines()):
        result = object_or_empty(line)
        if "problem" in result:
            return result
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip().strip("-")]
    return lines[-1][:300] if lines else "nothing was printed"


def _quoted(text: str) -> str:
    return f": {_last_line(text)}" if text.strip() else ""
