from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def pythons_own_handler() -> None:
    """Give Ctrl-C back to Python: after a graph has run in this process, MindSpore answers it by SIGTERM."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
