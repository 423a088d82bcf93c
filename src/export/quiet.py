"""Keep what MindSpore's C++ code prints away from people: warnings that call for nothing that a user could do."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


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
