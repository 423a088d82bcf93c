from __future__ import annotations

from pathlib import Path

import pytest

from tests.entry.pretraining_support import WHOLE, PretrainData, make_pretraining_data, pretrain
from tests.entry.runs import Outcome


@pytest.fixture(scope="session")
def pretrain_data(tmp_path_factory: pytest.TempPathFactory) -> PretrainData:
    return make_pretraining_data(tmp_path_factory.mktemp("pretraining_data"))


@pytest.fixture(scope="session")
def pretrained(pretrain_data: PretrainData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Return the run directory of a pre-training with evaluations, and what it printed."""
    run = tmp_path_factory.mktemp("pretrained") / "run"
    return run, pretrain(WHOLE, pretrain_data.keys(evaluate=True), {"run_dir": run, "eval_steps": 20})
