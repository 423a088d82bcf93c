"""What the tests of create_squad_data.py share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from src.data.squad_command import main

Run = Callable[..., None]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    capsys.readouterr()
    assert main([str(value) for value in ("--inspect", *arguments)]) == 0
    return capsys.readouterr().out.splitlines()
