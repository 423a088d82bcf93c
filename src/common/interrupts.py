"""Let the signals that end a command leave things tidy."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130
_STDERR = 2
_ENDING = (signal.SIGINT, signal.SIGTERM)
_IMPORT_MACHINERY = "<frozen importlib._bootstrap>"


class _Interrupts:
    """How this process answers Ctrl-C.

    Attributes:
        unfinished: A mark for each piece of work, of any thread, that would leave something behind.
        hit_import: Whether an exception was raised into a module that was being imported.
        process: The process that answers so; the children that it forks do as Python does.
    """

    def __init__(self) -> None:
        self.unfinished: set[object] = set()
        self.hit_import = False
        self.process = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Answer SIGINT: end at once while modules are imported and nothing is lost, else by ``KeyboardInterrupt``."""
        self.may_leave(frame)
        raise KeyboardInterrupt

    def may_leave(self, frame: FrameType | None) -> None:
        """End the process where the frame belongs to an import and nothing is unfinished.

        Compiled modules answer an exception in the middle of their import with errors of their own, a traceback, or
        an abort at the end of the process: MindSpore does all three.
        """
        if os.getpid() != self.process or not _imports(frame):
            return
        if self.unfinished:
            self.hit_import = True
        else:
            leave()


_interrupts = _Interrupts()


def _imports(frame: FrameType | None) -> bool:
    """Tell whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_MACHINERY:
            return True
        frame = frame.f_back
    return False


def leave() -> None:
    """End the process in a word, without what Python and its modules do at their end."""
    for stream in (sys.stdout, sys.stderr):
        # Whatever the reason, the process is to end.
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(OSError):
        os.write(_STDERR, b"interrupted\n")
    os._exit(EXIT_INTERRUPTED)


@contextlib.contextmanager
def ended_in_a_word() -> Iterator[None]:
    """Let Ctrl-C end the block, the whole work of a command, without a word of the modules it imports.

    Handlers of others are left alone, as are threads, which get no signals.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _interrupts.process, _interrupts.hit_import = os.getpid(), False
    signal.signal(signal.SIGINT, _interrupts)
    try:
        yield
    except BaseException:
        # Everything is tidied up by now, and modules that are half imported have their say at the end of Python.
        if _interrupts.hit_import and _interrupts.process == os.getpid():
            leave()
        raise
    finally:
        _interrupts.process = 0
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def unfinished_work() -> Iterator[None]:
    """Let Ctrl-C end the block by an exception in any case: it has something to tidy up."""
    mark = object()
    _interrupts.unfinished.add(mark)
    try:
        yield
    finally:
        _interrupts.unfinished.discard(mark)


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
def quiet_interrupts(*, sigterm: bool = False) -> Iterator[None]:
    """Let Ctrl-C end the block without what libraries have to say about it.

    While MindSpore compiles a graph it answers with fifty lines on where its compiler stood. From Ctrl-C to the end of
    the block nothing is shown on stderr. Handlers of others are left alone, as are threads, which get no signals.

    Args:
        sigterm: Whether SIGTERM does the same, which MindSpore makes of a Ctrl-C while it runs a graph.
    """
    ours = threading.current_thread() is threading.main_thread() and sys.stderr is not None
    before = signal.getsignal(signal.SIGINT)
    if not ours or before not in (_interrupts, signal.default_int_handler):
        yield
        return

    def interrupt(number: int, frame: Any) -> None:
        _interrupts.may_leave(frame)
        sys.stderr.flush()
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDERR)
        raise KeyboardInterrupt

    shown = os.dup(_STDERR)
    numbers = _ENDING if sigterm else _ENDING[:1]
    handlers = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(shown, _STDERR)
        os.close(shown)
        for number, handler in handlers.items():
            signal.signal(number, handler)
