"""Everything around a training loop, without networks: what happens at which step."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from src.data.dataset import TrainStart
from src.runtime.process_group import ProcessGroup
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
                    yield StepInfo(np.array([2 * number, 2 * number + 1]), 6, 4), (number,)

    def place_of(self, row: int) -> str:
        return f"shard: record {row}"

    def train_flops(self, rows: int, length: int) -> int:
        return rows * length

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
