from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from src.common.errors import TrainingError
from src.tasks import update_watch
from src.tasks.feed import StepInfo
from src.tasks.step_window import OVERFLOW
from src.tasks.update_watch import UpdateWatch


def outputs(*, skipped: bool = False, votes: float | None = None) -> tuple[Any, ...]:
    """Return what a train cell returns, of tensors only the values."""
    values: list[float] = [1.0, 1.0, 0.1, 1.0, float(skipped), 0.5]
    assert OVERFLOW == 4
    return tuple(
        SimpleNamespace(asnumpy=lambda value=value: value) for value in [*values, *([votes] * (votes is not None))]
    )


def infos(*rows: int) -> list[StepInfo]:
    return [StepInfo(np.array([row]), 3, 4) for row in rows]


def make_watch(stop_on_overflow: bool = True, voting: bool = False) -> UpdateWatch:
    return UpdateWatch(stop_on_overflow, voting, lambda row: f"shard: record {row}")


def test_an_update_is_looked_at_when_the_next_one_is_queued() -> None:
    watch = make_watch()
    watch.add(1, infos(1), outputs(skipped=True))
    with pytest.raises(TrainingError, match=r"^step 1: .*its 1 records: shard: record 1 ->"):
        watch.add(2, infos(2), outputs())


def test_several_updates_are_looked_at_together() -> None:
    watch = UpdateWatch(True, False, lambda row: f"record {row}", every=3)
    for step in (1, 2, 3):
        watch.add(step, infos(step), outputs(skipped=step == 2))
    with pytest.raises(TrainingError, match=r"step 2: .*record 2 ->"):
        watch.add(4, infos(4), outputs())


def test_settle_looks_at_once_and_only_once() -> None:
    watch = make_watch()
    watch.settle()
    watch.add(7, infos(1), outputs(skipped=True))
    with pytest.raises(TrainingError, match="step 7"):
        watch.settle()
    watch.settle()


def test_a_skipped_update_is_normal_where_the_loss_is_scaled() -> None:
    watch = make_watch(stop_on_overflow=False)
    watch.add(1, infos(1), outputs(skipped=True))
    watch.settle()
    assert not watch.stop_wanted


def test_of_many_records_a_few_are_shown_and_all_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(update_watch, "log_to_file", lambda text, *values: logged.append(text % values))
    watch = make_watch()
    watch.add(3, infos(*range(10, 16)), outputs(skipped=True))
    with pytest.raises(TrainingError) as caught:
        watch.settle()
    assert "6 records: shard: record 10, shard: record 11, shard: record 12, shard: record 13, ... ->" in str(
        caught.value
    )
    assert [f"shard: record {row}" for row in range(10, 16)] == logged[0].splitlines()[1:]
    assert logged[0].startswith("records of step 3:")


def test_of_several_processes_each_shows_its_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "src")
    watch = make_watch(voting=True)
    watch.add(3, infos(*range(10, 16)), outputs(skipped=True, votes=0))
    with pytest.raises(TrainingError):
        watch.settle()
    assert "shard: record 15" in caplog.text


def test_a_vote_of_any_process_stops() -> None:
    watch = make_watch(voting=True)
    watch.add(1, infos(1), outputs(votes=0))
    watch.add(2, infos(2), outputs(votes=1))
    assert not watch.stop_wanted
    watch.settle()
    assert watch.stop_wanted
    watch.add(3, infos(3), outputs(votes=0))
    watch.settle()
    assert watch.stop_wanted


def test_without_votes_the_last_output_is_a_figure() -> None:
    watch = make_watch(voting=False)
    watch.add(1, infos(1), outputs())
    watch.settle()
    assert not watch.stop_wanted
