"""Logging of a run: plain lines on the console, dated lines in ``train.log``, third parties only when they warn.

Modules use ``logging.getLogger(__name__)``; a command calls ``setup_logging`` once.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from src.common.errors import ConfigError
from src.common.files import make_directory, output_error
from src.common.log_folder import make_log_folder

LOG_NAME = "train.log"
LEVELS = ("debug", "info", "warning", "error")

# Our modules are all below this name; every other logger is a third party.
_PROJECT = "src"
_FILE_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_FILE_DATES = "%Y-%m-%d %H:%M:%S"

# Records that are kept for a file that is set up later.
_BACKLOG = 1000

# Pass as ``extra`` for what the console shows in another way, such as the lines behind a progress bar.
FILE_ONLY = {"file_only": True}


class _ConsoleFormatter(logging.Formatter):
    """Show information as it is and name everything more serious."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = super().format(record)
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


@contextlib.contextmanager
def _below_progress_bars(stream: TextIO) -> Iterator[None]:
    """Take progress bars off the terminal while a line is written, so that it does not land inside one."""
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        yield
        return
    with tqdm.tqdm.external_write_mode(file=stream):
        yield


class ConsoleHandler(logging.StreamHandler):
    """Write to a stream beside any progress bar; records marked ``FILE_ONLY`` are left to the file."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.shown: deque[logging.LogRecord] = deque(maxlen=_BACKLOG)
        self.addFilter(lambda record: not getattr(record, "file_only", False))
        self.setFormatter(_ConsoleFormatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.shown.append(record)
        with _below_progress_bars(self.stream):
            super().emit(record)


class _RunFileHandler(logging.FileHandler):
    """The handler of ``train.log``, its own class so that a second set-up finds and replaces it."""

    _has_warned = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say once that the file cannot be written, where logging itself would print a traceback for every line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_warned:
            self._has_warned = True
            print(f"warning: {self.baseFilename} cannot be written: {error.strerror}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the file, also where its last lines cannot be written."""
        with contextlib.suppress(OSError):
            super().close()


def close_logging() -> None:
    """Remove the handlers that ``setup_logging`` added and close the file."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, (ConsoleHandler, _RunFileHandler)):
            root.removeHandler(handler)
            handler.close()


def _file_handler(path: Path) -> logging.Handler:
    """Return the handler that appends to ``path``."""
    make_directory(path.parent)
    try:
        handler = _RunFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise output_error(error, path) from error
    handler.setFormatter(logging.Formatter(_FILE_FORMAT, _FILE_DATES))
    return handler


def setup_logging(log_file: Path | None = None, level: str = "info", stream: TextIO | None = None) -> None:
    """Send our records to the console and a file; calling it again replaces what it set up before.

    A file that comes later than the console begins with what the console has shown.

    Args:
        log_file: File to append to; ``None`` for commands without a run directory.
        level: One of ``LEVELS``, for our modules; third parties are heard from ``warning`` on.
        stream: Console; ``None`` takes stderr, so that stdout holds results only.

    Raises:
        ConfigError: The level has no such name.
        OutputError: The file cannot be written, or the folder of MindSpore's own log cannot be made.
    """
    if level.lower() not in LEVELS:
        raise ConfigError(f"'{level}' is no log level", fix=f"choose one of {', '.join(LEVELS)}")
    make_log_folder()
    handlers: list[logging.Handler] = [ConsoleHandler(stream or sys.stderr)]
    if log_file is not None:
        handlers.append(_file_handler(log_file))
    root = logging.getLogger()
    backlog = [record for handler in root.handlers if isinstance(handler, ConsoleHandler) for record in handler.shown]
    if not any(isinstance(handler, _RunFileHandler) for handler in root.handlers):
        for record in backlog if log_file is not None else ():
            handlers[-1].handle(record)
    close_logging()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_PROJECT).setLevel(level.upper())
    logging.captureWarnings(True)


def log_to_file(message: str, *args: Any) -> None:
    """Record in ``train.log`` what was printed on the console already, such as the lines of a result."""
    logging.getLogger(f"{_PROJECT}.run").info(message, *args, extra=FILE_ONLY)
