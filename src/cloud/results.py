"""Send a folder of results to a storage, so that at every moment a whole run lies there; and fetch it back."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.cloud.download import fetch_files
from src.cloud.names import safe_name
from src.cloud.progress import Progress
from src.cloud.snapshot import MANIFEST_NAME, State, snapshot, state_of, states
from src.cloud.store import Store, StoredFile
from src.common import heartbeat
from src.common.errors import StorageError
from src.common.files import make_directory, output_error, sha256_of
from src.common.json_files import json_value
from src.common.run_directory import is_run_directory, is_run_mark
from src.common.run_files import ENVIRONMENT_NAME, is_run_path

logger = logging.getLogger(__name__)

INDEX_NAME = "albert_results.json"
"""Beside the results: size and sha256 of each, what is to be removed; written last."""

_FORMAT = "albert-results"
_FETCHING = ".fetching"


@dataclass(frozen=True)
class RunPlace:
    """Where a run lies below the folder of results.

    Attributes:
        folders: The run directory, and the folder of its checkpoints where that lies elsewhere.
        checkpoints: The folder of its checkpoints.
    """

    folders: tuple[str, ...]
    checkpoints: str

    @property
    def mark(self) -> str:
        """The file that makes a directory that of a run, and that every start of a run writes first."""
        return f"{self.folders[0]}/{ENVIRONMENT_NAME}"

    def holds(self, name: str) -> bool:
        """Tell whether a file lies where the run does."""
        return any(name.startswith(f"{folder}/") for folder in self.folders)

    def wrote(self, name: str) -> bool:
        """Tell by its name whether a file that lies there is one that a run writes."""
        below = name.removeprefix(f"{self.checkpoints}/")
        return is_run_path(f"checkpoints/{below}" if below != name else name.removeprefix(f"{self.folders[0]}/"))


class Results:
    """The results of jobs below one address.

    Files go first, then the manifests that name them, then the index, and only then is removed what is no longer
    wanted: whenever a job is killed, what lies there can be gone on with. Sent is what the job itself has written, and
    the rest of a run once the job goes on with it: a job that is refused sends nothing.

    Args:
        store: Where they go.
        folder: The local folder whose layout they have.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._index: dict[str, dict[str, Any]] = {}
        self._removable: set[str] = set()
        self._ours: set[str] = set()
        self._waiting: set[str] = set()
        self._run: RunPlace | None = None
        self._resumes = False
        self._before: dict[str, State] = {}
        self._is_first = False
        self._digests: dict[tuple[int, int, int], str] = {}

    def begin(self, run: RunPlace | None, *, resume: bool, overwrite: bool) -> None:
        """Read the index and write it again, so that a storage that refuses is found before the work.

        Args:
            run: The run that the job makes; ``None`` for another job.
            resume: Whether that run is gone on with.
            overwrite: Whether its place may hold an earlier run.

        Raises:
            StorageError: The place of a new run is taken, or the storage cannot be written.
        """
        self._is_first = not self._read_index()
        self._before = states(self._folder)
        self._run, self._resumes = run, resume
        if run is not None:
            there = [file.name for folder in run.folders for file in self._store.list_files(folder)]
            if there and not resume:
                self._check_place(run, there, overwrite)
            # An earlier run goes only when the new one has begun to take its place. Of a run that goes on only
            # checkpoints go, and what other people have put there stays in any case.
            going = [name for name in there if not resume or name.startswith(f"{run.checkpoints}/")]
            self._waiting = {name for name in going if name in self._index or run.wrote(name)}
        self._write_index()

    def _check_place(self, run: RunPlace, there: list[str], overwrite: bool) -> None:
        """Refuse a place with the files of others, as the run directory of this machine is refused."""
        where = str(self._store.url.child(run.folders[0]))
        mark = self._store.read(run.mark)
        if any(name in self._index for name in there) or (mark is not None and is_run_mark(mark)):
            if overwrite:
                return
            what = f"the results of an earlier run are there ({len(there)} files)"
            fix = "set --resume true to go on with it, --overwrite true, or another run_dir or train_url"
            raise StorageError(what, where, fix)
        reason = "this is not a run directory, so nothing in it is removed" if overwrite else "the place is not empty"
        raise StorageError(f"{reason} ({len(there)} files)", where, "choose another run_dir or train_url")

    def fetch(self, run: RunPlace, alive: Callable[[], None], *, dry_run: bool = False) -> None:
        """Bring a run back into the folder, all of it or nothing; in a dry run only look whether that could be done.

        Raises:
            StorageError: There is none, it is not whole, or the one that is here is behind it.
        """
        self._read_index()
        place, where = self._folder / run.folders[0], str(self._store.url.child(run.folders[0]))
        here, files = newest_step(self._folder, run), self._stored_files(run, where)
        if not files and here < 0:
            raise StorageError("there is no run to resume", where, "check train_url and run_dir, or leave out resume")
        there = self._stored_step(run)
        if here >= there:
            logger.info("%s is here already, at step %d: nothing is fetched", place, here)
        elif here >= 0:
            what = f"the run is here at step {here}, and at step {there} in {where}"
            raise StorageError(what, str(place), "remove the one that you do not want")
        elif dry_run:
            logger.info("%s holds the run at step %d: it is not fetched for a dry run", where, there)
        else:
            self._fetch_whole(files, run, alive)

    def _stored_files(self, run: RunPlace, where: str) -> list[StoredFile]:
        """Return the stored files of a run, of which none may be missing."""
        files = [file for folder in run.folders for file in self._store.list_files(folder)]
        files = [file for file in files if file.name not in self._removable]
        lost = sorted({name for name in self._index if run.holds(name)} - {file.name for file in files})
        if files and lost:
            raise StorageError(f"{lost[0]} is missing of the run", where, "restore it, or start anew without resume")
        for file in files:
            safe_name(file.name, where)
        return files

    def _fetch_whole(self, files: list[StoredFile], run: RunPlace, alive: Callable[[], None]) -> None:
        scratch = self._folder / _FETCHING
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            fetch_files(self._store, files, make_directory(scratch), alive)
            for folder in run.folders:
                if (scratch / folder).exists():
                    make_directory((self._folder / folder).parent)
                    (scratch / folder).rename(self._folder / folder)
        except OSError as error:
            raise output_error(error, self._folder) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def send(self) -> int:
        """Send what is new or changed; return the number of files that were sent.

        Raises:
            StorageError: The storage fails; what lies there can still be gone on with.
            OutputError: The picture of the folder cannot be taken.
        """
        # Told once: what begins while the picture is taken is sent by the next call.
        begun = self._has_begun()
        with snapshot(self._folder, self._left_out(begun)) as files:
            described = {name: self._describe(path) for name, path in files.items()}
            changed = [name for name in sorted(files, key=self._order) if self._index.get(name) != described[name]]
            if begun:
                self._ours, self._waiting = self._ours | self._waiting, set()
            self._removable = (self._ours | self._removable) - set(files)
            if not changed and not self._removable:
                return 0
            size = sum(described[name]["bytes"] for name in changed)
            progress = Progress(f"upload to {self._store.url}", len(changed), size)
            for name in changed:
                self._store.put(files[name], name, described[name]["sha256"], progress.add)
                progress.file_done()
                self._index[name] = described[name]
                self._ours.add(name)
            for name in self._removable:
                self._index.pop(name, None)
            self._write_index()
            self._store.remove(sorted(self._removable))
            self._ours -= self._removable
            self._removable = set()
            progress.finish()
        return len(changed)

    def end(self) -> None:
        """Send what is left; of a job that had nothing to send no index stays either.

        Raises:
            AlbertError: As of ``send``.
        """
        self.send()
        if self._is_first and not self._index:
            self._store.remove([INDEX_NAME])

    def _has_begun(self) -> bool:
        """Tell whether the run has begun, or goes on, by the file that every start of one writes first."""
        try:
            return self._run is not None and self._before.get(self._run.mark) != state_of(self._folder / self._run.mark)
        except OSError:
            return False

    def _left_out(self, begun: bool) -> dict[str, State]:
        """Return the files that were here before the job, without those of a run that it goes on with by now."""
        run = self._run
        if run is None or not (begun and self._resumes):
            return self._before
        return {name: state for name, state in self._before.items() if not run.holds(name)}

    def _order(self, name: str) -> tuple[bool, bool, str]:
        """Sort the mark of a run before all others, and manifests behind the files that they name."""
        return self._run is None or name != self._run.mark, Path(name).name == MANIFEST_NAME, name

    def _describe(self, path: Path) -> dict[str, Any]:
        """Return size and checksum; a linked file that was seen before is not read again."""
        state = path.stat()
        key = (state.st_ino, state.st_mtime_ns, state.st_size)
        if key not in self._digests:
            self._digests[key] = sha256_of(path)
            heartbeat.alive()
        return {"bytes": state.st_size, "sha256": self._digests[key]}

    def _stored_step(self, run: RunPlace) -> int:
        content = self._store.read(f"{run.checkpoints}/{MANIFEST_NAME}")
        return _step_of(content) if content is not None else 0

    def _read_index(self) -> bool:
        """Read the index and tell whether there is one."""
        content = self._store.read(INDEX_NAME)
        if content is None:
            return False
        where = str(self._store.url.child(INDEX_NAME))
        try:
            found = json_value(content)
            if found["format"] != _FORMAT:
                raise ValueError(found["format"])
            self._index, self._removable = dict(found["files"]), set(found["removable"])
        except (ValueError, KeyError, TypeError) as error:
            fix = "remove it, or use another train_url"
            raise StorageError("the index of the results is damaged", where, fix) from error
        for name in (*self._index, *self._removable):
            safe_name(name, where)
        return True

    def _write_index(self) -> None:
        content = {"format": _FORMAT, "files": self._index, "removable": sorted(self._removable)}
        self._store.write(INDEX_NAME, (json.dumps(content, indent=1) + "\n").encode())


def newest_step(folder: Path, run: RunPlace) -> int:
    """Return the step of the newest checkpoint of a run on this machine: 0 without any, -1 without a run."""
    try:
        return _step_of((folder / run.checkpoints / MANIFEST_NAME).read_bytes())
    except OSError:
        return 0 if is_run_directory(folder / run.folders[0]) else -1


def _step_of(manifest: bytes) -> int:
    try:
        return int(json_value(manifest)["checkpoints"][-1]["position"]["global_step"])
    except (ValueError, KeyError, IndexError, TypeError):
        return 0
