"""The contract between a task and the driver: a new task is one file that fulfils it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindspore import nn

from src.config.sections import NetworkConfig
from src.data.dataset import TrainStart
from src.tasks.feed import TrainFeed

# Name of the rows of an update in ``Task.data_identity``: a resumed run keeps their number, however they are shared.
UPDATE_ROWS = "rows of an update (batch_size x accumulation_steps x processes)"


@dataclass(frozen=True)
class Score:
    """The result of an evaluation.

    Attributes:
        name: The main metric's name.
        value: Its value; higher is better.
        figures: Every figure for the metrics log.
        report: What goes into the evaluation's json file.
        lines: What is printed; the last line is the one that users of the old repository look for.
        write_files: Writes what the score was made from (answers, for instance) into a folder and returns the files.
    """

    name: str
    value: float
    figures: dict[str, float]
    report: dict[str, Any]
    lines: tuple[str, ...]
    write_files: Callable[[Path], list[Path]] | None = None


@dataclass(frozen=True)
class Networks:
    """The two faces of one set of weights: ``loss`` is trained, ``inference`` answers; they share the model cell."""

    loss: nn.Cell
    inference: nn.Cell


class Task(ABC):
    """What the driver needs to train, evaluate and predict."""

    name: str
    checkpoint_prefix: str
    loss_unit: str

    @abstractmethod
    def network_config(self) -> NetworkConfig:
        """Return the shape of the network."""

    @abstractmethod
    def build_networks(self) -> Networks:
        """Build the networks with fresh weights."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Return what the start-up summary says about the data and the head."""

    def data_identity(self) -> dict[str, Any]:
        """Return what decides which rows a step sees, as plain JSON: it must not change when a run is resumed."""
        return {}

    def scored_identity(self) -> dict[str, Any]:
        """Return what decides the rows of evaluation and prediction, as plain JSON; equal in all processes."""
        return {}

    def place_of(self, row: int) -> str:
        """Return where a row of the training data comes from, for messages."""
        return f"row {row}"

    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Return the number of optimizer steps of an epoch."""

    @abstractmethod
    def train_flops(self, rows: int, length: int) -> int:
        """Return the model FLOPs of a train step of ``rows`` rows of ``length`` tokens, forward and backward."""

    @abstractmethod
    def train_feed(self, start: TrainStart, epochs: int) -> TrainFeed:
        """Return the micro-batches of this process from ``start`` on."""

    @abstractmethod
    def evaluate(self, inference: nn.Cell, max_batches: int = 0) -> Score:
        """Score ``inference`` on the evaluation data; every process must call it.

        ``max_batches`` over 0 looks at that many batches of each process only.
        """

    @abstractmethod
    def evaluation_name(self) -> str:
        """Return the name of the evaluation data, for the file of its report."""

    @abstractmethod
    def predict(self, inference: nn.Cell, directory: Path | None) -> list[Path]:
        """Write the predictions of the test data into ``directory`` and return the files; every process must call it.

        ``directory`` is ``None`` in a process that only takes its part in the work.
        """

    @abstractmethod
    def save_assets(self, directory: Path) -> None:
        """Write what prediction needs beside the weights (labels, tokenizer) into the run directory."""
