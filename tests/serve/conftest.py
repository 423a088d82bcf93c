from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from src.serve.server import PredictionServer
from src.serve.settings import ServeSettings
from tests.serve.fake_model import FakePredictor, loading
from tests.serve.http_client import Client
from tests.serve.running import Running, Start, wait_until


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a server; its arguments are settings."""
    running: list[Running] = []

    def start_one(predictor: FakePredictor | None = None, *, load: Any = None, **settings: Any) -> Running:
        predictor = predictor or FakePredictor()
        limits = ServeSettings(**{"port": 0, "warm_up": "none", **settings})
        server = PredictionServer(load or loading(predictor), limits)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                server.run()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        found = Running(server, predictor, Client(server.port), thread, errors)
        running.append(found)
        if load is None:
            wait_until(lambda: server.model.ready)
        return found

    yield start_one
    for found in running:
        with contextlib.suppress(RuntimeError):
            found.stop()
