from __future__ import annotations

import errno
import json
import logging
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
from mindspore import Tensor, nn

from src.common.errors import CheckpointError, OutputError
from src.config.sections import LossScaleConfig, OptimizerConfig
from src.train import checkpoint, checkpoint_files
from src.train.cell import TrainStepCell
from src.train.checkpoint import CheckpointManager
from src.train.checkpoint_files import Metric, TrainPosition
from src.train.optimizers import build_optimizer


class SquaredDistance(nn.Cell):
    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.dense = nn.Dense(size, 2)
        self.figure_names: tuple[str, ...] = ()

    def construct(self, x: Tensor, normalizers: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return (self.dense(x) ** 2).sum() / normalizers[0], ()


def build(size: int = 3, accumulation_steps: int = 2, name: str = "AdamWeightDecay") -> TrainStepCell:
    ms.set_context(mode=ms.GRAPH_MODE)
    network = SquaredDistance(size)
    config = OptimizerConfig(name=name, learning_rate=0.1, warmup_steps=2)
    optimizer = build_optimizer(network, config, train_steps=50)
    scale = LossScaleConfig(enable=True, value=64.0, window=3)
    return TrainStepCell(network, optimizer, scale, 1.0, accumulation_steps)


def train(cell: TrainStepCell, steps: range) -> list[float]:
    losses = []
    for step in steps:
        x = np.random.default_rng(step).normal(size=(4, 3)).astype(np.float32)
        losses.append(float(cell(Tensor(x), Tensor([4.0], ms.float32))[0].asnumpy()))
    return losses


def fill(cell: TrainStepCell, value: float) -> None:
    for item in cell.get_parameters():
        item.set_data(Tensor(np.full(item.shape, value), item.dtype))


def values_of(cell: TrainStepCell) -> set[float]:
    return {float(number) for item in cell.get_parameters() for number in np.ravel(item.asnumpy())}


def at(step: int, epoch: int = 1) -> TrainPosition:
    return TrainPosition(epoch=epoch, step_in_epoch=step, global_step=step, extra={"seed": 7})


def manager_of(tmp_path: Path, keep: int = 2) -> CheckpointManager:
    return CheckpointManager(tmp_path / "ckpt", "classifier", keep)


def names_in(manager: CheckpointManager) -> list[str]:
    return sorted(path.name for path in manager.directory.iterdir())


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def cell() -> TrainStepCell:
    return build()


@pytest.mark.parametrize("name", ["AdamWeightDecay", "Lamb", "Momentum"])
def test_resumed_run_has_the_same_losses(tmp_path: Path, name: str) -> None:
    """Saved in the middle of an accumulation, restored into a fresh and into an already running cell."""
    original = build(name=name)
    train(original, range(7))
    manager_of(tmp_path).save(original.network, original, at(7))
    expected = train(original, range(7, 15))
    fresh = build(name=name)
    assert manager_of(tmp_path).restore(fresh.network, fresh) == at(7)
    assert train(fresh, range(7, 15)) == expected
    manager_of(tmp_path).restore(original.network, original)
    assert train(original, range(7, 15)) == expected


def test_restored_cell_does_not_share_memory_with_the_next_restore(tmp_path: Path) -> None:
    saved = build()
    manager = manager_of(tmp_path)
    manager.save(saved.network, saved, at(1))
    cells = [build(), build()]
    for item in cells:
        manager.restore(item.network, item)
    before = cells[1].network.dense.weight.asnumpy().copy()
    train(cells[0], range(8))
    np.testing.assert_array_equal(cells[1].network.dense.weight.asnumpy(), before)


def test_weights_file_is_for_everyone(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    manager.save(cell.network, cell, at(20, epoch=3), Metric(name="accuracy", value=0.5))
    assert names_in(manager) == ["classifier-3_20.ckpt", "classifier-3_20.state.ckpt", "manifest.json"]
    weights = ms.load_checkpoint(str(manager.directory / "classifier-3_20.ckpt"))
    assert {name: value.shape for name, value in weights.items()} == {"dense.weight": (2, 3), "dense.bias": (2,)}
    umask = os.umask(0)
    os.umask(umask)
    assert (manager.directory / "classifier-3_20.ckpt").stat().st_mode & 0o777 == 0o666 & ~umask
    manifest = json.loads((manager.directory / "manifest.json").read_text())
    assert manifest["checkpoints"][0]["metric"] == {"name": "accuracy", "value": 0.5}
    assert manifest["checkpoints"][0]["position"]["extra"] == {"seed": 7}
    assert manifest["removable"] == []


def test_newest_are_kept(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path, keep=2)
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "ckpt" / "classifier-9_9.ckpt").write_bytes(b"a file of the user")
    for step in (10, 20, 30):
        manager.save(cell.network, cell, at(step))
    assert names_in(manager) == [
        *("classifier-1_20.ckpt", "classifier-1_20.state.ckpt", "classifier-1_30.ckpt", "classifier-1_30.state.ckpt"),
        *("classifier-9_9.ckpt", "manifest.json"),
    ]
    assert manager.latest().position == at(30)


def test_run_that_went_back_drops_what_came_after(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path, keep=3)
    for step in (10, 20, 30):
        manager.save(cell.network, cell, at(step))
    fill(cell, 2)
    entry = manager.save(cell.network, cell, at(20))
    assert entry.weights.name == "classifier-1_20-2.ckpt"  # the old one stays until the new one is complete
    assert names_in(manager) == [
        *("classifier-1_10.ckpt", "classifier-1_10.state.ckpt"),
        *("classifier-1_20-2.ckpt", "classifier-1_20-2.state.ckpt", "manifest.json"),
    ]
    fill(cell, 3)
    assert manager.restore(cell.network, cell) == at(20)
    assert values_of(cell) == {2.0}


def test_best_is_kept_apart(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path, keep=1)
    assert manager.best() is None
    for step, value in ((10, 0.5), (20, 0.75)):
        fill(cell, step)
        manager.save_best(cell.network, at(step), Metric(name="mcc", value=value))
    for step in (30, 40):
        manager.save(cell.network, cell, at(step))
    best = manager_of(tmp_path).best()
    assert (best.metric, best.position, best.weights.name) == (
        Metric(name="mcc", value=0.75),
        at(20),
        "classifier-best.ckpt",
    )
    weights = ms.load_checkpoint(str(manager.directory / "classifier-best.ckpt"))
    assert set(np.ravel(weights["dense.weight"].asnumpy())) == {20.0}
    flip_byte(manager.directory / "classifier-best.ckpt")
    with pytest.raises(CheckpointError, match=r"damaged best checkpoint: .*another sha256"):
        manager.best()


def test_best_file_of_the_user_is_not_overwritten(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    manager.directory.mkdir()
    (manager.directory / "classifier-best.ckpt").write_bytes(b"precious")
    with pytest.raises(OutputError, match="not in the manifest"):
        manager.save_best(cell.network, at(1), Metric(name="mcc", value=1.0))
    assert (manager.directory / "classifier-best.ckpt").read_bytes() == b"precious"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [flip_byte, truncate, Path.unlink])
@pytest.mark.parametrize("part", ["ckpt", "state.ckpt"])
def test_damaged_newest_falls_back(
    tmp_path: Path,
    cell: TrainStepCell,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    part: str,
) -> None:
    manager = manager_of(tmp_path)
    for step in (1, 2):
        fill(cell, step)
        manager.save(cell.network, cell, at(step))
    damage(manager.directory / f"classifier-1_2.{part}")
    with caplog.at_level(logging.WARNING):
        assert manager.restore(cell.network, cell) == at(1)
    assert f"classifier-1_2.{part}" in caplog.text
    assert values_of(cell) == {1.0}
    damage(manager.directory / f"classifier-1_1.{part}")
    with pytest.raises(CheckpointError, match="no checkpoint is whole"):
        manager.latest()


def test_damaged_entry_that_is_asked_for(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    entry = manager.save(cell.network, cell, at(1))
    flip_byte(manager.directory / entry.state.name)
    fill(cell, 5)
    with pytest.raises(CheckpointError, match=r"damaged checkpoint: .*classifier-1_1\.state\.ckpt"):
        manager.restore(cell.network, cell, entry)
    assert values_of(cell) == {5.0}


def test_nothing_to_resume(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    assert manager.latest() is None
    with pytest.raises(CheckpointError, match="no checkpoint to resume from"):
        manager.restore(cell.network, cell)
    assert not manager.directory.exists()


def test_other_shape_and_other_names_are_refused(tmp_path: Path) -> None:
    """The checkpoint is from the middle of an accumulation."""
    manager, cell = manager_of(tmp_path), build()
    train(cell, range(1))
    manager.save(cell.network, cell, at(1))
    other_shape = build(size=5)
    before = values_of(other_shape)
    with pytest.raises(CheckpointError, match=r"other shape: dense\.weight \(2, 3\) != \(2, 5\)"):
        manager.restore(other_shape.network, other_shape)
    other_settings = build(accumulation_steps=1)
    with pytest.raises(CheckpointError, match=r"unexpected: accumulated\.dense\.weight.*-> resume with the network"):
        manager.restore(other_settings.network, other_settings)
    other_optimizer = build(name="Momentum")
    with pytest.raises(CheckpointError, match=r"missing: moments\.dense\.weight"):
        manager.restore(other_optimizer.network, other_optimizer)
    assert values_of(other_shape) == before


@pytest.mark.parametrize(("saved_with", "gone_on_with"), [(2, 1), (1, 2), (2, 4)])
def test_between_updates_the_number_of_micro_batches_may_change(
    tmp_path: Path, saved_with: int, gone_on_with: int
) -> None:
    """Also in a cell that has begun an update of its own: what it had added up is gone."""
    saved, other = build(accumulation_steps=saved_with), build(accumulation_steps=gone_on_with)
    train(saved, range(2 * saved_with))
    train(other, range(2 * gone_on_with - 1))
    manager_of(tmp_path).save(saved.network, saved, at(2))
    assert manager_of(tmp_path).restore(other.network, other) == at(2)
    expected = {item.name: item.asnumpy() for item in saved.get_parameters()}
    for item in other.get_parameters():
        value = 0 * item.asnumpy() if item.name.startswith("accumulated") else expected[item.name]
        np.testing.assert_array_equal(item.asnumpy(), value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[]", "not a manifest of checkpoints"),
        ('{"format": "albert-checkpoints", "format_version": 2, "prefix": "classifier"}', "format_version"),
        ('{"format": "albert-checkpoints", "format_version": 1, "prefix": "squad"}', "named 'squad'"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_bad_manifest(tmp_path: Path, content: str | bytes, message: str) -> None:
    manager = manager_of(tmp_path)
    manager.directory.mkdir()
    path = manager.directory / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CheckpointError, match=message):
        manager.latest()


def test_manifest_cannot_remove_files_that_are_not_ours(tmp_path: Path, cell: TrainStepCell) -> None:
    manager = manager_of(tmp_path)
    manager.save(cell.network, cell, at(1))
    path = manager.directory / "manifest.json"
    content = json.loads(path.read_text())
    (tmp_path / "classifier-x").write_text("precious")
    content["removable"] = ["../classifier-x", "config.yaml", "classifier-1_1.ckpt"]
    path.write_text(json.dumps(content))
    (manager.directory / "config.yaml").write_text("precious")
    manager_of(tmp_path).clean_leftovers()
    assert (tmp_path / "classifier-x").exists()
    assert (manager.directory / "config.yaml").exists()
    assert manager_of(tmp_path).latest().position == at(1)


def test_keep_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot keep 0"):
        manager_of(tmp_path, keep=0)


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
