"""What the server knows of the model that it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeAlias


class Answering(Protocol):
    """The part of ``src.predict.base.Predictor`` that is used; everything happens in one thread."""

    def parse(self, record: Mapping[str, object], where: str) -> Any:
        """Return what a record asks for; raise ``DataError`` when it cannot be answered."""

    def predict(self, items: Sequence[Any], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield an answer to each item, in order, as plain JSON."""

    def notes(self) -> list[str]:
        """Return what the user should know about the answers so far."""


@dataclass(frozen=True)
class ServedModel:
    """What clients and the page learn about the model.

    Attributes:
        command: What it does, by the names of ``predict.py``.
        kind: Kind of the network's task.
        name: Name of the run or of the exported file.
        task_name: The task's name, may be empty.
        labels: Class names or tags in the order of their ids.
        length: Most tokens that the network sees at a time.
        buckets: Padded lengths.
        pairs: Whether it knows pairs of texts only (true), single texts only (false), or both (``None``).
        rows: Rows that the network always takes; ``None`` for any number.
        versions: Versions of the packages that compute the answers.
    """

    command: str
    kind: str
    name: str
    task_name: str = ""
    labels: tuple[str, ...] = ()
    length: int = 128
    buckets: tuple[int, ...] = (128,)
    pairs: bool | None = None
    rows: int | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for ``/v1/model``."""
        return asdict(self)

    def short(self) -> dict[str, str]:
        """Return what stands beside every answer."""
        return {"command": self.command, "kind": self.kind, "name": self.name}


Load: TypeAlias = Callable[[], tuple[Answering, ServedModel]]
"""Loads the model, in the thread that will run it."""
