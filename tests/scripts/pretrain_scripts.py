"""Run launchers with a stand-in for Python that notes what it is given."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RECORDER = """#!/usr/bin/env bash
if [[ "$1" == -c ]]; then echo "Python 3"; exit; fi
{
    printf '%s' "${1#"@ROOT@/"}"
    printf ' <%s>' "${@:2}"
    for name in CUDA_VISIBLE_DEVICES GLOG_log_dir GLOG_logtostderr; do
        [[ -z "${!name:-}" ]] || printf ' %s=%s' "$name" "${!name#"$PWD/"}"
    done
    echo
} >>"$RECORD"
if [[ "${*: -1}" == --print_config ]]; then
    if [[ -n "${BAD_CONFIG:-}" ]]; then echo "error: $BAD_CONFIG" >&2; exit 2; fi
    exit 0
fi
echo "training"
exit "${TRAINING_STATUS:-0}"
"""


@dataclass
class Scripts:
    """A folder in which scripts are called.

    Attributes:
        folder: The current folder of the calls.
        programs: The first folder of ``PATH``.
    """

    folder: Path
    programs: Path

    def call(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("GLOG_", "CUDA_", "HCCL_"))
        }
        variables["PATH"] = f"{self.programs}{os.pathsep}{variables['PATH']}"
        variables |= {"PYTHON": str(self.programs / "recorder"), "RECORD": str(self.programs / "record")}
        return subprocess.run(
            ["bash", str(ROOT / "scripts" / script), *arguments],
            cwd=self.folder,
            env={**variables, **environment},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text.replace("@ROOT@", str(ROOT)))
        path.chmod(0o755)

    def calls(self) -> list[str]:
        record = self.programs / "record"
        return record.read_text().splitlines() if record.exists() else []

    def finished_log(self, name: str = "pretraining_log.txt") -> str:
        path = self.folder / name
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            text = path.read_text() if path.exists() else ""
            if "exit status: " in text:
                return text
            time.sleep(0.02)
        raise AssertionError(f"{path} has no end")


def make_scripts(tmp_path: Path) -> Scripts:
    folder, programs = tmp_path / "a folder", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    scripts = Scripts(folder, programs)
    scripts.program("recorder", RECORDER)
    return scripts
