"""Save and restore training so that a crash at any moment leaves a checkpoint that loads.

New files are written in a scratch directory, synced, renamed into place, and only then named in the manifest, which
is replaced as a whole. MindSpore's own ``save_checkpoint`` deletes the old file first and does not sync.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mindspore import Parameter, nn, ops

from src.common.errors import CheckpointError, OutputError
from src.common.files import fsync_directory, make_directory, output_error, replace_durably, write_json_atomic
from src.train.checkpoint_files import (
    MANIFEST_NAME,
    BestEntry,
    CheckpointEntry,
    FileRecord,
    Manifest,
    Metric,
    TrainPosition,
    check_match,
    damage_of,
    read_manifest,
    read_parameters,
    record_of,
    with_sums_of,
    write_parameters,
)

_SCRATCH_PREFIX = ".saving-"
_LOGGER = logging.getLogger(__name__)


class CheckpointManager:
    """Keep the newest checkpoints of one run, and its best weights, in one directory.

    One process writes to a directory. Making a manager, ``latest`` and ``restore`` change nothing on the disk.

    Args:
        directory: Made with the first save.
        prefix: First part of the file names, for example ``classifier``.
        keep: Number of the newest checkpoints that are kept.

    Raises:
        CheckpointError: ``keep`` is less than 1.
    """

    def __init__(self, directory: Path, prefix: str, keep: int) -> None:
        if keep < 1:
            raise CheckpointError(f"cannot keep {keep} checkpoints", "", "keep 1 or more")
        self.directory = directory
        self.prefix = prefix
        self.keep = keep
        self._leftovers_cleaned = False

    def save(
        self,
        network: nn.Cell,
        train_cell: nn.Cell,
        position: TrainPosition,
        metric: Metric | None = None,
        whole: Mapping[str, Parameter] | None = None,
    ) -> CheckpointEntry:
        """Save a complete checkpoint and drop the oldest beyond ``keep``.

        Checkpoints at or after ``position`` come from a run that went back, and are dropped too.

        Args:
            network: Its parameters become ``<prefix>-<epoch>_<step>.ckpt``.
            train_cell: Its other parameters become ``<prefix>-<epoch>_<step>.state.ckpt``.
            position: Where training stands.
            metric: Recorded in the manifest.
            whole: By name, what is saved in the place of parameters of which ``train_cell`` holds a slice only.

        Raises:
            OutputError: The files cannot be written; the checkpoints there are untouched.
        """
        with self._writing():
            manifest = self._manifest()
            stem = self._free_stem(position)
            with self._scratch() as scratch:
                weights, state = scratch / f"{stem}.ckpt", scratch / f"{stem}.state.ckpt"
                write_parameters(network.get_parameters(), weights)
                write_parameters({**state_parameters(network, train_cell), **(whole or {})}.values(), state)
                entry = CheckpointEntry(
                    position=position, weights=record_of(weights), state=record_of(state), metric=metric
                )
                self._write(manifest.model_copy(update={"removable": _file_names(entry)}))
                for path in (weights, state):
                    replace_durably(path, self.directory / path.name)
            earlier = [item for item in manifest.checkpoints if _order(item) < _order(entry)]
            kept = (*earlier, entry)[-self.keep :]
            dropped = [name for item in manifest.checkpoints if item not in kept for name in _file_names(item)]
            manifest = manifest.model_copy(update={"checkpoints": kept, "removable": tuple(dropped)})
            self._write(manifest)
            self._remove_removable(manifest)
        return entry

    def save_best(self, network: nn.Cell, position: TrainPosition, metric: Metric) -> BestEntry:
        """Replace ``<prefix>-best.ckpt`` (weights only); the caller decides that ``metric`` is the best.

        Raises:
            OutputError: The file cannot be written, or a file of that name is not ours.
        """
        path = self.directory / f"{self.prefix}-best.ckpt"
        with self._writing():
            manifest = self._manifest()
            if path.exists() and manifest.best is None:
                raise OutputError("exists and is not in the manifest", str(path), "move it away")
            with self._scratch() as scratch:
                new = scratch / path.name
                write_parameters(network.get_parameters(), new)
                entry = BestEntry(position=position, weights=record_of(new), metric=metric)
                self._write(manifest.model_copy(update={"next_best": entry}))
                replace_durably(new, path)
            self._write(manifest.model_copy(update={"best": entry}))
        return entry

    def best(self) -> BestEntry | None:
        """Return the best weights' entry, ``None`` when there is none.

        Raises:
            CheckpointError: The file is damaged.
        """
        manifest = read_manifest(self.directory, self.prefix)
        candidates = [manifest.next_best, manifest.best] if manifest else []
        damages = []
        for entry in candidates:
            if entry is not None:
                damage = damage_of(self.directory, entry.weights)
                if damage is None:
                    return entry
                damages.append(damage)
        if manifest is None or manifest.best is None:
            return None
        raise CheckpointError(f"damaged best checkpoint: {damages[-1]}", "", "use the newest checkpoint instead")

    def latest(self) -> CheckpointEntry | None:
        """Return the newest checkpoint whose files are whole, with a warning for each newer one that is not.

        Raises:
            CheckpointError: There are checkpoints and all of them are damaged, or the manifest is.
        """
        manifest = read_manifest(self.directory, self.prefix)
        if manifest is None or not manifest.checkpoints:
            return None
        damages = []
        for entry in reversed(manifest.checkpoints):
            damage = damage_of(self.directory, entry.weights) or damage_of(self.directory, entry.state)
            if damage is None:
                return entry
            _LOGGER.warning("damaged checkpoint: %s; trying the one before it", damage)
            damages.append(damage)
        raise CheckpointError(
            f"no checkpoint is whole: {'; '.join(damages)}", str(self.directory), "restore a copy or train anew"
        )

    def restore(
        self,
        network: nn.Cell,
        train_cell: nn.Cell,
        entry: CheckpointEntry | None = None,
        whole: Mapping[str, Parameter] | None = None,
    ) -> TrainPosition:
        """Load weights and training state, all of it or nothing.

        Args:
            network: Gets the weights.
            train_cell: Gets the rest of its parameters.
            entry: The checkpoint; ``None`` takes ``latest()``.
            whole: By name, what is loaded in the place of parameters of which ``train_cell`` holds a slice only.

        Raises:
            CheckpointError: There is none, it is damaged, or names, shapes or types differ from the cells'.
        """
        entry = entry or self.latest()
        if entry is None:
            raise CheckpointError("there is no checkpoint to resume from", str(self.directory))
        pairs = []
        for record, parameters in (
            (entry.weights, {item.name: item for item in network.get_parameters()}),
            (entry.state, {**state_parameters(network, train_cell), **(whole or {})}),
        ):
            loaded = with_sums_of(parameters, read_parameters(self.directory, record))
            check_match(parameters, loaded, self.directory / record.name)
            pairs += [(parameter, loaded[name]) for name, parameter in parameters.items()]
        for parameter, value in pairs:
            # Copied in place: after set_data (and load_param_into_net) a graph with branches that has run before goes
            # on with the old values in its branches, silently.
            ops.assign(parameter, value)
        return entry.position

    def clean_leftovers(self) -> None:
        """Remove what an interrupted save left; done by the first save, and worth doing before training starts.

        Raises:
            OutputError: They cannot be removed.
        """
        try:
            for path in self.directory.glob(f"{_SCRATCH_PREFIX}*"):
                shutil.rmtree(path)
            for path in self.directory.glob(f".{MANIFEST_NAME}.*.tmp"):
                path.unlink()
            manifest = read_manifest(self.directory, self.prefix)
            if manifest is not None and manifest.next_best is not None:
                # Killed while the best file was replaced: its checksum tells which of the two it is.
                replaced = damage_of(self.directory, manifest.next_best.weights) is None
                best = manifest.next_best if replaced else manifest.best
                manifest = manifest.model_copy(update={"best": best, "next_best": None})
                self._write(manifest)
            if manifest is not None and manifest.removable:
                self._remove_removable(manifest)
        except OSError as error:
            raise output_error(error, self.directory) from error
        self._leftovers_cleaned = True

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Clean once before the first write; turn a failed write into an error and clean again before the next."""
        make_directory(self.directory)
        if not self._leftovers_cleaned:
            self.clean_leftovers()
        self._leftovers_cleaned = False
        try:
            yield
        except OSError as error:
            raise output_error(error, self.directory) from error
        self._leftovers_cleaned = True

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Give a directory on the same device, gone afterwards."""
        path = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=self.directory))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _manifest(self) -> Manifest:
        return read_manifest(self.directory, self.prefix) or Manifest(prefix=self.prefix)

    def _write(self, manifest: Manifest) -> None:
        write_json_atomic(self.directory / MANIFEST_NAME, manifest.model_dump(mode="json"))

    def _remove_removable(self, manifest: Manifest) -> None:
        """Remove the files that the manifest lists as removable and no entry names."""
        used = {name for entry in manifest.checkpoints for name in _file_names(entry)}
        for name in manifest.removable:
            # The manifest is a file that people may edit: it can never remove anything but our own checkpoints.
            if name not in used and name == Path(name).name and name.startswith(f"{self.prefix}-"):
                (self.directory / name).unlink(missing_ok=True)
        fsync_directory(self.directory)
        self._write(manifest.model_copy(update={"removable": ()}))

    def _free_stem(self, position: TrainPosition) -> str:
        """Return ``<prefix>-<epoch>_<step>``, with ``-2`` and so on where that exists: nothing is overwritten."""
        plain = f"{self.prefix}-{position.epoch}_{position.step_in_epoch}"
        stem, number = plain, 1
        while (self.directory / f"{stem}.ckpt").exists() or (self.directory / f"{stem}.state.ckpt").exists():
            number += 1
            stem = f"{plain}-{number}"
        return stem


def state_parameters(network: nn.Cell, train_cell: nn.Cell) -> dict[str, Parameter]:
    """Return the parameters of ``train_cell`` that are not the network's, by name: the training state."""
    weights = {item.name for item in network.get_parameters()}
    return {item.name: item for item in train_cell.get_parameters() if item.name not in weights}


def _order(entry: CheckpointEntry) -> tuple[int, int]:
    return entry.position.epoch, entry.position.step_in_epoch


def _file_names(entry: CheckpointEntry) -> tuple[str, ...]:
    records: tuple[FileRecord, ...] = (entry.weights, entry.state)
    return tuple(record.name for record in records)
