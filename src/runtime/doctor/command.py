"""``python -m src.runtime.doctor``: look at the machine, print a line for each thing, and say what is wrong."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from src.common.arguments import OneLineParser, given_path, read_count, whole_number
from src.runtime.doctor import (
    ascend,
    gpu,
    group_variables,
    leftovers,
    processor,
    smoke,
    system,
    variables,
    versions,
)
from src.runtime.doctor.findings import Finding, as_json, count_text, has_errors
from src.runtime.doctor.machine import Machine

_EPILOG = """Every line begins with OK, NOTE (nothing has to be done), WARNING (something may go wrong or be slow) or
ERROR (something will not work). Exit status: 0, or 1 where there is an ERROR. Needs no package, MindSpore included.
Lines about variables hide the values of those that look like secrets. See docs/doctor.md."""


_DEVICES = ("CPU", "GPU", "Ascend")
_DAY_S = 86_400


def _device(text: str) -> str:
    """Return the device whose name this is in any case, as the configuration takes it; another word as it is."""
    return {name.lower(): name for name in _DEVICES}.get(text.lower(), text)


def make_parser() -> OneLineParser:
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="python -m src.runtime.doctor",
        description="Look for what is wrong with this machine, its packages and its environment variables.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--device_target", type=_device, choices=_DEVICES, default="CPU", help="the device to run on (CPU)"
    )
    parser.add_argument("--device_id", type=read_count, default=0, help="number of the device (0)")
    parser.add_argument(
        "--run_dir", type=given_path, default=Path("runs"), help="folder of the runs: its space and its locks (runs)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--no_smoke", action="store_true", help="do not compute anything on the device")
    parser.add_argument(
        "--smoke_timeout_s",
        type=whole_number(1, _DAY_S),
        default=180,
        help="seconds that the smoke test may take (180)",
    )
    return parser


def examine(machine: Machine, device_target: str, run_dir: Path) -> Iterator[Finding]:
    """Yield everything that can be said without computing anything."""
    yield from versions.probe(machine)
    yield from processor.probe(machine)
    yield from gpu.probe(machine, device_target)
    yield from ascend.probe(machine, device_target)
    yield from variables.probe(machine)
    yield from group_variables.probe(machine, device_target)
    yield from system.probe(machine, run_dir)
    yield from leftovers.probe(run_dir)


def main(argv: Sequence[str]) -> int:
    """Look at this machine; return 1 where something will not work."""
    options = make_parser().parse(argv)
    machine = Machine()
    began = time.perf_counter()
    findings = []
    probes = [examine(machine, options.device_target, options.run_dir)]
    if not options.no_smoke:
        test = smoke.Smoke(options.device_target, options.device_id, float(options.smoke_timeout_s))
        probes.append(smoke.probe(machine, test))
    for probe in probes:
        part = list(probe)
        findings += part
        if not options.json:
            # The first part is shown at once: the smoke test takes seconds.
            print(_printable("\n".join(_lines(part))), flush=True)
    elapsed_s = time.perf_counter() - began
    if options.json:
        content = {**as_json(findings, options.device_target), "elapsed_s": round(elapsed_s, 3)}
        print(json.dumps(content, indent=2))
    else:
        print(f"\n{count_text(findings)} in {elapsed_s:.1f} s")
    return int(has_errors(findings))


def _lines(findings: list[Finding]) -> Iterator[str]:
    """Yield the lines of findings, with each topic above its own."""
    for topic, group in groupby(findings, key=lambda finding: finding.topic):
        yield topic
        for finding in group:
            yield f"  {finding.as_line()}"


def _printable(text: str) -> str:
    """Escape what the output cannot write: variables may hold any bytes, and the locale may be wrong."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
