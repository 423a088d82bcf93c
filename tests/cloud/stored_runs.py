"""Runs as a training leaves them, and a storage that breaks off, for the tests of results."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from src.cloud.folder_store import FolderStore
from src.cloud.results import INDEX_NAME, RunPlace
from src.cloud.store import Tick
from src.common.files import write_json_atomic

RUN = RunPlace(("run",), "run/checkpoints")


class Killed(BaseException):
    pass


class LimitedStore(FolderStore):
    """A folder that is killed after a number of changes."""

    changes = 10_000

    def _count(self) -> None:
        if self.changes == 0:
            raise Killed
        self.changes -= 1

    def put(self, source: Path, name: str, digest: str, tick: Tick) -> None:
        self._count()
        super().put(source, name, digest, tick)

    def write(self, name: str, content: bytes) -> None:
        self._count()
        super().write(name, content)

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self._count()
            super().remove([name])


def save(folder: Path, steps: Sequence[int]) -> None:
    """Write a run whose checkpoints are of these steps, as the training does."""
    run = folder / "run"
    checkpoints = run / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    (run / "environment.json").write_text('{"run_format": 1}')
    (run / "train.log").write_text(f"step {steps[-1]}\n")
    entries = []
    for step in steps:
        content = f"weights {step}".encode()
        path = checkpoints / f"albert-1_{step}.ckpt"
        if not path.exists():
            path.write_bytes(content)
        record = {"name": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        entries.append({"position": {"global_step": step}, "weights": record})
    write_json_atomic(checkpoints / "manifest.json", {"checkpoints": entries})
    for path in checkpoints.glob("*.ckpt"):
        if int(path.stem.split("_")[1]) not in steps:
            path.unlink()


def stored_names(store: FolderStore) -> set[str]:
    return {file.name for file in store.list_files()} - {INDEX_NAME}
