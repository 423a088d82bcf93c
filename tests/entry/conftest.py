from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from src.tasks.recorder import Recorder
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


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that makes this process send itself SIGTERM when a training arrives at a step."""
    real_advance = Recorder.advance

    def arrange(last: int) -> None:
        def advance(recorder: Recorder, step: int) -> None:
            real_advance(recorder, step)
            if step == last:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(Recorder, "advance", advance)

    return arrange
