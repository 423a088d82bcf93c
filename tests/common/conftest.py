from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def pythons_own_handler() -> None:
    """Give Ctrl-C back to Python: where an earlier test of this process ran a graph, MindSpore answers it by SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
