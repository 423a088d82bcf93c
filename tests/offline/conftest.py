from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.entry.runs import TinyData
from tests.offline.answers import ask_about, labels_first, write_results
from tests.offline.application import make_model
from tests.offline.samples import make_run


@pytest.fixture(scope="session")
def offline_run(tiny_data: dict[str, TinyData], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on sst-2 with random weights."""
    return make_run(tmp_path_factory.mktemp("offline") / "run", tiny_data["sst-2"])


@pytest.fixture
def exported(offline_run: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that gives a stand-in for the exported model of that run."""

    def make(rows: int | None = 8, length: int | None = 16) -> Path:
        return make_model(tmp_path / "export" / "tiny.mindir", offline_run, rows=rows, length=length)

    return make


@pytest.fixture
def answered(tiny_data: dict[str, TinyData], tmp_path: Path) -> Path:
    """Return a folder with questions about sst-2 and answers of which three are wrong."""
    manifest = ask_about(tiny_data["sst-2"], tmp_path)
    write_results(tmp_path / "answered", manifest, labels_first(tiny_data["sst-2"], wrong=3))
    return tmp_path
