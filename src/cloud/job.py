"""A ModelArts job around an entry script: fetch, work in local folders, send the results, whatever happens."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from src.cloud.download import download
from src.cloud.job_paths import check_inputs, check_target, input_paths, result_paths, run_place
from src.cloud.machine_lock import MachineLock
from src.cloud.ranks import Place, read_place
from src.cloud.results import Results, RunPlace
from src.cloud.sender import Sender
from src.cloud.store import open_store
from src.common.errors import AlbertError, StorageError
from src.common.files import make_directory
from src.common.interrupts import interrupted_by_sigterm, unfinished_work
from src.common.log import setup_logging
from src.common.run_directory import check_use
from src.common.storage_url import parse_storage_url
from src.config.load import LoadedConfig
from src.config.task_config import TaskConfig

logger = logging.getLogger(__name__)

Values = TypeVar("Values", bound=TaskConfig)


@contextlib.contextmanager
def storage_job(
    loaded: LoadedConfig[Values], *, trains: bool = False, exports: bool = False
) -> Iterator[LoadedConfig[Values]]:
    """Give the configuration with the paths of this machine; without ``enable_modelarts`` it is as it was.

    Before the block data and checkpoints are fetched, and a run to resume. While it runs results are sent after each
    checkpoint, at its end all of them, also when it fails or is stopped by SIGTERM.

    Args:
        loaded: The configuration.
        trains: Whether the block makes a run.
        exports: Whether it is export.py.

    Raises:
        AlbertError: A transfer fails, or a path names nothing of what was fetched.
    """
    if not loaded.values.enable_modelarts:
        yield loaded
        return
    setup_logging()
    with interrupted_by_sigterm() if _in_main_thread() else contextlib.nullcontext():
        prepared, run, sends = _prepare(loaded, trains, exports)
        if not sends:
            yield prepared
            return
        # Ctrl-C may end a process at once only where no results would be lost.
        with unfinished_work(), _sending(loaded.values, run):
            yield prepared


def _prepare(
    loaded: LoadedConfig[Values], trains: bool, exports: bool
) -> tuple[LoadedConfig[Values], RunPlace | None, bool]:
    """Fetch what the job needs; return its configuration, the run that it makes, and whether it sends results."""
    values: Any = loaded.values
    place = read_place(os.environ, values.distribute)
    inputs, results = input_paths(values), result_paths(values, values.description, exports=exports)
    run = run_place(values, results) if trains else None
    if place.sends:
        _check_places(loaded, run, results)
    _fetch(values, place, run, loaded.dry_run)
    check_inputs(values, inputs)
    prepared = dataclasses.replace(loaded, values=values.model_copy(update={**inputs, **results}))
    if loaded.dry_run:
        return prepared, run, False
    make_directory(Path(values.output_path))
    sends = bool(values.train_url) and place.sends
    if sends and run is not None:
        # Once more: of a run that is gone on with only now is all here.
        check_use(Path(results["run_dir"]), values.resume, values.overwrite)
    return prepared, run, sends


def _check_places(loaded: LoadedConfig[Any], run: RunPlace | None, results: dict[str, str]) -> None:
    """Refuse places of results that cannot be used before anything is fetched or sent."""
    values = loaded.values
    if values.train_url:
        check_target(values, run)
    # A run to resume may have to be fetched first.
    if run is not None and not (loaded.dry_run or values.resume):
        check_use(Path(results["run_dir"]), values.resume, values.overwrite)


def _fetch(values: Any, place: Place, run: RunPlace | None, dry_run: bool) -> None:
    """Fetch what the job needs, once for all processes of this machine."""
    lock = MachineLock(Path(f"{os.path.abspath(values.data_path)}.lock"), place.rank)
    with lock.hold():
        for key, folder in (("data_url", values.data_path), ("checkpoint_url", values.load_path)):
            if getattr(values, key):
                download(open_store(parse_storage_url(getattr(values, key), key)), Path(folder), lock.alive)
        # Only the process that writes the run reads it; its neighbours wait here with it.
        if run is not None and values.resume and values.train_url and place.machine == 0:
            _results(values).fetch(run, lock.alive, dry_run=dry_run)


@contextlib.contextmanager
def _sending(values: Any, run: RunPlace | None) -> Iterator[None]:
    """Send the results while the block runs and after it."""
    results = _results(values)
    results.begin(run, resume=values.resume, overwrite=values.overwrite)
    sender = Sender(results, Path(values.output_path))
    sender.start()
    try:
        yield
    except BaseException:
        try:
            sender.finish()
        except AlbertError as error:
            # The failure of the job is what its user has to hear of first.
            logger.warning("results could not be sent: %s", _unsent(error, values, run))
        raise
    try:
        sender.finish()
    except AlbertError as error:
        raise _unsent(error, values, run) from None


def _unsent(error: AlbertError, values: Any, run: RunPlace | None) -> StorageError:
    """Return an error of the last sending that says where the results are, and how they get to their place."""
    how = "copy them from there, or start again"
    if run is not None:
        instead = " instead of --overwrite true" if values.overwrite else ""
        how = f"the same start with --resume true{instead} sends them, or copy them from there"
    fixes = [error.fix, f"the results lie in {values.output_path}: {how}"]
    return StorageError(error.what, error.where, "; ".join(fix for fix in fixes if fix))


def _results(values: Any) -> Results:
    return Results(open_store(parse_storage_url(values.train_url, "train_url")), Path(values.output_path))


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
