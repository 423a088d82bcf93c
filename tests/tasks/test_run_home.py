"""The run directory as a training takes it, looks into it and begins it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mindspore as ms
import pytest
import yaml
from mindspore import Parameter, Tensor, nn

from src.common.errors import AlbertError, CheckpointError, ConfigError, OutputError
from src.common.files import write_json_atomic
from src.common.log import close_logging
from src.config.load import LoadedConfig, load_config
from src.tasks.run_home import RunHome
from src.tasks.weights_choice import NoCheckpoints
from src.train.checkpoint_files import TrainPosition
from tests.entry.bad_input.support import snapshot

PREFIX = "checkpoint_albert"
TASK: Any = SimpleNamespace(save_assets=lambda folder: write_json_atomic(folder / "task.json", {}))


class Step(nn.Cell):
    """A train cell with little state of its own."""

    def __init__(self, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.steps = Parameter(Tensor(0, ms.int32), name="steps")


NETWORK = nn.Dense(2, 2)
SETUP: Any = SimpleNamespace(
    networks=SimpleNamespace(inference=NETWORK), step_cell=Step(NETWORK), settings=SimpleNamespace(identity={"seed": 1})
)


def load(run: Path, **keys: Any) -> LoadedConfig[Any]:
    given = {"run_dir": run, **keys}
    return load_config("pretrain", [text for key, value in given.items() for text in (f"--{key}", str(value))])


@contextlib.contextmanager
def claimed(run: Path, **keys: Any) -> Iterator[RunHome]:
    with contextlib.ExitStack() as stack:
        yield RunHome.claim(PREFIX, load(run, **keys), stack)


@pytest.fixture(autouse=True)
def logs_closed() -> Iterator[None]:
    yield
    close_logging()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run that was begun with two processes and has saved step 3."""
    path = tmp_path / "run"
    keys = {"distribute": "true", "device_num": 2, "seed": 4}
    with claimed(path, **keys) as home:
        home.begin(TASK, load(path, **keys))
        position = TrainPosition(epoch=1, step_in_epoch=3, global_step=3, extra={"seed": 1})
        home.checkpoints.save(NETWORK, SETUP.step_cell, position)
    close_logging()
    return path


def test_claiming_writes_nothing(tmp_path: Path) -> None:
    with claimed(tmp_path / "run") as home:
        assert home.step == 0
        assert home.resumed is None
        assert home.checkpoints.directory == tmp_path / "run" / "checkpoints"
    assert snapshot(tmp_path) == {}


def test_a_second_run_waits_outside(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "run"),
        pytest.raises(OutputError, match="is using this directory"),
        claimed(tmp_path / "run"),
    ):
        pass
    kept = {"save_checkpoint_path": tmp_path / "kept"}
    busy = pytest.raises(OutputError, match="is using this directory")
    with claimed(tmp_path / "one", **kept), busy, claimed(tmp_path / "two", **kept):
        pass


def test_what_is_kept_of_the_configuration(run: Path) -> None:
    """Not what belongs to one start: the number of processes is for the launcher to say."""
    kept = yaml.safe_load((run / "config.yaml").read_text())
    once = {"run_dir": "", "resume": False, "overwrite": False, "distribute": False, "device_num": 1}
    assert {name: kept[name] for name in once} == once
    assert kept["seed"] == 4
    assert (run / "assets" / "task.json").is_file()
    assert (run / "environment.json").is_file()
    assert (run / "train.log").is_file()
    assert load_config("pretrain", ["--config_path", str(run / "config.yaml")]).run_directory() == run


def test_a_resumed_run_goes_on_from_its_newest_checkpoint(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "src")
    with claimed(run, resume="true", seed=4) as home:
        assert home.step == 3
        home.load_start(SETUP, load(run, resume="true"), {})
    assert "another setting" not in caplog.text
    assert "resumed at step 3" in caplog.text


