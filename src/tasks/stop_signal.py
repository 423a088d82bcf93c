"""Turn SIGINT and SIGTERM into a request to stop after the current step, so that its state can be saved."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """A context in which the first SIGINT or SIGTERM only sets ``received``; a second one acts as it always does.

    With every graph that it runs, MindSpore puts a handler of its own in the place of ours for SIGINT, which sends this
    process a SIGTERM. So a Ctrl-C mostly arrives as SIGTERM here.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        self._previous = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
