"""The training loop on a task without networks: what happens at which step."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from src.common.errors import CheckpointError
from src.train.checkpoint_files import Metric, TrainPosition
from tests.tasks.trainer_world import SETTINGS, World


def test_saves_before_it_evaluates_and_keeps_the_best() -> None:
    world = World(scores={4: 0.7, 8: 0.6})
    assert world.fit() == 0
    assert [event for event in world.events if event[0] != "log"] == [
        ("start", 0, 0),
        ("save", 4, 1, 4),
        ("best", 4, 0.7),
        ("evaluate", 4),
        ("save", 8, 2, 4),
        ("evaluate", 8),
    ]


def test_a_run_that_dies_while_it_saves_the_best_saves_it_when_it_goes_on() -> None:
    world = World(scores={4: 0.7, 8: 0.9})
    save_best = world.save_best

    def die(network: Any, position: TrainPosition, metric: Metric) -> None:
        if position.global_step == 8:
            raise KeyboardInterrupt
        save_best(network, position, metric)

    world.save_best = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.fit()
    world.save_best = save_best  # type: ignore[method-assign]
    assert world.fit(8) == 0
    assert world.best_entry.metric.value == 0.9


def test_values_of_another_metric_are_not_compared(caplog: pytest.LogCaptureFixture) -> None:
    world = World(scores={4: 0.1, 8: 0.05})
    world.best_entry = SimpleNamespace(metric=Metric(name="mcc", value=0.9))
    assert world.fit() == 0
    assert world.named("best") == [(4, 0.1)]
    assert "chosen by mcc, from now on accuracy decides" in caplog.text


def test_damaged_best_weights_are_replaced(caplog: pytest.LogCaptureFixture) -> None:
    world = World(scores={4: 0.4})

    def damaged() -> Any:
        if world.best_entry is None:
            raise CheckpointError("damaged best checkpoint")
        return world.best_entry

    world.best = damaged  # type: ignore[method-assign]
    assert world.fit() == 0
    assert world.named("best") == [(4, 0.4), (8, 0.5)]
    assert "damaged best checkpoint" in caplog.text


def test_checkpoints_hold_what_must_not_change() -> None:
    world = World(replace(SETTINGS, identity={"seed": 3}))
    positions: list[TrainPosition] = []
    world.save = lambda network, cell, position, whole: positions.append(position)  # type: ignore[method-assign]
    world.fit()
    assert [position.extra for position in positions] == [{"seed": 3}, {"seed": 3}]


def test_log_lines_hold_the_mean_of_their_steps() -> None:
    """Every third step, and where an evaluation would fall into the time of the next line."""
    world = World()
    world.fit()
    assert world.named("log") == [(3, 2.0), (4, 4.0), (6, 5.5), (8, 7.5)]


def test_evaluation_and_saving_by_steps() -> None:
    world = World(replace(SETTINGS, eval_steps=3, save_steps=5, log_steps=100))
    world.fit()
    assert world.named("evaluate") == [(3,), (6,), (8,)]
    assert [event[0] for event in world.named("save")] == [5, 8]
    assert [event[0] for event in world.named("log")] == [3, 5, 6, 8]


def test_total_steps_end_inside_an_epoch() -> None:
    world = World(replace(SETTINGS, total_steps=6))
    world.fit()
    assert [event[0] for event in world.named("save")] == [4, 6]
    assert world.named("save")[-1] == (6, 2, 2)
    assert world.named("evaluate") == [(4,), (6,)]


def test_resume_inside_an_epoch() -> None:
    world = World()
    world.fit(6)
    assert world.named("start") == [(1, 2)]
    assert world.named("log") == [(8, 7.5)]
    assert world.named("evaluate") == [(8,)]


def test_resume_makes_up_for_the_evaluation_that_the_kill_prevented() -> None:
    world = World()
    world.fit(4)
    assert world.named("evaluate") == [(4,), (8,)]
    done = World()
    done.evaluated = {4}
    done.fit(4)
    assert done.named("evaluate") == [(8,)]


@pytest.mark.parametrize("step", [6, 7])
def test_nothing_is_trained_beyond_the_end(step: int) -> None:
    world = World(replace(SETTINGS, total_steps=6))
    world.evaluated = {6, 7}
    assert world.fit(step) == 0
    assert world.events == []


def test_no_evaluation_without_data() -> None:
    world = World(replace(SETTINGS, evaluate=False))
    world.fit()
    assert world.named("evaluate") == []
    assert [event[0] for event in world.named("save")] == [4, 8]


def test_micro_batches_of_an_update_are_one_step() -> None:
    world = World(replace(SETTINGS, accumulation_steps=3, log_steps=1))
    world.fit()
    # Three equal shares of a step add up.
    assert world.named("log") == [(step, 3.0 * step) for step in range(1, 9)]


def test_training_mode_comes_back_after_an_evaluation() -> None:
    world = World()
    world.fit()
    assert world.network.modes == [True, True, True]


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    world = World(scores={4: float("nan"), 8: -0.5})
    world.fit()
    assert world.named("best") == [(8, -0.5)]
