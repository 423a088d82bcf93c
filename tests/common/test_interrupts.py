from __future__ import annotations

import os
import signal
import threading

import pytest

from src.common.interrupts import held_interrupts, interrupted_by_sigterm, quiet_interrupts


def test_sigterm_interrupts_and_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_nothing_is_shown_between_an_interrupt_and_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    @quiet_interrupts()
    def compiled() -> None:
        os.write(2, b"before\n")
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            os.write(2, b"where a compiler stood\n")

    with pytest.raises(KeyboardInterrupt):
        compiled()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_others_and_threads_are_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with quiet_interrupts():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]

    def in_thread() -> None:
        with quiet_interrupts():
            seen.append(0)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert seen == [signal.SIGINT, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_until_the_block_has_ended(number: int) -> None:
    done = []

    def work() -> None:
        with held_interrupts():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            done.append("to the end")
        done.append("too far")

    with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():
        work()
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_happens_and_threads_are_left_alone() -> None:
    done = []

    def work() -> None:
        with held_interrupts():
            done.append("thread")

    with held_interrupts():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert done == ["thread"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
