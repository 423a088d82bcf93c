"""What a data dump refuses and tidies up; tests/entry has a run that dumps."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from src.common.errors import ConfigError, OutputError
from src.config.sections import NetworkConfig
from src.runtime import data_dump
from src.runtime.data_dump import VARIABLE, DataDump, check_dump_folder, expected_dump_bytes


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_mindspore_is_told_which_iterations_and_the_scratch_folder_goes(tmp_path: Path) -> None:
    dump = DataDump(tmp_path / "dump", (0, 5), 3, tmp_path)
    config = json.loads(Path(os.environ[VARIABLE]).read_text())
    assert config["common_dump_settings"]["iteration"] == "1001-1006"
    assert config["common_dump_settings"]["path"].startswith(str(tmp_path))
    dump.close()
    dump.close()
    assert VARIABLE not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_mindspore_does_not_take_gets_another_name(tmp_path: Path) -> None:
    odd = tmp_path / "läufe.1"
    dump = DataDump(odd / "dump", (1,), 1, odd)
    path = Path(json.loads(Path(os.environ[VARIABLE]).read_text())["common_dump_settings"]["path"])
    assert str(path).isascii()
    assert path.resolve().is_relative_to(odd)
    dump.close()
    assert not path.parent.parent.exists()
    assert list(odd.iterdir()) == []


def test_a_dump_of_the_environment_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mine.json")
    with pytest.raises(ConfigError, match="unset it"):
        DataDump(tmp_path / "dump", (1,), 1, tmp_path)
    assert os.environ[VARIABLE] == "mine.json"


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    check_dump_folder(tmp_path / "none")
    check_dump_folder(tmp_path)
    (tmp_path / "x.npy").touch()
    with pytest.raises(OutputError, match="not empty"):
        check_dump_folder(tmp_path)
    with pytest.raises(OutputError):
        check_dump_folder(tmp_path / "x.npy")


def fake_dump(path: Path, value: float) -> None:
    """Write what MindSpore writes for one tensor."""
    folder = path / "dump" / "rank_0" / "albert" / "1" / "1001"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"Add.Default_Add-op0.0.0.{int(value)}.output.0.DefaultFormat.Float32.npy", np.float32(value))


def test_only_what_a_wanted_update_wrote_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = DataDump(tmp_path / "dump", (1,), 1, tmp_path)
    scratch = Path(os.environ[VARIABLE]).parent
    monkeypatch.setattr(DataDump, "_tick", lambda self, runs: None)
    for update in range(3):
        fake_dump(scratch, 10 + update)
        dump.before(update, 0)
        fake_dump(scratch, 20 + update)
        dump.after(update, 0)
    dump.finish()
    dump.close()
    files = list((tmp_path / "dump" / "update_1").iterdir())
    assert [float(np.load(path)) for path in files] == [21]
    assert "1  Add-op0" in (tmp_path / "dump" / "index.txt").read_text()
    assert (tmp_path / "dump" / "config.json").exists()


def test_a_full_disk_ends_the_dump_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(data_dump.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    dump = DataDump(tmp_path / "dump", (0, 1), 1, tmp_path)
    monkeypatch.setattr(DataDump, "_tick", lambda self, runs: None)
    with caplog.at_level(logging.WARNING):
        for update in range(2):
            dump.before(update, 0)
            dump.after(update, 0)
        dump.finish()
    dump.close()
    assert "it stops here" in caplog.text
    assert "not dumped: 0, 1" in caplog.text
    assert not (tmp_path / "dump").exists()


@pytest.mark.parametrize(
    ("sizes", "rows", "measured"),
    [((30000, 64, 128, 512, 4, 64), 64, 1729.8e6), ((27, 16, 32, 64, 2, 16), 16, 18.4e6)],
)
def test_the_expected_size_is_near_the_measured_one(sizes: tuple[int, ...], rows: int, measured: float) -> None:
    names = ("vocab_size", "embedding_size", "hidden_size", "intermediate_size", "num_attention_heads", "seq_length")
    network = NetworkConfig(num_hidden_layers=2, max_position_embeddings=64, **dict(zip(names, sizes, strict=True)))
    assert expected_dump_bytes(network, rows) == pytest.approx(measured, rel=0.2)
