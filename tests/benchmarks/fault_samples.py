"""Made-up runs for the tests of the fault run."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.common.files import sha256_of

Record = dict[str, Any]
TOKEN = secrets.token_hex(8)


def record(step: int, kind: str = "train", **figures: float) -> Record:
    return {"time": float(os.getpid()), "kind": kind, "epoch": 0.1, "step": step, "ms_per_step": 3.0, **figures}


def write_run(folder: Path, records: Sequence[Record], steps: Sequence[int] = (4,), content: str = "w") -> Path:
    """Write what a run leaves: a metrics log, and checkpoints whose content is made up."""
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))

    def file(name: str) -> Record:
        (checkpoints / name).write_text(content)
        return {"name": name, "sha256": sha256_of(checkpoints / name)}

    entries = [
        {"position": {"global_step": step}, "weights": file(f"a-{step}.ckpt"), "state": file(f"a-{step}.state.ckpt")}
        for step in steps
    ]
    manifest = {"checkpoints": entries, "best": {"weights": file("a-best.ckpt")}}
    (checkpoints / "manifest.json").write_text(json.dumps(manifest))
    return folder
