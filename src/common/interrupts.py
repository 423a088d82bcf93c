"""Let the signals that end a command leave things tidy."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

_STDERR = 2
_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, by which schedulers end a job, do what Ctrl-C does: temporary files are removed on the way out."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def held_interrupts() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended.

    Compiled modules that are interrupted while they are imported end in a traceback, or abort the process at its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = {number: signal.signal(number, lambda number, _: waiting.append(number)) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


@contextlib.contextmanager
def quiet_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the block without what libraries have to say about it.

    While MindSpore compiles a graph it answers with fifty lines on where its compiler stood. From Ctrl-C to the end of
    the block nothing is shown on stderr. Handlers of others are left alone, as are threads, which get no signals.
    """
    ours = threading.current_thread() is threading.main_thread() and sys.stderr is not None
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        sys.stderr.flush()
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        raise KeyboardInterrupt

    shown = os.dup(_STDERR)
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(shown, _STDERR)
        os.close(shown)
        signal.signal(signal.SIGINT, signal.default_int_handler)
