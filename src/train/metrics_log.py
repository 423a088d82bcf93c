"""The figures of a run over its steps: ``metrics.jsonl`` for programs, TensorBoard events for people."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from src.common.errors import DataError, OutputError
from src.common.files import atomic_path, make_directory, output_error
from src.common.json_files import json_value

TRAIN = "train"
EVAL = "eval"

_OWN_KEYS = ("time", "kind", "epoch", "step")
# JSON has no such numbers; these names are what JavaScript, Java and others give them.
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _to_json(value: Any) -> Any:
    """Return a number as JSON can hold it, at full precision."""
    number = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(number, float) and not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    return number


def _parse_line(line: str, where: str) -> dict[str, Any]:
    """Return one record with its numbers as numbers."""
    try:
        record = json_value(line)
    except ValueError as error:
        raise DataError("this line is not JSON", where, "remove the line") from error
    if not isinstance(record, dict) or not isinstance(record.get("step"), int) or "kind" not in record:
        raise DataError("this line is no record of a metrics log", where, "remove the line")
    return {
        key: _NON_FINITE.get(value, value) if isinstance(value, str) and key not in _OWN_KEYS else value
        for key, value in record.items()
    }


def _whole_lines(path: Path) -> list[str]:
    """Return the lines that end in a line break: a killed run may leave a part of one behind them."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError("the metrics log is not UTF-8 text", str(path), "restore it") from error
    except OSError as error:
        raise DataError(f"cannot read the metrics log: {error.strerror}", str(path)) from error
    return text.split("\n")[:-1]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics log in order; ``"NaN"`` and the like are floats again.

    Raises:
        DataError: The file is missing or a line of it, other than a last one without its end, is damaged.
    """
    return [_parse_line(line, f"{path}:{number}") for number, line in enumerate(_whole_lines(path), start=1)]


def truncate_metrics(path: Path, step: int) -> int:
    """Drop the records after ``step``, so that a run resumed there writes no step twice.

    Returns:
        The number of records dropped.

    Raises:
        DataError: The file is damaged.
        OutputError: It cannot be rewritten.
    """
    if not path.exists():
        return 0
    lines = _whole_lines(path)
    kept = [line for number, line in enumerate(lines, 1) if _parse_line(line, f"{path}:{number}")["step"] <= step]
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return len(lines) - len(kept)


class _EventWriter:
    """Write scalars as TensorBoard events, without TensorFlow.

    Args:
        directory: Where the event file is made.
        resume_step: Events after this step, from earlier files of the directory, are void; ``None`` for a new run.
    """

    def __init__(self, directory: Path, resume_step: int | None) -> None:
        # Here, because importing it takes a third of a second, and reading a metrics log does not need it.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(directory))
        if resume_step is not None:
            # A session's start at step n makes readers forget what earlier sessions wrote from n on.
            session = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=resume_step + 1, session_log=session))

    def write(self, now_s: float, step: int, figures: Mapping[str, float]) -> None:
        """Add one event that holds all figures of a step."""
        values = [self._summary.Value(tag=tag, simple_value=float(value)) for tag, value in figures.items()]
        self._writer.add_event(self._event(wall_time=now_s, step=step, summary=self._summary(value=values)))

    def flush(self) -> None:
        """Bring what was written to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()


class MetricsLog:
    """Append figures to ``metrics.jsonl`` and to TensorBoard's events.

    Args:
        path: The JSON lines file; made where missing, else appended to.
        tensorboard: Directory of the events; ``None`` writes none.
        resume_step: Step from which a run goes on: later records are dropped from both; ``None`` for a new run.

    Raises:
        DataError: The existing file is damaged.
        OutputError: A file cannot be written.
    """

    def __init__(self, path: Path, tensorboard: Path | None = None, resume_step: int | None = None) -> None:
        self._path = path
        make_directory(path.parent)
        if resume_step is not None:
            truncate_metrics(path, resume_step)
        try:
            self._stream = path.open("ab", buffering=0)
            self._events = None if tensorboard is None else _EventWriter(tensorboard, resume_step)
        except OSError as error:
            raise output_error(error, path) from error

    def write(self, kind: str, epoch: float, step: int, figures: Mapping[str, Any]) -> None:
        """Append one record.

        Args:
            kind: ``TRAIN`` or ``EVAL``.
            epoch: Passes over the data, with its fraction.
            step: Optimizer steps done.
            figures: Numbers by name; non-finite ones are written as the strings NaN, Infinity and -Infinity.

        Raises:
            OutputError: The disk is full, or the like.
        """
        now_s = time.time()
        numbers = {name: _to_json(value) for name, value in figures.items() if name not in _OWN_KEYS}
        record = {"time": round(now_s, 3), "kind": kind, "epoch": round(epoch, 6), "step": step, **numbers}
        line = (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode()
        try:
            if self._stream.write(line) != len(line):
                raise OSError(errno.ENOSPC, "a part of the line was written")
            if self._events is not None:
                scalars = {f"{kind}/{name}": _NON_FINITE.get(str(value), value) for name, value in numbers.items()}
                self._events.write(now_s, step, scalars)
                if kind == EVAL:
                    self._events.flush()
        except OSError as error:
            raise output_error(error, self._path) from error

    def close(self) -> None:
        """Close both files; safe to call twice.

        Raises:
            OutputError: The last events cannot be written.
        """
        self._stream.close()
        events, self._events = self._events, None
        if events is not None:
            try:
                events.close()
            except OSError as error:
                raise output_error(error, self._path) from error

    def __enter__(self) -> MetricsLog:
        """Return the log."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close both files; an error that ends the run already is not replaced by another."""
        with contextlib.suppress(*([] if error is None else [OutputError])):
            self.close()
