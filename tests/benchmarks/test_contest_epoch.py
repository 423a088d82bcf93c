"""One epoch of both sides: the rows that they get, the figures of each, and the real sides on a tiny network."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.contest import epoch
from benchmarks.contest.epoch import Part, measure, outcomes, prepare
from benchmarks.contest.epoch_case import PEER_ROWS, SHAPES, EpochCase
from benchmarks.contest.watched import Watched
from benchmarks.machine import ROOT
from src.common.errors import DataError, DeviceError
from src.config.presets import SHAPE_KEYS, preset
from src.data.vocabulary import VocabularySettings, train_vocabulary

ROWS, DEV_ROWS = 64, 9
CASE = EpochCase("nowhere", "tiny", None, 32, 16, (8,))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the rows of both sides, made of sentences of two to ten words."""
    folder = tmp_path_factory.mktemp("epoch")
    words, draw = ["a", "fine", "dull", "film", "with", "some", "warm", "and", "funny", "actors"], random.Random(1)
    for name, count in (("train", ROWS + 5), ("dev", DEV_ROWS)):
        rows = [f"{' '.join(draw.choices(words, k=draw.randint(2, 10)))}\t{number % 2}" for number in range(count)]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    settings = VocabularySettings(vocab_size=40, character_coverage=1.0)
    model = train_vocabulary([str(folder / "train.tsv")], folder / "tiny", settings).model_file
    (folder / "made").mkdir()
    prepare(folder, model, ROWS, folder / "made")
    return folder


def test_the_peer_gets_the_rows_of_our_records(prepared: Path) -> None:
    with np.load(prepared / "made" / PEER_ROWS) as content:
        for split, rows in (("train", ROWS), ("dev", DEV_ROWS)):
            assert content[f"{split}_labels"].tolist() == [number % 2 for number in range(rows)]
            assert len(content[f"{split}_offsets"]) == rows + 1
            assert content[f"{split}_offsets"][-1] == len(content[f"{split}_ids"])
            # [CLS] begins every row.
            assert len(set(content[f"{split}_ids"][content[f"{split}_offsets"][:-1]])) == 1


def test_too_few_rows_are_refused(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"train.tsv: it has {ROWS + 5} rows, 900 are asked for -> lower --rows"):
        prepare(prepared, tmp_path / "none.model", 900, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_converter_that_fails_is_told_by_its_last_line(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"create_finetuning_data.py ended with 2 -> .*none.model"):
        prepare(prepared, tmp_path / "none.model", ROWS, tmp_path)


def test_the_rows_of_the_table() -> None:
    ours = [{"train_s": train_s, "evaluate_s": 1.0, "compile_s": 2.0, "rows": 9.0} for train_s in (4.0, 6.0, 5.0)]
    peers = [{"train_s": 8.0, "evaluate_s": 2.0, "rows": 9.0}] * 3
    training, evaluation, both, warm = outcomes(ours, peers, {})
    assert [training.ratio, evaluation.ratio, both.ratio, warm.ratio] == [5 / 8, 1 / 2, 6 / 10, 4 / 10]
    assert both.cells() == ["both", "6.000 (5.000 - 7.000)", "10.0 (10.0 - 10.0)", "0.60", "0.80", "yes"]
    assert warm.cells()[0] == "both, without the 2.0 s in which our graphs compile"
    assert [row.case for row in (training, evaluation)] == [Part("training"), Part("evaluation")]


@pytest.fixture
def fake_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch, "_MODULES", ("tests.benchmarks.fake_epoch",) * 2)


@pytest.mark.usefixtures("fake_sides")
def test_every_round_is_a_process_of_each_side() -> None:
    ours, peers, versions = measure(CASE, sys.executable, sys.executable, 2)
    assert ours == peers == [{"train_s": 3.0, "evaluate_s": 1.0, "compile_s": 1.5, "rows": 16.0}] * 2
    assert versions == {"nothing": "1.0"}


@pytest.mark.usefixtures("fake_sides")
def test_a_side_that_fails_is_told_with_what_it_said() -> None:
    broken = dataclasses.replace(CASE, size="broken")
    with pytest.raises(DeviceError, match=r"fake_epoch ended with status 1: RuntimeError: no such network"):
        measure(broken, sys.executable, sys.executable, 1)


def test_a_side_does_not_outlive_its_runner() -> None:
    endless = json.dumps(dataclasses.asdict(dataclasses.replace(CASE, size="endless")))
    command = [sys.executable, "-m", "tests.benchmarks.fake_epoch", endless]
    done = subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stdout == ""


def test_different_rows_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter((9.0, 8.0))
    monkeypatch.setattr(epoch, "figures_of", lambda *_: ({"rows": next(counts)}, {}))
    with pytest.raises(DeviceError, match=r"different numbers of rows: \[8.0, 9.0\]"):
        measure(CASE, "ours", "peer", 1)


def test_compilation_is_what_the_first_call_of_each_length_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 5.0, 6.0, 6.0, 7.0, 7.0, 10.0])
    monkeypatch.setattr("benchmarks.contest.watched.time.perf_counter", lambda: next(clock))
    watched = Watched(lambda batch: batch.sum())
    for length in (8, 8, 8, 16):
        assert watched(np.ones((2, length))) == 2 * length
    # 5 instead of 1 second, and the only call of the other length.
    assert watched.compile_s == 4.0 + 3.0


def test_the_sizes_are_the_published_ones() -> None:
    for size in ("base", "large"):
        assert SHAPES[size] == {key: preset(size, "v1")[key] for key in SHAPE_KEYS}
    assert dataclasses.replace(CASE, layers=7).shape == {**SHAPES["tiny"], "num_hidden_layers": 7}


@pytest.mark.slow
def test_the_real_sides_train_and_evaluate(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    # Neighbours make threads wait for one another.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    case = EpochCase(str(prepared / "made"), "tiny", 1, 32, 64, ())
    ours, peers, versions = measure(case, sys.executable, sys.executable, 1)
    assert ours[0]["rows"] == peers[0]["rows"] == DEV_ROWS
    assert 0 < ours[0]["compile_s"] < ours[0]["train_s"] + ours[0]["evaluate_s"]
    assert min(peers[0].values()) > 0
    assert {"mindspore", "torch", "transformers"} <= set(versions)
