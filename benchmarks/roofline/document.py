"""Renew the tables of docs/performance.md that are computed: ``python -m benchmarks.roofline.document``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.machine import ROOT
from benchmarks.roofline.estimate import estimate_table, step_of
from benchmarks.roofline.parts import Shape, parts_of
from src.common.cli import run_command
from src.common.errors import ConfigError
from src.common.files import write_text_atomic

DOCUMENT = ROOT / "docs" / "performance.md"


def parts_table(shape: Shape) -> str:
    """Return the parts of a step with FLOPs, bytes and operations for each byte, the largest first."""
    parts = sorted(parts_of(shape), key=lambda part: (-part.flops, -part.bytes))
    total = sum(part.flops for part in parts)
    lines = ["| part | GFLOP | of all | MB | FLOP per byte |", "|---|---|---|---|---|"]
    for part in parts:
        flops = f"{part.flops / 1e9:.2f} | {part.flops / total:.1%}" if part.flops else "- | -"
        intensity = f"{part.flops / part.bytes:.0f}" if part.flops else "-"
        lines.append(f"| {part.name} | {flops} | {part.bytes / 1e6:.1f} | {intensity} |")
    moved = sum(part.bytes for part in parts)
    lines.append(f"| all | {total / 1e9:.2f} | 100.0% | {moved / 1e6:.1f} | {total / moved:.0f} |")
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Return the computed tables by the name in their marks."""
    return {
        "parts": parts_table(step_of("base", 8, 128, version="v2", compute_type="float32")),
        "estimate": estimate_table(),
    }


def updated(text: str) -> str:
    """Return the document with its tables renewed.

    Raises:
        ConfigError: The marks of a table are missing.
    """
    for name, content in tables().items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ConfigError("the marks of a table are missing", str(DOCUMENT), f"put {begin} and {end} into it")
        text = f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"
    return text


def main(argv: Sequence[str]) -> int:
    """Renew the document; it takes no arguments."""
    if argv:
        raise ConfigError("unexpected argument", argv[0], "run it without arguments")
    write_text_atomic(DOCUMENT, updated(DOCUMENT.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
