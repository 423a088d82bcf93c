"""Call the launchers of the V2 recipes with a recorder in the place of Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FULL, PERFORMANCE = "train_albert_v2_full_1p.sh", "train_albert_v2_performance_1p.sh"
SCRIPTS = (FULL, PERFORMANCE)
VARIABLES = ("ASCEND_DEVICE_ID", "DEVICE_ID", "RANK_ID", "RANK_SIZE", "RANK_TABLE_FILE", "GLOG_log_dir")

# Stands in place of Python: notes folder, environment and arguments, then does what the test asks for.
RECORDER = """#!/usr/bin/env bash
if [[ "$1" == -c ]]; then echo "Python 3"; exit; fi
values=""
for name in ASCEND_DEVICE_ID DEVICE_ID RANK_ID RANK_SIZE RANK_TABLE_FILE GLOG_log_dir; do
    values+="$name=${!name-unset};"
done
printf '%s|%s|%s\\n' "$PWD" "$values" "$*" >>"$RECORD"
if [[ "${*: -1}" == --print_config ]]; then
    if [[ -n "${BAD_CONFIG:-}" ]]; then echo "error: $BAD_CONFIG" >&2; exit 2; fi
    exit 0
fi
if [[ "$2" == src.tasks.run_summary ]]; then
    echo "the summary"
    exit "${SUMMARY_STATUS:-0}"
fi
trap 'echo "state saved"; exit 143' TERM
echo "training"
echo "a warning" >&2
sleep "${TRAINING_S:-0}" &
wait $!
echo "error: the end of the training" >&2
exit "${TRAINING_STATUS:-0}"
"""


class World:
    """A folder with a data folder in it, and the recorder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a folder"
        self.folder.mkdir()
        (self.folder / "data").mkdir()
        self.recorder = folder / "recorder"
        self.recorder.write_text(RECORDER)
        self.recorder.chmod(0o755)
        self.record = folder / "record"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return {**kept, "PYTHON": str(self.recorder), "RECORD": str(self.record), **more}

    def run(self, script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(ROOT / "scripts" / script), *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(**environment), capture_output=True, text=True, timeout=20,
            check=False,
        )  # fmt: skip

    def calls(self) -> list[tuple[str, dict[str, str], str]]:
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        parts = [line.split("|", 2) for line in lines]
        return [
            (place, dict(item.split("=", 1) for item in values.split(";") if item), words.replace(f"{ROOT}/", ""))
            for place, values, words in parts
        ]


def arguments(world: World, size: str = "base", variant: str = "full", device: str = "0", data: str = "data") -> str:
    run = f"{world.folder}/output/{device}/albert_v2_{size}_{variant}"
    return (
        f"run_classifier.py --overlay configs/mnli_v2_{size}.yaml --albert_data_dir {data} --run_dir {run}"
        f" --custom_network_dir albert_{size} --device_target Ascend --device_id {device}"
    )
