"""What tasks share whose training data are the rows of a table: batches, their order, and what a resumed run keeps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from src.config.sections import NetworkConfig
from src.data.batch_table import BatchTable
from src.data.batching import BatchGeometry, MicroBatch, resolve_buckets, steps_per_epoch
from src.data.dataset import TrainStart
from src.model.flops import Products, backbone_products, train_flops
from src.runtime.process_group import ProcessGroup
from src.tasks.base import UPDATE_ROWS, Task
from src.tasks.feed import TrainFeed, feed_from
from src.tasks.inference import evaluation_plan

Table = TypeVar("Table", bound=BatchTable)


class TableTask(Task, Generic[Table]):
    """A task that trains on the rows of a table.

    The constructor of a task calls ``_lay_batches`` once it knows the lengths of its data, and sets ``_train``.

    Args:
        network: The shape of the network.
        group: The processes that train together.
        seed: Decides the order of the rows.
        shuffle: Whether every epoch has its own order.
    """

    # The configuration's key of ``shuffle``.
    shuffle_key: ClassVar[str]

    _train: Table | None
    _buckets: tuple[int, ...]
    _geometry: BatchGeometry

    def __init__(self, network: NetworkConfig, group: ProcessGroup, *, seed: int, shuffle: bool) -> None:
        self._network = network
        self._group = group
        self._seed = seed
        self._shuffle = shuffle

    def _lay_batches(self, lengths: Sequence[int], longest: int, batch_size: int, accumulation_steps: int) -> None:
        """Settle at which lengths batches run and how rows are cut into them.

        Args:
            lengths: The lengths asked for, in tokens; those over ``longest`` are left out.
            longest: Tokens of the longest row that there may be.
            batch_size: Rows of a micro-batch on one device.
            accumulation_steps: Micro-batches of an update.
        """
        self._buckets = resolve_buckets([length for length in lengths if length <= longest], longest)
        self._geometry = BatchGeometry(
            batch_size, self._buckets, accumulation_steps, self._group.rank, self._group.size
        )

    def network_config(self) -> NetworkConfig:
        """Return the shape of the network."""
        return self._network

    def data_identity(self) -> dict[str, Any]:
        """Return rows of an update, order and rows of the data; how processes and micro-batches share it is free."""
        return {
            UPDATE_ROWS: self._geometry.update_rows,
            "bucket_list": list(self._buckets),
            self.shuffle_key: self._shuffle,
            "seed": self._seed,
            **self._rows_identity(),
        }

    @abstractmethod
    def _rows_identity(self) -> dict[str, Any]:
        """Return what the rows of the training data are known by, as plain JSON."""

    def place_of(self, row: int) -> str:
        """Return file and record of a row of the training data."""
        return self._train_table().place_of(row)

    def steps_per_epoch(self) -> int:
        """Return the number of optimizer steps of an epoch."""
        return steps_per_epoch(self._train_table().lengths, self._geometry)

    def train_flops(self, rows: int, length: int) -> int:
        """Return the model FLOPs of a train step of ``rows`` rows of ``length`` tokens, forward and backward."""
        backbone = backbone_products(self._network, rows, length, self._positions_read())
        return train_flops((*backbone, *self._head_products(rows, length)))

    def _positions_read(self) -> int | None:
        """Return at how many positions of a row the head reads the backbone's output; ``None`` for all of them."""
        return None

    @abstractmethod
    def _head_products(self, rows: int, length: int) -> Products:
        """Return the matrix products of what stands on the backbone in training."""

    def train_feed(self, start: TrainStart, epochs: int) -> TrainFeed:
        """Return this process's micro-batches from ``start`` on."""
        return feed_from(self._train_table(), self._geometry, self._seed, self._shuffle, start, epochs)

    def _scored_batches(
        self, table: BatchTable, batch_size: int, max_batches: int, *, shuffle: bool = False
    ) -> list[MicroBatch]:
        """Return the batches of all processes that cover every row, or ``max_batches`` of each process (0: all)."""
        seed = self._seed if shuffle else None
        return evaluation_plan(table, batch_size, self._buckets, max_batches * self._group.size, seed)

    def _train_table(self) -> Table:
        if self._train is None:
            raise ValueError("training was asked for without training data")
        return self._train
