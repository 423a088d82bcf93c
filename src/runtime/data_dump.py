"""Dump what the operators of chosen training updates read and compute, with MindSpore's own dump.

MindSpore reads the file that ``MINDSPORE_DUMP_CONFIG`` names when the process compiles its first graph, and never
again. What it calls an iteration is no count of updates: a graph runs with the number of runs that the graph just
before it has had, whichever that was (measured with 2.10 on a CPU). So a tiny graph of our own runs right before each
micro-batch that is wanted, and its number of runs is the iteration that MindSpore is told to dump. What other graphs
happen to write is removed.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn

from src.common.errors import ConfigError, OutputError
from src.common.files import make_directory, output_error, write_json_atomic
from src.common.wording import counted
from src.config.presets import parameter_count
from src.config.sections import NetworkConfig
from src.runtime.dump_index import DumpedTensor, describe, long_names, write_index

logger = logging.getLogger(__name__)

VARIABLE = "MINDSPORE_DUMP_CONFIG"
# So many runs of the tiny graph come first, so that the iterations to dump are seldom those of other graphs.
_FIRST_RUNS = 1000
# A dump begins only where the disk has room for it, taken to be twice the one before it, and for this at least.
_LEAST_FREE_BYTES = 1 << 30
_MEGABYTE, _GIGABYTE = 1e6, 1e9
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_/-]+")


class _Clock(nn.Cell):
    """The graph whose number of runs is the iteration of the next graph."""

    def construct(self, x: Tensor) -> Tensor:
        """Return x + 1."""
        return x + 1.0


class DataDump:
    """The dump of one process.

    Args:
        folder: Where the files and their index go; missing or empty.
        updates: Numbers of the updates to dump, from 0.
        accumulation_steps: Micro-batches of an update.
        scratch: A folder on the same disk for what MindSpore writes.
        expected_bytes: What one micro-batch is expected to take.

    Raises:
        ConfigError: A dump is configured in the environment already.
        OutputError: ``folder`` is not empty, or a folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        updates: Sequence[int],
        accumulation_steps: int,
        scratch: Path,
        expected_bytes: int = 0,
    ) -> None:
        if VARIABLE in os.environ:
            what = "the environment configures a dump already"
            raise ConfigError(what, VARIABLE, "unset it, or leave out data_dump_flag")
        self._folder = folder
        self._updates = updates
        self._accumulation_steps = accumulation_steps
        self._tensors: list[DumpedTensor] = []
        self._bytes = expected_bytes
        self._stopped = False
        self._clock = _Clock()
        self._runs = 0
        self._scratch = Path(tempfile.mkdtemp(prefix="data_dump_", dir=make_directory(scratch.resolve())))
        self._link: Path | None = None
        try:
            self._config = self._describe(self._plain_path())
            write_json_atomic(self._scratch / "config.json", self._config)
        except (OutputError, ConfigError):
            self.close()
            raise
        os.environ[VARIABLE] = str(self._scratch / "config.json")
        total, free = expected_bytes * len(updates) * accumulation_steps, shutil.disk_usage(self._scratch).free
        sizes = f"about {total / _GIGABYTE:.2g} GB are expected, {free / _GIGABYTE:.0f} GB are free"
        logger.info("data dump: %s, in %s: %s", counted(len(updates), "update"), folder, sizes)

    def before(self, update: int, micro_batch: int) -> None:
        """Arm the dump where the next graph is one that is wanted."""
        if not self._is_wanted(update):
            return
        if self._runs == 0:
            self._tick(_FIRST_RUNS)
        if self._has_room():
            self._tick(1)
            # The tiny graph may have been dumped itself.
            self._discard()

    def after(self, update: int, micro_batch: int) -> None:
        """Take over what was written for a micro-batch whose outputs have been read."""
        if not self._is_wanted(update):
            return
        name = f"update_{update}" + (f"_micro_{micro_batch}" if self._accumulation_steps > 1 else "")
        written = self._written()
        self._bytes = sum(path.stat().st_size for path in written)
        target = make_directory(self._folder / name)
        names: dict[Path, dict[str, str]] = {}
        for path in written:
            full_name = names.setdefault(path.parent, long_names(path.parent)).get(path.name, path.name)
            moved = target / path.name
            shutil.move(path, moved)
            self._tensors.append(describe(moved, full_name, update, micro_batch, self._folder))
        if not written:
            logger.warning("data dump: MindSpore wrote nothing for update %d", update)
            return
        size = f"{self._bytes / _MEGABYTE:,.1f} MB"
        logger.info("data dump: update %d: %s, %s in %s", update, counted(len(written), "tensor"), size, target)

    def finish(self) -> None:
        """Write the index of what was dumped."""
        if self._tensors:
            write_json_atomic(self._folder / "config.json", self._config)
            logger.info("data dump: %s", write_index(self._folder, self._tensors))
        missing = set(self._updates) - {item.update for item in self._tensors}
        if missing:
            logger.warning("data dump: updates that were not dumped: %s", ", ".join(map(str, sorted(missing))))

    def close(self) -> None:
        """Remove what MindSpore has written beside the dump; safe to call twice."""
        os.environ.pop(VARIABLE, None)
        if self._link is not None:
            shutil.rmtree(self._link.parent, ignore_errors=True)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _plain_path(self) -> Path:
        """Return the scratch folder under a name that MindSpore takes: letters, digits, ``-``, ``_`` and ``/``."""
        if _PLAIN_PATH.fullmatch(str(self._scratch)):
            return self._scratch
        folder = Path(tempfile.mkdtemp(prefix="data_dump_"))
        self._link = folder / "scratch"
        self._link.symlink_to(self._scratch)
        if _PLAIN_PATH.fullmatch(str(self._link)):
            return self._link
        what = "MindSpore dumps into folders of letters, digits, - and _ only"
        raise ConfigError(what, str(folder), "name such a folder in TMPDIR, or another data_dump_path")

    def _describe(self, scratch: Path) -> dict[str, Any]:
        """Return what MindSpore is told to dump."""
        last = _FIRST_RUNS + len(self._updates) * self._accumulation_steps
        return {
            "common_dump_settings": {
                "op_debug_mode": 0,
                "dump_mode": 0,
                "path": str(scratch / "dump"),
                "net_name": "albert",
                "iteration": f"{_FIRST_RUNS + 1}-{last}" if last > _FIRST_RUNS + 1 else str(last),
                "saved_data": "tensor",
                "input_output": 0,
                "kernels": [],
                "support_device": list(range(8)),
                "file_format": "npy",
            },
            "e2e_dump_settings": {"enable": True, "trans_flag": True},
        }

    def _is_wanted(self, update: int) -> bool:
        return update in self._updates and not self._stopped

    def _tick(self, runs: int) -> None:
        """Run the tiny graph."""
        value = Tensor(0.0, ms.float32)
        for _ in range(runs):
            value = self._clock(value)
        value.asnumpy()
        self._runs += runs

    def _has_room(self) -> bool:
        """Tell whether the disk can hold another micro-batch; where it cannot, nothing more is dumped."""
        free = shutil.disk_usage(self._scratch).free
        needed = max(_LEAST_FREE_BYTES, 2 * self._bytes)
        if free < needed:
            self._stopped = True
            has, needs = (f"{size / _MEGABYTE:,.0f} MB" for size in (free, needed))
            logger.warning("data dump: it stops here, the disk has %s left and a dump may need %s", has, needs)
        return not self._stopped

    def _written(self) -> list[Path]:
        """Return the files of tensors that MindSpore has written and nobody has taken."""
        return sorted((self._scratch / "dump").glob("rank_*/*/*/*/*.npy"))

    def _discard(self) -> None:
        for path in self._written():
            path.unlink(missing_ok=True)


def check_dump_folder(folder: Path) -> None:
    """Refuse a folder in which a dump would mix with what is there.

    Raises:
        OutputError: It is not empty, or cannot be read.
    """
    try:
        used = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise output_error(error, folder) from error
    if used:
        raise OutputError("the folder of a data dump is not empty", str(folder), "move it away, or name another one")


def expected_dump_bytes(network: NetworkConfig, rows: int) -> int:
    """Return roughly what the dump of one micro-batch takes, from two networks that were measured (within 20 %).

    Args:
        network: The network; its sequences are taken to be as long as they may be.
        rows: Rows of the micro-batch.
    """
    tokens = rows * network.seq_length
    per_token = 100 * network.hidden_size + 50 * network.intermediate_size
    per_token += 35 * network.num_attention_heads * network.seq_length
    return 4 * (30 * parameter_count(network) + tokens * network.num_hidden_layers * per_token)
