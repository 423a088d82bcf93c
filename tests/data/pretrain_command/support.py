"""What the tests of create_pretraining_data.py share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src.common.cli import run_command
from src.data.pretraining.command import main

PROJECT = Path(__file__).resolve().parents[3]

LENGTH, SLOTS = 32, 5


def command_line(options: dict[str, Any], **more: Any) -> list[str]:
    return [text for name, value in {**options, **more}.items() for text in (f"--{name}", str(value))]


def run(options: dict[str, Any], **more: Any) -> int:
    return run_command(main, command_line(options, **more))


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
