from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.entry.runs import Outcome, TinyData

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
# Tests, and the commands that they start, compile the kernels into the checkout and not into the user's home.
os.environ.setdefault("XDG_CACHE_HOME", str(ROOT / "build" / "cache"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the reference data in ../shared/data is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TinyData]:
    """Return small converted data sets: sst-2, rte (pairs), sts-b (scores) and names (tags)."""
    from tests.entry.runs import make_data

    return make_data(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_run(
    tiny_data: dict[str, TinyData], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Outcome]]:
    """Return a function that gives a task's finished run (train, evaluate, predict) and what it printed."""
    from tests.entry.runs import NETWORK, TRAINING, classify

    more = {"sst-2": {"bucket_list": "[8]", "epoch_num": 6, "assessment_method": "Accuracy"}, "names": {"epoch_num": 2}}

    @functools.cache
    def run_of(task: str) -> tuple[Path, Outcome]:
        run = tmp_path_factory.mktemp("runs") / task
        data = tiny_data[task].keys("train", "dev", "test")
        return run, classify(NETWORK, TRAINING, data, {"run_dir": run, "epoch_num": 4}, more.get(task, {}))

    return run_of
