"""The folder of a run that is not finished, and the way its shards take into the result.

Finished shards lie in ``<name>.unfinished`` below the output folder, where no reader of records looks. When all are
there they move into the output folder together with the manifest. So data of a run that was stopped are never taken for
the whole, and the run can go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.common.errors import DataError, OutputError
from src.common.files import make_directory, output_error, write_json_atomic
from src.common.json_files import read_json
from src.common.run_lock import LOCK_NAME, RunLock
from src.common.wording import counted
from src.data.pretraining.manifest import (
    MANIFEST_SUFFIX,
    PretrainManifest,
    ShardInfo,
    part_name,
    read_pretrain_manifest,
    read_shard_info,
    verify_shard_files,
)

_PLAN_NAME = "plan.json"
_ALL = re.compile(".*")
# Temporary files, and what a result replaced that was about to be put in its place.
_LEFT_BY_A_KILL = re.compile(r"\..*\.tmp|replaced")


class UnfinishedRun:
    """Where one machine's part of a data set is made.

    Args:
        output_dir: Folder of the result.
        name: Name of the data set.
        shard_index: Number of this machine.
        num_shards: Number of machines.
    """

    def __init__(self, output_dir: Path, name: str, shard_index: int, num_shards: int) -> None:
        stem = part_name(name, shard_index, num_shards)
        self.output_dir = output_dir
        self.folder = output_dir / f"{stem}.unfinished"
        self.manifest_path = output_dir / f"{stem}{MANIFEST_SUFFIX}"
        self._shard_name = re.compile(rf"{re.escape(name)}-(\d{{5,}})\.(?:tfrecord|mindrecord)(?:\.db)?")
        self._share = (shard_index, num_shards)

    def finished(self) -> PretrainManifest | None:
        """Return the manifest of the result where it is there already."""
        return read_pretrain_manifest(self.manifest_path) if self.manifest_path.exists() else None

    def existing(self, more: Sequence[str] = ()) -> list[str]:
        """Return the names in the output folder that this run would replace.

        Args:
            more: Names of files that the user has chosen.
        """
        names = set(more) | {self.manifest_path.name}
        if self.manifest_path.exists():
            with contextlib.suppress(DataError):  # a damaged manifest is one more thing to replace
                names |= {file.name for file in read_pretrain_manifest(self.manifest_path).files}
        if self.output_dir.is_dir():
            index, count = self._share
            for path in self.output_dir.iterdir():
                match = self._shard_name.fullmatch(path.name)
                # Shards of other machines have other numbers.
                if match and int(match.group(1)) % count == index:
                    names.add(path.name)
        return sorted(name for name in names if os.path.lexists(self.output_dir / name))

    def begin(self, plan: Mapping[str, Any], *, resume: bool, overwrite: bool) -> bool:
        """Empty the folder, or take over what a stopped run left in it; return whether that was so.

        Args:
            plan: Everything that decides the content, as JSON.
            resume: Whether to go on with an earlier run.
            overwrite: Whether to drop it.

        Raises:
            OutputError: An earlier run is there and neither is asked for, or it was made in another way.
        """
        try:
            if self.is_resumable() and not overwrite:
                if not resume:
                    fix = "--resume true goes on with it, --overwrite true begins anew"
                    raise OutputError("a run was stopped here", str(self.folder), fix)
                self._check_same(plan)
                self._clear(_LEFT_BY_A_KILL)
                return True
            self._clear()
        except OSError as error:
            raise output_error(error, self.folder) from error
        write_json_atomic(self.folder / _PLAN_NAME, dict(plan))
        return False

    def is_resumable(self) -> bool:
        """Tell whether an earlier run was stopped here."""
        return (self.folder / _PLAN_NAME).exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it; remove it at the end if nothing worth keeping is in it.

        Raises:
            OutputError: Another run is at work there.
        """
        make_directory(self.folder)
        lock = RunLock(self.folder)
        lock.acquire()
        try:
            yield
        finally:
            finished = len(list(self.folder.glob("*record.json")))
            if not finished:
                self._clear()
            else:
                kept = counted(finished, "finished shard is", "finished shards are")
                text = f"{kept} kept in {self.folder}: --resume true goes on with them"
                print(text, file=sys.stderr, flush=True)
            lock.release()
            if not finished:
                with contextlib.suppress(OSError):
                    self.folder.rmdir()

    def _clear(self, names: re.Pattern[str] = _ALL) -> None:
        """Remove what has such a name, but never the lock."""
        for path in self.folder.iterdir():
            if not names.fullmatch(path.name):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK_NAME:
                path.unlink()

    def _check_same(self, plan: Mapping[str, Any]) -> None:
        place = self.folder / _PLAN_NAME
        try:
            before = read_json(place)
            if not isinstance(before, dict):
                raise ValueError("no object")
        except ValueError as error:
            raise OutputError("the plan is damaged", str(place), "--overwrite true begins anew") from error
        now = json.loads(json.dumps(dict(plan)))
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                what = f"the stopped run differs in its {key}{_difference(before.get(key), now.get(key))}"
                raise OutputError(what, str(self.folder), "give the same options and texts, or --overwrite true")

    def finished_shard(self, info_path: Path, text_sha256: str) -> ShardInfo | None:
        """Return a shard that is complete; ``None`` where it must be made, or made again because it is damaged.

        Raises:
            DataError: It was made from another text.
        """
        if not info_path.exists():
            return None
        try:
            info = read_shard_info(info_path)
        except DataError as error:
            _tell_damage(error)
            return None
        if info.text_sha256 != text_sha256:
            what = f"shard {info.number} was made from another text"
            raise DataError(what, str(info_path), "the input has changed: --overwrite true begins anew")
        for file in info.files:
            # A run that was stopped while it moved its shards had some of them in their place.
            moved = self.output_dir / file.name
            if not (self.folder / file.name).exists() and moved.exists():
                os.replace(moved, self.folder / file.name)
        try:
            verify_shard_files(self.folder, info.files)
        except DataError as error:
            _tell_damage(error)
            return None
        return info

    def remove_leftovers(self) -> None:
        """Empty the folder after its shards have moved."""
        self._clear()


def _tell_damage(error: DataError) -> None:
    """Tell that a shard is made again, and why."""
    print(f"warning: {error.where}: {error.what}; the shard is made again", file=sys.stderr, flush=True)


def _difference(before: Any, now: Any) -> str:
    """Return both values where they are short enough to be told."""
    if isinstance(before, dict) and isinstance(now, dict):
        key = next((key for key in sorted({*before, *now}) if before.get(key) != now.get(key)), "")
        return f", {key}{_difference(before.get(key), now.get(key))}"
    text = f": {before} then, {now} now"
    return text if len(text) < 120 else ""
