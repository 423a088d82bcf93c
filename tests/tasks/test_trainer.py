"""The training loop on a task without networks: what happens at which step."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from src.common.errors import CheckpointError, TrainingError
from src.data.dataset import TrainStart
from src.runtime.process_group import ProcessGroup
from src.tasks import trainer
from src.tasks.base import Networks, Score
from src.tasks.feed import StepInfo
from src.tasks.trainer import Trainer
from src.tasks.training_setup import TrainSettings
from src.train.checkpoint_files import Metric, TrainPosition

STEPS_PER_EPOCH = 4
SETTINGS = TrainSettings(
    epochs=2,
    total_steps=8,
    log_steps=3,
    eval_steps=0,
    save_steps=0,
    accumulation_steps=1,
    stop_on_overflow=True,
    evaluate=True,
)


class Network:
    figure_names = ("accuracy",)

    def __init__(self) -> None:
        self.modes: list[bool] = []

    def set_train(self, mode: bool) -> None:
        self.modes.append(mode)


class World:
    """Everything around a trainer; every event goes into ``events``."""

    def __init__(self, settings: TrainSettings = SETTINGS, scores: Mapping[int, float] | None = None) -> None:
        self.settings = settings
        self.scores = scores or {}
        self.events: list[tuple[Any, ...]] = []
        self.step = 0
        self.evaluated: set[int] = set()
        self.best_entry: Any = None
        self.bad_steps: set[int] = set()
        self.signal_at = 0
        self.network = Network()
        self.group = ProcessGroup()
        # Steps at which another process votes for stopping.
        self.votes_of_others: set[int] = set()

    def fit(self, step: int = 0) -> int:
        self.step = step
        loop: Any = Trainer(
            self,  # type: ignore[arg-type]
            SimpleNamespace(  # type: ignore[arg-type]
                networks=Networks(self.network, SimpleNamespace()),  # type: ignore[arg-type]
                step_cell=self.train_step,
                settings=self.settings,
                sliced=SimpleNamespace(whole=lambda: {"adam_m": "whole"}),
            ),
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.group,
        )
        return int(loop.fit(step))

    # The task.

    def steps_per_epoch(self) -> int:
        return STEPS_PER_EPOCH

    def train_feed(self, start: TrainStart, epochs: int) -> Any:
        self.events.append(("start", start.epoch, start.step_in_epoch))

        def run(step: Callable[..., Any], from_queue: bool) -> Iterator[tuple[StepInfo, Any]]:
            assert from_queue == (self.settings.sink_steps > 0)
            for info, batch in self.batches(start, epochs):
                yield info, step(*batch)

        return SimpleNamespace(run=run)

    def batches(self, start: TrainStart, epochs: int) -> Iterator[tuple[StepInfo, tuple[int]]]:
        for epoch in range(start.epoch, epochs):
            for step in range(start.step_in_epoch if epoch == start.epoch else 0, STEPS_PER_EPOCH):
                for _ in range(self.settings.accumulation_steps):
                    number = epoch * STEPS_PER_EPOCH + step + 1
                    yield StepInfo(np.array([2 * number, 2 * number + 1]), 6), (number,)

    def place_of(self, row: int) -> str:
        return f"shard: record {row}"

    def train_step(self, step: int, *votes: Any) -> tuple[Any, ...]:
        bad = step in self.bad_steps
        if step == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        values: tuple[float, ...] = (math.inf if bad else float(step), 1.0, 0.1, 1.0, bad, 0.5)
        if votes:
            values = (*values, float(votes[0].asnumpy()[0]) + (step in self.votes_of_others))
        return tuple(SimpleNamespace(asnumpy=lambda value=value: value) for value in values)

    def evaluate(self, inference: Any, max_batches: int = 0) -> Score:
        value = self.scores.get(self.step, 0.5)
        return Score("accuracy", value, {"accuracy": value}, {}, ())

    # The recorder.

    def advance(self, step: int) -> None:
        self.step = step

    def train(self, step: int, figures: Mapping[str, float]) -> None:
        self.events.append(("log", step, figures["loss"]))

    def evaluation(self, step: int, score: Score) -> None:
        self.events.append(("evaluate", step))
        self.evaluated.add(step)

    def was_evaluated(self, step: int) -> bool:
        return step in self.evaluated

    def draw(self) -> None:
        pass

    # The checkpoints.

    def save(self, network: Any, cell: Any, position: TrainPosition, whole: Any) -> None:
        assert whole == {"adam_m": "whole"}
        self.events.append(("save", position.global_step, position.epoch, position.step_in_epoch))

    def save_best(self, network: Any, position: TrainPosition, metric: Metric) -> None:
        self.events.append(("best", position.global_step, metric.value))
        self.best_entry = SimpleNamespace(metric=metric)

    def best(self) -> Any:
        return self.best_entry

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.events if event[0] == name]


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


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    world = World(scores={4: float("nan"), 8: -0.5})
    world.fit()
    assert world.named("best") == [(8, -0.5)]
