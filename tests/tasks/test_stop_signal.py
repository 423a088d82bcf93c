from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from src.tasks.stop_signal import StopSignal


@pytest.fixture
def usual() -> Iterator[list[int]]:
    """Put handlers that only take notes in the place of the usual ones."""
    seen: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda received, _: seen.append(received)) for number in numbers}
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_the_second_is_not(usual: list[int], number: int) -> None:
    with StopSignal() as stop:
        assert stop.received == 0
        os.kill(os.getpid(), number)
        assert (stop.received, usual) == (number, [])
        os.kill(os.getpid(), number)
        assert usual == [number]
    assert stop.received == number


def test_afterwards_signals_act_as_before(usual: list[int]) -> None:
    with StopSignal() as stop:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    assert (stop.received, usual) == (0, [signal.SIGTERM])


def test_an_error_inside_passes_through(usual: list[int]) -> None:
    with pytest.raises(ValueError, match="inside"), StopSignal():
        raise ValueError("inside")
    os.kill(os.getpid(), signal.SIGINT)
    assert usual == [signal.SIGINT]
