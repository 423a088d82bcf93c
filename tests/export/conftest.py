from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.export.export_runs import export_well, make_run, write_vocabulary

Exported = Callable[..., Path]


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives a run directory of a kind."""

    @functools.cache
    def run(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        return make_run(folder / "run", kind, write_vocabulary(folder / "vocab.txt"))

    return run


@pytest.fixture(scope="session")
def exported(run_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return a function that gives an exported model of a run; nobody may change it."""

    @functools.cache
    def model(kind: str, file_format: str = "MINDIR", options: tuple[tuple[str, Any], ...] = ()) -> Path:
        target = tmp_path_factory.mktemp("exported") / f"{kind}.{file_format.lower()}"
        keys = {"run_dir": run_of(kind), "export_file_name": target, "file_format": file_format}
        chosen = dict(options)
        if kind != "pretraining" or chosen.get("export_part") == "encoder":
            # Refused where no words are asked for.
            chosen.pop("export_predictions", None)
        export_well(keys, chosen)
        return target

    return model