def test_settings_that_differ_are_told(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with claimed(run, resume="true", seed=4, epoch_size=7, log_steps=2, peak_tflops=0.5):
        pass
    assert "the resumed run had another setting: epoch_size: 40 -> 7" in caplog.text
    assert "log_steps" not in caplog.text
    assert "peak_tflops" not in caplog.text


OTHER_LAYERS: dict[str, Any] = {"base_net_cfg.num_hidden_layers": 4, "base_net_cfg.hidden_act": "relu"}


def test_another_network_is_refused_before_anything_is_written(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The checkpoint of the fixture is an old one that does not name its network: the run's configuration does."""
    before = snapshot(run)
    refused = pytest.raises(
        CheckpointError, match=r"num_hidden_layers was 12, is 4; network\.hidden_act was gelu, is relu"
    )
    with refused, claimed(run, resume="true", seed=4, **OTHER_LAYERS):
        pass
    assert snapshot(run) == before
    assert "another setting" not in caplog.text


def test_how_a_network_is_trained_may_change(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = {"base_net_cfg.hidden_dropout_prob": 0.0, "base_net_cfg.seq_length": 128, "base_net_cfg.recompute": "true"}
    with claimed(run, resume="true", seed=4, device_target="Ascend", **other) as home:
        assert home.step == 3
    assert "another setting: base_net_cfg.hidden_dropout_prob: 0.1 -> 0.0" in caplog.text


def test_a_checkpoint_tells_its_network_itself(run: Path) -> None:
    """Its word counts, whatever the configuration beside it has become."""
    with claimed(run, resume="true", seed=4) as home:
        position = TrainPosition(epoch=1, step_in_epoch=4, global_step=4, extra={"network.num_attention_heads": 6})
        home.checkpoints.save(NETWORK, SETUP.step_cell, position)
    with (
        pytest.raises(CheckpointError, match=r"4.*network\.num_attention_heads was 6, is 12"),
        claimed(run, resume="true"),
    ):
        pass


def test_a_run_without_a_checkpoint_may_have_another_network(run: Path) -> None:
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with claimed(run, resume="true", seed=4, **OTHER_LAYERS) as home:
        assert home.step == 0


def test_another_identity_is_refused(run: Path) -> None:
    other: Any = SimpleNamespace(**{**vars(SETUP), "settings": SimpleNamespace(identity={"seed": 2})})
    with claimed(run, resume="true", seed=4) as home, pytest.raises(CheckpointError, match="seed was 1, is 2"):
        home.load_start(other, load(run, resume="true"), {})


def test_a_folder_that_holds_something_is_not_taken(run: Path, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    for keys, message in (
        ({}, "not empty"),
        ({"resume": "true", "save_checkpoint_path": tmp_path / "elsewhere"}, "keeps its checkpoints in"),
    ):
        with pytest.raises(AlbertError, match=message), claimed(run, **keys):
            pass
    used = {"save_checkpoint_path": run / "checkpoints"}
    with pytest.raises(OutputError, match="not this run's"), claimed(tmp_path / "new", **used):
        pass
    assert snapshot(tmp_path) == before


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(AlbertError, match="there is no run to resume"), claimed(tmp_path / "run", resume="true"):
        pass
    assert snapshot(tmp_path) == {}


def test_a_run_killed_before_its_first_save_begins_anew(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with claimed(run, resume="true", seed=4) as home:
        assert home.step == 0
    assert "holds no checkpoint yet: training begins at step 0" in caplog.text


def test_overwriting_removes_the_earlier_run_only_when_the_new_one_begins(run: Path) -> None:
    with claimed(run, overwrite="true") as home:
        assert (run / "checkpoints" / "manifest.json").is_file()
        home.begin(TASK, load(run, overwrite="true"))
        assert not (run / "checkpoints" / "manifest.json").exists()


def test_who_keeps(tmp_path: Path) -> None:
    with claimed(tmp_path / "run") as home:
        assert home.keeper is home.checkpoints
    with claimed(tmp_path / "run", enable_save_ckpt="false") as home:
        assert isinstance(home.keeper, NoCheckpoints)


def test_a_start_that_does_not_exist(tmp_path: Path) -> None:
    keys = {"load_checkpoint_path": tmp_path / "none.ckpt"}
    with (
        claimed(tmp_path / "run", **keys) as home,
        pytest.raises((CheckpointError, ConfigError), match="no such checkpoint"),
    ):
        home.load_start(SETUP, load(tmp_path / "run", **keys), {})
