from __future__ import annotations

import pytest

from src.common.run_files import is_run_path


@pytest.mark.parametrize(
    "path",
    [
        "environment.json",
        "environment.1.json",
        "train.log",
        "checkpoints/classifier-2_10.state.ckpt",
        "checkpoints/.manifest.json.a1b2.tmp",
        "predictions/dev/nbest_predictions.json",
        "data_dump/rank_0/update_3/loss.npy",
    ],
)
def test_what_a_run_writes_is_known_by_its_path(path: str) -> None:
    assert is_run_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "notes.txt",
        "checkpoints/environment.json",
        "checkpoints/own.ckpt",
        "checkpoints/old/manifest.json",
        "predictions/dev/more/metrics.json",
        "run/train.log",
        "letters/config.yaml",
    ],
)
def test_other_paths_are_not_a_run_s(path: str) -> None:
    assert not is_run_path(path)
