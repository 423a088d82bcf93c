"""The contract of everything that answers raw text: the command line and the server know nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from src.predict.model import LoadedModel

Item = TypeVar("Item")


class Predictor(ABC, Generic[Item]):
    """A network that answers records.

    Not safe for threads: a MindSpore graph runs in one thread at a time.

    Args:
        model: The network with its tokenizer.
    """

    command: ClassVar[str]
    """Its name on the command line of ``predict.py``."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    @abstractmethod
    def parse(self, record: Mapping[str, object], where: str) -> Item:
        """Return what a JSON object asks for.

        Args:
            record: The object of a line, or of a request.
            where: Where it stands, for errors.

        Raises:
            DataError: It cannot be answered.
        """

    @abstractmethod
    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[dict[str, Any]]:
        """Yield an answer to each item, in order, as plain JSON.

        Args:
            items: What ``parse`` returned.
            batch_size: Most rows of a batch; a network of fixed shape keeps its own.

        Raises:
            DataError: An item cannot be answered; names it.
        """

    def notes(self) -> list[str]:
        """Return what the user should know about the answers so far: texts that were cut, for instance."""
        return []
