"""The directory of a run: who may write into it, and what lies where.

A run directory explains itself: ``config.yaml`` (resolved), ``environment.json``, ``train.log``, ``metrics.jsonl``,
``tensorboard/``, ``checkpoints/``, ``eval/``, ``predictions/``, ``loss.png`` and ``metric.png``.
"""

from __future__ import annotations

import contextlib
import logging
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from src.common.errors import ConfigError, OutputError
from src.common.files import make_directory, output_error, write_json_atomic, write_text_atomic
from src.common.json_files import object_or_empty
from src.common.log import FILE_ONLY, LOG_NAME
from src.common.run_files import (
    CONFIG_NAME,
    ENVIRONMENT_NAME,
    METRICS_NAME,
    RUN_FOLDERS,
    holds_nothing,
    remove_run_files,
)
from src.common.run_lock import RunLock

LOGGER = logging.getLogger(__name__)

# environment.json is the first file of a run; this key in it says that the directory is one.
_FORMAT_KEY = "run_format"
_FORMAT_VERSION = 1

_FOLDERS = ("checkpoints", "eval", "tensorboard")


def run_of_folder(folder: Path) -> Path | None:
    """Return the run that keeps its files in ``folder``; ``None`` where it is the folder of no run."""
    inside = (folder.resolve(), *folder.resolve().parents)
    owners = (place.parent for place in inside if place.name in RUN_FOLDERS)
    return next((owner for owner in owners if is_run_directory(owner)), None)


def is_run_directory(path: Path) -> bool:
    """Tell whether ``path`` was made by ``RunDirectory.create``."""
    try:
        return is_run_mark((path / ENVIRONMENT_NAME).read_bytes())
    except OSError:
        return False


def is_run_mark(content: bytes) -> bool:
    """Tell whether this is the ``environment.json`` of a run."""
    return _FORMAT_KEY in object_or_empty(content)


def check_use(path: Path, resume: bool, overwrite: bool) -> None:
    """Refuse what would mix two runs or touch what is not a run's; nothing is written.

    Raises:
        ConfigError: Both ``resume`` and ``overwrite`` are set.
        OutputError: The directory is not fit.
    """
    if resume and overwrite:
        raise ConfigError("resume and overwrite exclude each other", "resume", "choose one of them")
    is_empty, is_run = holds_nothing(path), is_run_directory(path)
    if resume and not is_run:
        what = "there is no run to resume" if is_empty else "this is not a run directory"
        raise OutputError(what, str(path), "check the path, or leave out resume for a first run")
    if overwrite and not is_empty and not is_run:
        raise OutputError("this is not a run directory, so nothing in it is removed", str(path), "choose another")
    if not resume and not overwrite and not is_empty:
        raise OutputError(
            "the directory is not empty", str(path), "choose another, or set --resume true or --overwrite true"
        )


def _set_aside(path: Path) -> None:
    """Copy ``config.yaml`` to ``config.1.yaml`` (2, 3, ...); the plain name, always the newest, is never missing."""
    if path.exists():
        number = 1
        while (older := path.with_suffix(f".{number}{path.suffix}")).exists():
            number += 1
        write_text_atomic(older, path.read_text(encoding="utf-8"))


