"""A full disk, a power cut and a kill at any moment leave a checkpoint to go on from."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.common.errors import OutputError
from src.train import checkpoint, checkpoint_files
from src.train.cell import TrainStepCell
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric
from tests.train.checkpoint_samples import (
    at,
    build,
    fill,
    manager_of,
    names_in,
)


@pytest.fixture(scope="module")
def cell() -> TrainStepCell:
    return build()


def no_space_half_way(parameters: object, path: Path) -> None:
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, cell: TrainStepCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = manager_of(tmp_path, keep=1)
    manager.save(cell.network, cell, at(1))
    before = names_in(manager)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_parameters", no_space_half_way)
        with pytest.raises(OutputError, match="no space left"):
            manager.save(cell.network, cell, at(2))
        with pytest.raises(OutputError, match="no space left"):
            manager.save_best(cell.network, at(2), Metric(name="mcc", value=1.0))
    assert names_in(manager) == before
    assert manager.latest().position == at(1)
    manager.save(cell.network, cell, at(3))
    assert manager.latest().position == at(3)


def test_file_where_the_directory_should_be(tmp_path: Path, cell: TrainStepCell) -> None:
    (tmp_path / "ckpt").write_text("a file")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        manager_of(tmp_path).save(cell.network, cell, at(1))


class PowerCut(BaseException):
    """Stops a save without the handling of errors."""


def cut(function: Callable[..., object], calls: dict[str, int]) -> Callable[..., object]:
    """Let ``calls["left"]`` calls pass, then cut the power."""

    def wrapped(*args: object, **kwargs: object) -> object:
        calls["left"] -= 1
        if calls["left"] < 0:
            raise PowerCut
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("kind", ["rotation", "best"])
def test_power_cut_at_every_write(
    tmp_path: Path, cell: TrainStepCell, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Cut before the n-th change of the disk, for every n, until a save completes."""
    calls = {"left": 1000}

    def save(manager: CheckpointManager, step: int) -> None:
        fill(cell, step)
        if kind == "best":
            manager.save_best(cell.network, at(step), Metric(name="mcc", value=float(step)))
        else:
            manager.save(cell.network, cell, at(step))

    save(manager_of(tmp_path, keep=1), 1)
    monkeypatch.setattr(os, "replace", cut(os.replace, calls))
    monkeypatch.setattr(Path, "unlink", cut(Path.unlink, calls))
    monkeypatch.setattr(checkpoint_files.ms, "save_checkpoint", cut(ms.save_checkpoint, calls))
    good, cuts = 1, 0
    for step in range(2, 40):
        calls["left"] = cuts
        try:
            save(manager_of(tmp_path, keep=1), step)
            completed = True
        except PowerCut:
            completed = False
        calls["left"] = 1000
        manager = manager_of(tmp_path, keep=1)
        entry = manager.latest() if kind == "rotation" else manager.best()
        assert entry is not None
        assert entry.position.global_step in (good, step)
        weights = ms.load_checkpoint(str(manager.directory / entry.weights.name))
        assert set(np.ravel(weights["dense.weight"].asnumpy())) == {float(entry.position.global_step)}
        good = entry.position.global_step
        manager.clean_leftovers()
        assert len(names_in(manager)) == (3 if kind == "rotation" else 2)
        if completed:
            break
        cuts += 1
    assert completed
    assert cuts >= 5


SAVER = """
import sys
from pathlib import Path
import mindspore as ms, numpy as np
from mindspore import Parameter, Tensor, nn
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition

def cell_of(name):
    cell = nn.Cell()
    cell.insert_param_to_cell(name, Parameter(Tensor(np.zeros(1_000_000, np.float32)), name=name))
    return cell

network, state = cell_of("weight"), cell_of("moment")
manager = CheckpointManager(Path(sys.argv[1]), "killed", 1)
latest = manager.latest()
step = latest.position.global_step if latest else 0
while True:
    step += 1
    for item in (*network.get_parameters(), *state.get_parameters()):
        item.set_data(Tensor(np.full(1_000_000, step, np.float32)))
    position = TrainPosition(epoch=1, step_in_epoch=step, global_step=step)
    manager.save(network, state, position)
    manager.save_best(network, position, Metric(name="mcc", value=float(step)))
    print(step, flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    """With ``keep=1`` there is always exactly one checkpoint to fall back on, so a gap would show.

    Every run waits otherwise long; ``SEED_OF_KILLS`` in the environment repeats one.
    """
    script = tmp_path / "saver.py"
    script.write_text(SAVER)
    seed = int(os.environ.get("SEED_OF_KILLS", time.time()))
    generator = np.random.default_rng(seed)
    manager = CheckpointManager(tmp_path / "ckpt", "killed", 1)
    for kill in range(4):
        root = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        command = [sys.executable, str(script), str(manager.directory)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            confirmed = int(process.stdout.readline())
            wait = generator.uniform(0.05, 0.4)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            confirmed = max([confirmed, *(int(line) for line in process.stdout)])
        how = f"SEED_OF_KILLS={seed}, kill {kill} after {wait:.4f} s, step {confirmed} was saved"
        entry, best = manager.latest(), manager.best()
        assert entry.position.global_step >= confirmed, how
        assert best.position.global_step >= confirmed, how
        for record, name in ((entry.weights, "weight"), (entry.state, "moment")):
            loaded = ms.load_checkpoint(str(manager.directory / record.name))[name].asnumpy()
            assert (loaded == entry.position.global_step).all(), how
    manager.clean_leftovers()
    assert len(list(manager.directory.iterdir())) == 4
