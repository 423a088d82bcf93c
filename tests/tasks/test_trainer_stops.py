"""What ends a training early: signals, and updates that are not finite."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from src.common.errors import TrainingError
from src.runtime.process_group import ProcessGroup
from src.tasks import trainer
from tests.tasks.trainer_world import SETTINGS, World


def test_a_signal_ends_after_the_step_with_its_state_and_line() -> None:
    world = World()
    world.signal_at = 5
    assert world.fit() == signal.SIGTERM
    assert world.events[-2:] == [("log", 5, 5.0), ("save", 5, 2, 1)]


def test_a_signal_in_the_last_step_changes_nothing() -> None:
    world = World()
    world.signal_at = 8
    assert world.fit() == 0
    assert world.named("evaluate") == [(4,), (8,)]


def test_skipped_updates_stop_a_training_without_loss_scale() -> None:
    world = World()
    world.bad_steps = {2}
    with pytest.raises(TrainingError, match=r"step 2: .* 2 records: shard: record 4, shard: record 5"):
        world.fit()
    assert world.step == 2
    assert world.named("log") == world.named("save") == []
    scaled = World(replace(SETTINGS, stop_on_overflow=False))
    scaled.bad_steps = {2}
    assert scaled.fit() == 0


@pytest.mark.parametrize("step", [3, 4, 8])
def test_a_skipped_update_stops_before_anything_is_logged_or_saved(step: int) -> None:
    world = World()
    world.bad_steps = {step}
    with pytest.raises(TrainingError, match=f"step {step}:"):
        world.fit()
    assert all(event[1] < step for event in world.events if event[0] != "start")


def test_with_a_data_sink_the_host_looks_at_results_every_so_many_steps() -> None:
    world = World(replace(SETTINGS, sink_steps=3, log_steps=100, evaluate=False, save_steps=100))
    world.bad_steps = {2}
    with pytest.raises(TrainingError, match="step 2:"):
        world.fit()
    # Steps 1 to 3 are looked at when step 4 is queued.
    assert world.step == 3


def test_a_loss_scale_that_cannot_shrink_further_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(replace(SETTINGS, stop_on_overflow=False))
    world.bad_steps = {1, 2, 3}
    step = world.train_step

    def hopeless(number: int) -> tuple[Any, ...]:
        values = step(number)
        return (values[0], SimpleNamespace(asnumpy=lambda: math.inf), *values[2:])

    world.train_step = hopeless  # type: ignore[method-assign, assignment]
    with pytest.raises(TrainingError, match=r"step 3: .* all 3 steps"):
        world.fit()


@pytest.mark.parametrize("of_others", [True, False])
def test_processes_stop_together_after_the_same_step(of_others: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vote is read one step later, when the next one is queued, by every process alike."""
    monkeypatch.setattr(trainer, "from_main", lambda group, value: value)
    world = World()
    world.group = ProcessGroup(1, 2)
    if of_others:
        world.votes_of_others = {5}
    else:
        # The signal comes while step 4 runs; the vote goes with step 5.
        world.signal_at = 4
    assert world.fit() == signal.SIGTERM
    assert world.events[-1] == ("save", 6, 2, 2)