class RunDirectory:
    """A run directory that this process owns, or only reads.

    As a context manager it records a failure in ``train.log`` and gives the lock back.

    Args:
        path: The directory.
        resumed: Whether an earlier run is continued.
        previous_config: The configuration of that run.
        lock: The lock that this process holds; ``None`` for a reader.
    """

    def __init__(
        self,
        path: Path,
        resumed: bool = False,
        previous_config: Mapping[str, Any] | None = None,
        lock: RunLock | None = None,
    ) -> None:
        self.path = path
        self.resumed = resumed
        self.previous_config = previous_config
        self._lock = lock
        self._replaces = False
        self._made_for_nothing = False
        self.checkpoints = path / "checkpoints"
        self.eval = path / "eval"
        self.tensorboard = path / "tensorboard"
        self.predictions = path / "predictions"
        self.assets = path / "assets"
        self.config_file = path / CONFIG_NAME
        self.environment_file = path / ENVIRONMENT_NAME
        self.log_file = path / LOG_NAME
        self.metrics_file = path / METRICS_NAME
        self.loss_plot = path / "loss.png"
        self.metric_plot = path / "metric.png"

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        config_text: str,
        environment: Mapping[str, Any],
        resume: bool = False,
        overwrite: bool = False,
    ) -> RunDirectory:
        """Begin a run in ``path``, or go on with the one that is there: ``claim`` and ``begin`` in one."""
        run = cls.claim(path, resume=resume, overwrite=overwrite)
        try:
            run.begin(config_text, environment)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def claim(cls, path: Path, *, resume: bool = False, overwrite: bool = False) -> RunDirectory:
        """Take a directory for a run that has yet to ``begin``; nothing but a lock is written.

        Args:
            path: A missing or empty directory, or with ``resume`` or ``overwrite`` that of an earlier run.
            resume: Continue the run.
            overwrite: Remove the files of the earlier run, and nothing else that lies there, when the new one begins.

        Raises:
            ConfigError: Both ``resume`` and ``overwrite`` are set, or the stored configuration is damaged.
            OutputError: The directory is not fit, is in use, or cannot be written.
        """
        is_new = not path.exists()
        check_use(path, resume, overwrite)
        make_directory(path)
        lock = RunLock(path)
        lock.acquire()
        try:
            # Once more under the lock: another run may have begun between the look and the lock.
            check_use(path, resume, overwrite)
            run = cls(path, resume, read_config(path / CONFIG_NAME) if resume else None, lock)
        except BaseException:
            lock.release()
            raise
        run._replaces, run._made_for_nothing = overwrite, is_new
        return run

    def begin(self, config_text: str, environment: Mapping[str, Any]) -> None:
        """Write configuration (yaml) and environment; of a resumed run the old ones are kept under numbered names."""
        if self._replaces:
            remove_run_files(self.path)
        self._made_for_nothing = False
        self._describe(config_text, environment)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Return an existing run directory to read from it, without a lock.

        Raises:
            OutputError: It is not a run directory.
        """
        if not is_run_directory(path):
            raise OutputError("this is not a run directory", str(path), f"give one that holds {ENVIRONMENT_NAME}")
        return cls(path, previous_config=read_config(path / CONFIG_NAME))

    def close(self) -> None:
        """Give the lock back, and a directory that was made for a run that did not begin; safe to call twice."""
        if self._lock is not None:
            self._lock.release()
        if self._made_for_nothing:
            # The run did not begin: a start with a mistake mended should find its place free.
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def __enter__(self) -> RunDirectory:
        """Return the directory."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Record why the run failed, if it did, and give the lock back."""
        if error is not None:
            # The command shows the error on the console; the file should hold it too.
            LOGGER.error("the run ended: %s: %s", type(error).__name__, error, exc_info=error, extra=FILE_ONLY)
        self.close()

    def _describe(self, config_text: str, environment: Mapping[str, Any]) -> None:
        """Write the files and folders that every run has, the mark of a run directory first."""
        if self.resumed:
            try:
                _set_aside(self.environment_file)
                if self.config_file.exists() and self.config_file.read_text(encoding="utf-8") != config_text:
                    _set_aside(self.config_file)
            except OSError as error:
                raise output_error(error, self.path) from error
        write_json_atomic(self.environment_file, {_FORMAT_KEY: _FORMAT_VERSION, **environment})
        write_text_atomic(self.config_file, config_text)
        for name in _FOLDERS:
            make_directory(self.path / name)


def read_config(path: Path) -> dict[str, Any]:
    """Return a stored configuration as plain data; an empty dictionary where the run died before writing it.

    Raises:
        ConfigError: The file is damaged.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError("the stored configuration cannot be read", str(path), "restore it") from error
    if not isinstance(content, dict):
        raise ConfigError("the stored configuration holds no keys", str(path), "restore it")
    return content
