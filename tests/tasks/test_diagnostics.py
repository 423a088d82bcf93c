"""What is looked at when; networks and MindSpore's tools are stand-ins."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import OutputError, TrainingError
from src.config.ascend_keys import AscendKeys
from src.runtime.process_group import ONE_PROCESS, ProcessGroup
from src.tasks import diagnostics
from src.tasks.diagnostics import Diagnostics
from src.tasks.feed import StepInfo
from src.train.overflow_trace import OverflowTrace
from tests.tasks.trainer_world import World


def outputs(overflow: bool = False, scale: float = 8.0) -> tuple[Any, ...]:
    values = [1.0, 1.0, 0.1, scale, overflow]
    return tuple(SimpleNamespace(asnumpy=lambda value=value: value) for value in values)


def batch(number: int) -> tuple[Tensor, ...]:
    return Tensor(np.full((2, 3), number, np.int32)), Tensor(np.array([2.0], np.float32))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float, float]]:
    """Remember the micro-batches in which an overflow is searched; that of number 5 has one."""
    seen: list[tuple[int, float, float]] = []

    def search(network: Any, weights: Any, inputs: Any, scale: float, saturating: bool) -> OverflowTrace:
        number = int(inputs[0].asnumpy()[0, 0])
        seen.append((number, float(inputs[-1].asnumpy()[0]), scale))
        return OverflowTrace(gradients=["w"] if number == 5 else [])

    monkeypatch.setattr(diagnostics, "trace_overflow", search)
    return seen


def looker(folder: Path, accumulation_steps: int = 1, group: ProcessGroup = ONE_PROCESS, **keys: Any) -> Diagnostics:
    made = Diagnostics(AscendKeys(**keys), "CPU", folder / "run", accumulation_steps, group=group)
    made.attach(SimpleNamespace(network=None, weights=()), 9)  # type: ignore[arg-type]
    return made


def train(looks: Diagnostics, updates: list[bool], accumulation_steps: int = 1) -> None:
    """Run updates; True is one that overflowed."""
    number = 0
    for step, overflow in enumerate(updates, 1):
        for _ in range(accumulation_steps):
            number += 1
            looks.before(batch(number))
            looks.after(outputs(overflow))
        looks.update(step, [StepInfo(np.array([step]), 4, 8)], outputs(overflow))


@pytest.mark.parametrize(
    ("steps", "told"), [("0|8", ""), ("10", "update 10 will not"), ("0|8-10|20", "update 9, 10, 20 will not be dumped")]
)
def test_updates_beyond_the_end_are_told_before_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, steps: str, told: str
) -> None:
    with caplog.at_level(logging.WARNING), looker(tmp_path, data_dump_flag=True, data_dump_step=steps):
        assert told in caplog.text
        assert ("this start has 9, counted from 0" in caplog.text) == bool(told)


def test_a_good_update_costs_no_search(searched: list[Any], tmp_path: Path) -> None:
    with looker(tmp_path, over_dump=True) as looks:
        train(looks, [False, False])
    assert searched == []
    assert list(tmp_path.iterdir()) == []


def test_the_micro_batches_of_the_update_are_searched_until_one_is_found(
    searched: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), looker(tmp_path, 3, ProcessGroup(1, 2), over_dump=True) as looks:
        train(looks, [False, True], 3)
    # Updates have micro-batches 1 to 3 and 4 to 6; the divisor is that of both processes.
    assert searched == [(4, 4.0, 8.0), (5, 4.0, 8.0)]
    assert "overflow in step 2 (loss scale 8) began in gradient of w" in caplog.text
    assert [path.name for path in (tmp_path / "run" / "over_dump" / "rank_1").iterdir()] == ["step_2.json"]


def test_what_is_not_seen_again_is_said_so(
    searched: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        looker(tmp_path, over_dump=True, over_dump_path=str(tmp_path / "o")) as looks,
    ):
        train(looks, [True])
    assert "not seen again without dropout" in caplog.text
    assert (tmp_path / "o" / "rank_0" / "step_1.json").exists()


def test_the_search_ends_after_some(searched: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), looker(tmp_path, over_dump=True) as looks:
        train(looks, [True] * 13)
    assert len(searched) == 10
    assert caplog.text.count("the search ends here") == 1


@pytest.mark.parametrize(
    ("kind", "keys", "tool", "default"),
    [
        ("profile", {"profiling": True}, "TrainingProfile", "profiling"),
        ("dump", {"data_dump_flag": True}, "DataDump", "data_dump"),
    ],
)
def test_tools_write_into_the_run_unless_a_folder_is_named(
    kind: str, keys: dict[str, Any], tool: str, default: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(diagnostics, tool, lambda folder, *words: folders.append(folder))
    Diagnostics(AscendKeys(**keys), "CPU", tmp_path / "run", 1)
    named = {"profiling_dump_path": str(tmp_path / "profile"), "data_dump_path": str(tmp_path / "dump")}
    Diagnostics(AscendKeys(**keys, **named), "CPU", tmp_path / "run", 1, group=ProcessGroup(1, 2))
    assert folders == [tmp_path / "run" / default / "rank_0", tmp_path / kind / "rank_1"]


def test_a_dump_folder_with_content_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "data_dump" / "rank_0"
    folder.mkdir(parents=True)
    (folder / "index.txt").touch()
    with pytest.raises(OutputError, match="not empty"):
        looker(tmp_path, data_dump_flag=True)
    # The files of a run that is overwritten are removed when the new one begins.
    with Diagnostics(AscendKeys(data_dump_flag=True), "CPU", tmp_path / "run", 1, replaces_run=True):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_error_of_the_training_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = looker(tmp_path, data_dump_flag=True)

    def fail(self: Any) -> None:
        raise OutputError("no space left")

    monkeypatch.setattr(diagnostics.DataDump, "before", lambda *words: None)
    monkeypatch.setattr(diagnostics.DataDump, "after", lambda *words: None)
    monkeypatch.setattr(diagnostics.DataDump, "finish", fail)

    def ended_training() -> None:
        with looks:
            train(looks, [False])
            raise TrainingError("the loss is not finite")

    with pytest.raises(TrainingError):
        ended_training()
    assert list(tmp_path.iterdir()) == []


def test_the_trainer_shows_every_batch_before_and_every_update_after_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, Any]] = []
    looks = SimpleNamespace(
        is_active=True,
        before=lambda batch: events.append(("before", batch)),
        after=lambda outputs: events.append(("after", None)),
        update=lambda step, infos, outputs: events.append(("update", step)),
    )
    world = World()
    monkeypatch.setattr("src.tasks.trainer.Trainer.__init__.__defaults__", (ONE_PROCESS, looks))
    world.fit()
    assert events[:3] == [("before", (1,)), ("after", None), ("update", 1)]
    assert events[-1] == ("update", 8)
