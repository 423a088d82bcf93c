"""Run ``create_pretraining_data.py`` once and measure its processes."""

from __future__ import annotations

import contextlib
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT, status_mb
from src.common.errors import DataError, DeviceError
from src.common.files import sha256_of
from src.data.pretraining.manifest import PretrainManifest, find_manifests, read_pretrain_manifest
from src.data.pretraining.statistics import PretrainStatistics

_SAMPLE_S = 0.02


@dataclass(frozen=True)
class Run:
    """What one run took and gave.

    Attributes:
        wall_s: Seconds from start to end.
        cpu_s: Processor seconds of all its processes, user and system.
        text_tokens: Tokens of the text, once, whatever the number of passes.
        record_tokens: Tokens of all records, special tokens included, padding left out.
        parent_mb: Peak resident memory of the command's own process.
        worker_mb: Peak resident memory of the largest worker; 0 without workers.
        digest: sha256 over names and sha256 of all record files.
    """

    wall_s: float
    cpu_s: float
    text_tokens: int
    record_tokens: int
    parent_mb: float
    worker_mb: float
    digest: str


def run_creation(text: Path, output_dir: Path, workers: int, options: Sequence[str]) -> Run:
    """Run the command.

    Raises:
        DeviceError: It failed; the message has its last line.
    """
    command = [sys.executable, str(ROOT / "create_pretraining_data.py"), "--input", str(text)]
    command += ["--output_dir", str(output_dir), "--num_workers", str(workers), *options]
    before, started = children_cpu_s(), time.monotonic()
    peaks: dict[int, float] = {}
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            while process.poll() is None:
                _sample(process.pid, peaks)
                time.sleep(_SAMPLE_S)
        finally:
            process.terminate()
        wall_s = time.monotonic() - started
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    if process.returncode:
        raise DeviceError(f"create_pretraining_data.py ended with {process.returncode}", "", (lines or [""])[-1])
    statistics = PretrainStatistics.from_dict(manifest_in(output_dir).statistics)
    return Run(
        wall_s=wall_s,
        cpu_s=children_cpu_s() - before,
        text_tokens=statistics.text_tokens,
        record_tokens=statistics.tokens,
        parent_mb=peaks.pop(process.pid, 0.0),
        worker_mb=max(peaks.values(), default=0.0),
        digest=digest_of(output_dir),
    )


def digest_of(folder: Path) -> str:
    """Return one sha256 for names and contents of the record files of a folder, read anew from the disk."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.tfrecord")):
        digest.update(f"{file.name} {sha256_of(file)}\n".encode())
    return digest.hexdigest()


def manifest_in(folder: Path) -> PretrainManifest:
    """Return the manifest of a folder; raise ``DataError`` where there is none."""
    found = find_manifests(folder)
    if not found:
        raise DataError("there are no records", str(folder), "look at the output of create_pretraining_data.py")
    return read_pretrain_manifest(found[0])


def _sample(parent: int, peaks: dict[int, float]) -> None:
    """Note the peaks of the process and of the processes that it started; one of them may just have ended."""
    with contextlib.suppress(OSError, DeviceError):
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        for process in (parent, *map(int, children)):
            peaks[process] = max(peaks.get(process, 0.0), status_mb("VmHWM", process))


def children_cpu_s() -> float:
    """Return the processor seconds of all ended children and their children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
