"""A server in a thread of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from src.serve.server import PredictionServer
from tests.serve.fake_model import FakePredictor
from tests.serve.http_client import Client


@dataclass
class Running:
    """The server with its predictor and a client."""

    server: PredictionServer
    predictor: FakePredictor
    client: Client
    thread: threading.Thread
    errors: list[BaseException]

    def stop(self) -> None:
        self.predictor.gate.set()
        self.server.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


Start = Callable[..., Running]
"""Starts a server; the arguments are a predictor, ``load``, and settings."""


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
