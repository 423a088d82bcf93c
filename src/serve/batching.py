"""Bring the inputs of many requests into batches, a fair share of each."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any

from src.serve.problems import LATER, RequestError


class Job:
    """The inputs of one request.

    Args:
        records: JSON objects, at least one.

    Attributes:
        records: The same.
        items: What the predictor made of them; ``None`` until it has seen them.
        future: Gets the list of answers, or the ``RequestError`` that stands in their way.
        arrived: Moment by ``time.monotonic``.
    """

    def __init__(self, records: Sequence[Mapping[str, object]]) -> None:
        self.records = records
        self.items: list[Any] | None = None
        self.future: Future[list[dict[str, Any]]] = Future()
        self.arrived = time.monotonic()
        self._answers: list[dict[str, Any]] = [{} for _ in records]
        self._missing = len(records)
        self._taken = 0

    @property
    def waiting(self) -> int:
        """Number of inputs that no batch has yet."""
        return len(self.records) - self._taken

    @property
    def over(self) -> bool:
        """Whether nobody waits for an answer any more."""
        return self.future.done()

    def take(self) -> Place:
        """Return the next input."""
        self._taken += 1
        return Place(self, self._taken - 1)

    def answer(self, index: int, record: dict[str, Any]) -> None:
        """Store the answer to an input; the last one completes the job."""
        self._answers[index] = record
        self._missing -= 1
        if not self._missing:
            # The client may have gone at this very moment.
            with contextlib.suppress(InvalidStateError):
                self.future.set_result(self._answers)

    def fail(self, problem: RequestError) -> None:
        """Say that the job will not be answered."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(problem)


@dataclass(frozen=True)
class Place:
    """An input of a job."""

    job: Job
    index: int


class JobQueue:
    """Jobs that wait for the network; safe for threads.

    Args:
        enough: Number of inputs that are worth a start: more are not waited for.
        largest: Most inputs given out at a time.
        max_wait_s: How long the first input waits for others while the network is idle, in s.
        max_inputs: Most inputs that wait.
    """

    def __init__(self, enough: int, largest: int, max_wait_s: float, max_inputs: int) -> None:
        self._enough = enough
        self._largest = largest
        self._max_wait_s = max_wait_s
        self._max_inputs = max_inputs
        self._jobs: deque[Job] = deque()
        self._waiting = 0
        self._closed = False
        self._seconds_per_input = 0.0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Return the number of inputs that wait."""
        return self._waiting

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def put(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises:
            RequestError: There are too many already, or the server stops.
        """
        with self._changed:
            if self._closed:
                raise RequestError(503, "the server stops", "", LATER, retry_after_s=1)
            # A request that is larger than the queue is let in when nothing waits, or it would never be.
            if self._waiting and self._waiting + job.waiting > self._max_inputs:
                what = f"{self._waiting} inputs wait already, and {self._max_inputs} may"
                raise RequestError(503, what, "", LATER, retry_after_s=self._seconds_until_empty())
            self._jobs.append(job)
            self._waiting += job.waiting
            self._changed.notify()

    def discard(self, job: Job) -> None:
        """Forget what is left of a job."""
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self._waiting -= job.waiting

    def take(self) -> list[Place] | None:
        """Return the next inputs, waiting for them; ``None`` after ``close`` when nothing is left.

        Every job gives one input in turn, so that a large request does not hold up small ones.
        """
        with self._changed:
            while True:
                while not self._jobs:
                    if self._closed:
                        return None
                    self._changed.wait()
                end = min(job.arrived for job in self._jobs) + self._max_wait_s
                while 0 < self._waiting < self._enough and not self._closed:
                    left = end - time.monotonic()
                    if left <= 0:
                        break
                    self._changed.wait(left)
                if batch := self._next_batch():
                    return batch

    def close(self) -> None:
        """Take no more jobs; those that wait are still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def measured(self, inputs: int, seconds: float) -> None:
        """Learn from a batch how fast the network is, for ``Retry-After``."""
        recent = seconds / inputs
        with self._changed:
            known = self._seconds_per_input or recent
            self._seconds_per_input = 0.8 * known + 0.2 * recent

    def _next_batch(self) -> list[Place]:
        batch: list[Place] = []
        while self._jobs and len(batch) < self._largest:
            job = self._jobs.popleft()
            if job.over:
                self._waiting -= job.waiting
                continue
            batch.append(job.take())
            self._waiting -= 1
            if job.waiting:
                self._jobs.append(job)
        return batch

    def _seconds_until_empty(self) -> int:
        return max(1, math.ceil(self._waiting * self._seconds_per_input))
