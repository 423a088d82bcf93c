"""Keep what MindSpore's C++ code prints away from people: warnings that call for nothing that a user could do."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from src.common.interrupts import unfinished_work

# Where MindSpore puts the graph that it was compiling when it failed or was interrupted; unset: the current folder.
_DUMP_VARIABLE = "MS_OM_PATH"


@contextlib.contextmanager
def without_native_output() -> Iterator[None]:
    """Take stdout and stderr of the whole process away, C++ included.

    What goes wrong inside is told by exceptions. Python's own streams are flushed first, so that nothing is lost.
    """
    saved: list[tuple[int, int]] = []
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    with tempfile.TemporaryFile() as sink:
        try:
            for number in (1, 2):
                # A descriptor that the caller has closed has nothing to show.
                with contextlib.suppress(OSError):
                    saved.append((number, os.dup(number)))
                    os.dup2(sink.fileno(), number)
            yield
        finally:
            for number, copy in saved:
                os.dup2(copy, number)
                os.close(copy)


@contextlib.contextmanager
def without_graph_dumps() -> Iterator[None]:
    """Keep the current folder free of ``rank_0/om/analyze_fail.ir``, unless the user wants it and says where."""
    if _DUMP_VARIABLE in os.environ:
        yield
        return
    with unfinished_work(), tempfile.TemporaryDirectory() as folder:
        os.environ[_DUMP_VARIABLE] = folder
        try:
            yield
        finally:
            os.environ.pop(_DUMP_VARIABLE, None)
