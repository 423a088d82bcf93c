"""What a command leaves in the current folder when MindSpore cannot compile a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mindspore as ms
import pytest
from mindspore import Tensor, nn

from src.config.load import load_config
from src.tasks import pretrain_command
from src.tasks.driver import run_task


class _Wrong(nn.Cell):
    """A graph that cannot be compiled."""

    def construct(self, values: Tensor) -> Tensor:
        return values + values.reshape((values.shape[0] + 1,))


def compile_wrongly(*_: Any, **__: Any) -> Any:
    """Fail where the networks of a task would be compiled; stands in for the task."""
    with pytest.raises(ValueError, match="eshape"):
        _Wrong()(Tensor([1.0, 2.0], ms.float32))
    raise KeyboardInterrupt


def train() -> None:
    options = ["--do_train", "--from_scratch", "--train_data_file_path=train.tfrecord"]
    run_task(compile_wrongly, load_config("classifier", options))


def score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain_command, "PretrainTask", compile_wrongly)
    pretrain_command.run_evaluation(load_config("pretrain", ["--eval_ckpt=some.ckpt", "--run_dir=scores"]))


@pytest.mark.parametrize("command", ["train", "score"])
@pytest.mark.parametrize("wanted", [False, True])
def test_graphs_that_were_not_finished_are_left_only_where_the_user_wants_them(
    command: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = ms.get_context("mode")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MS_OM_PATH", raising=False)
    if wanted:
        monkeypatch.setenv("MS_OM_PATH", str(tmp_path / "graphs"))
    try:
        with pytest.raises(KeyboardInterrupt):
            train() if command == "train" else score(monkeypatch)
    finally:
        ms.set_context(mode=mode)
    dumped = [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("analyze_fail*")]
    assert dumped == (["graphs"] if wanted else [])
