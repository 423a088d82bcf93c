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
from src.cloud.job_paths import check_inputs, input_paths, result_paths, run_place
from src.cloud.machine_lock import MachineLock
from src.cloud.ranks import Place, read_place
from src.cloud.results import Results, RunPlace
from src.cloud.sender import Sender
from src.cloud.store import open_store
from src.common.errors import AlbertError
from src.common.files import make_directory
from src.common.interrupts import interrupted_by_sigterm, unfinished_work
from src.common.log import setup_logging
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
        values: Any = loaded.values
        place = read_place(os.environ, values.distribute)
        inputs, results = input_paths(values), result_paths(values, values.description, exports=exports)
        run = run_place(values, results) if trains else None
        _fetch(values, place, run)
        check_inputs(values, inputs)
        make_directory(Path(values.output_path))
        local = values.model_copy(update={**inputs, **results})
        prepared = dataclasses.replace(loaded, values=local)
        if not (values.train_url and place.sends) or loaded.dry_run:
            yield prepared
            return
        # Ctrl-C may end a process at once only where no results would be lost.
        with unfinished_work(), _sending(values, run):
            yield prepared


def _fetch(values: Any, place: Place, run: RunPlace | None) -> None:
    """Fetch what the job needs, once for all processes of this machine."""
    lock = MachineLock(Path(f"{os.path.abspath(values.data_path)}.lock"), place.rank)
    with lock.hold():
        for key, folder in (("data_url", values.data_path), ("checkpoint_url", values.load_path)):
            if getattr(values, key):
                download(open_store(parse_storage_url(getattr(values, key), key)), Path(folder), lock.alive)
        # Only the process that writes the run reads it; its neighbours wait here with it.
        if run is not None and values.resume and values.train_url and place.machine == 0:
            _results(values).fetch(run, lock.alive)


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
            logger.warning("results could not be sent: %s", error)
        raise
    sender.finish()


def _results(values: Any) -> Results:
    return Results(open_store(parse_storage_url(values.train_url, "train_url")), Path(values.output_path))


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
