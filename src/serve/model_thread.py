"""The one thread in which the model is loaded and runs: MindSpore's graphs and its context belong to a thread."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from src.common.errors import AlbertError, DataError
from src.serve.batching import Job, JobQueue, Place
from src.serve.metrics import Metrics
from src.serve.problems import unanswerable, unexpected
from src.serve.served import Answering, Load, ServedModel
from src.serve.settings import ServeSettings
from src.serve.warm_up import warm_up

logger = logging.getLogger(__name__)


class ModelThread:
    """Loads a model, warms it up, and answers the jobs of a queue.

    Args:
        load: See ``Load``.
        queue: Where the jobs come from.
        settings: Limits.
        metrics: Where batches are counted.
        on_end: Called in the thread when it ends.

    Attributes:
        model: What is served; ``None`` until it is loaded.
        ready: Whether jobs are answered.
        error: What ended the thread early; ``None`` where nothing did.
    """

    def __init__(
        self, load: Load, queue: JobQueue, settings: ServeSettings, metrics: Metrics, on_end: Callable[[], None]
    ) -> None:
        self.model: ServedModel | None = None
        self.ready = False
        self.error: BaseException | None = None
        self._load = load
        self._queue = queue
        self._settings = settings
        self._metrics = metrics
        self._on_end = on_end
        self._predictor: Answering | None = None
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end; returns when that is done."""
        self._queue.close()
        self._thread.join()

    def notes(self) -> list[str]:
        """Return what the predictor has to say about its answers so far."""
        return self._predictor.notes() if self._predictor is not None else []

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.ready = False
            self._on_end()

    def _work(self) -> None:
        settings = self._settings
        start = time.monotonic()
        predictor, model = self._load()
        self._predictor, self.model = predictor, model
        logger.info("%s: %s (%s) loaded in %.1f s", model.command, model.name, model.kind, time.monotonic() - start)
        warm_up(predictor, model, settings.batch_size, settings.warm_up, lambda: self._queue.closed)
        self.ready = not self._queue.closed
        if self.ready:
            logger.info("ready")
        while (batch := self._queue.take()) is not None:
            self._answer(predictor, self._parsed(predictor, batch))

    def _parsed(self, predictor: Answering, batch: Sequence[Place]) -> list[Place]:
        """Return the inputs of a batch whose jobs can be answered; a bad record ends its own job only."""
        for job in {id(place.job): place.job for place in batch}.values():
            if job.items is None:
                self._parse(predictor, job)
        return [place for place in batch if not place.job.over]

    def _parse(self, predictor: Answering, job: Job) -> None:
        items: list[Any] = []
        for index, record in enumerate(job.records):
            try:
                items.append(predictor.parse(record, f"inputs[{index}]"))
            except Exception as error:
                self._fail(Place(job, index), error)
                return
        job.items = items

    def _answer(self, predictor: Answering, places: Sequence[Place]) -> None:
        """Answer a batch; where that fails its halves, down to the input that is to blame."""
        places = [place for place in places if not place.job.over]
        if not places:
            return
        start = time.monotonic()
        try:
            items = [(place.job.items or [])[place.index] for place in places]
            records = list(predictor.predict(items, self._settings.batch_size))
            if len(records) != len(items):
                raise RuntimeError(f"{len(records)} answers to {len(items)} inputs")
        except Exception as error:
            if len(places) == 1:
                self._fail(places[0], error)
                return
            half = (len(places) + 1) // 2
            self._answer(predictor, places[:half])
            self._answer(predictor, places[half:])
            return
        taken = time.monotonic() - start
        self._queue.measured(len(places), taken)
        self._metrics.batch(len(places), taken)
        for place, record in zip(places, records, strict=True):
            place.job.answer(place.index, record)

    def _fail(self, place: Place, error: Exception) -> None:
        """End a job because of one of its inputs."""
        self._queue.discard(place.job)
        if isinstance(error, DataError):
            place.job.fail(unanswerable(error, place.index))
            return
        log_unexpected(error, self._settings.full_errors)
        place.job.fail(unexpected(place.index))


def log_unexpected(error: BaseException, full: bool) -> None:
    """Log a fault of ours with its traceback; its message, which may hold a client's text, only where wanted."""
    place = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    shown = f": {error}" if full or (isinstance(error, AlbertError) and not isinstance(error, DataError)) else ""
    logger.error("%s%s\n%s", type(error).__name__, shown, place)
