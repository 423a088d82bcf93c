"""Both sides of a contest: the protocol with sides that compute nothing, and the real ones on one layer."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.contest import __main__ as command
from benchmarks.contest import runner, steps
from benchmarks.contest.cases import CASES, FINETUNE, FORWARD, PRETRAIN, StepCase, batch_of
from benchmarks.contest.options import check, left_out_line, parse
from benchmarks.contest.process import last_words
from benchmarks.contest.runner import Outcome, cold_start, contest, memory, sides
from src.common.errors import ConfigError, DataError, DeviceError, OutputError

SLEEPS = StepCase(FINETUNE, "base", 3, 8, 0.0, target=1.0)


@pytest.fixture(autouse=True)
def fake_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_OURS", "_PEER"):
        monkeypatch.setattr(runner, name, "tests.benchmarks.fake_side")


def test_both_sides_work_in_turn() -> None:
    outcome = contest(SLEEPS, sys.executable, sys.executable, rounds=2, steps=3)
    assert len(outcome.ours) == len(outcome.peer) == 6
    assert min(*outcome.ours, *outcome.peer) >= 0.003
    assert outcome.versions == {"nothing": "1.0"}
    assert outcome.values == (0.5, 0.5)


def test_cold_start_holds_the_start_of_the_process() -> None:
    outcome = cold_start(SLEEPS, sys.executable, sys.executable, rounds=1)
    assert outcome.ours[0] > 0.003


def test_memory_is_that_of_the_processes() -> None:
    outcome = memory(SLEEPS, sys.executable, sys.executable, steps=1)
    assert 5 < outcome.ours[0] < 500


def test_a_side_that_fails_is_told_with_what_it_said() -> None:
    broken = StepCase(FINETUNE, "broken", 1, 8, 0.0)
    with pytest.raises(DeviceError, match=r"fake_side ended with status 1: RuntimeError: no such network -> is there"):
        contest(broken, sys.executable, sys.executable, rounds=1, steps=1)


def test_of_a_traceback_the_error_is_told() -> None:
    lines = ["loading\n", "Traceback (most recent call last):\n", '  File "x.py", line 1\n', "a.b.CError: no room\n"]
    assert last_words([*lines, "  by 3 MB\n"]) == "a.b.CError: no room\n  by 3 MB"
    assert last_words(["Killed\n"] * 20) == "\n".join(["Killed"] * 15)


def test_an_outcome_is_a_row() -> None:
    outcome = Outcome(SLEEPS, (1.0, 2.0, 3.0), (4.0, 2.0, 2.5), {})
    expected = [
        "finetune base 3 x 8 dropout 0",
        "2.000 (1.000 - 3.000)",
        "2.500 (2.000 - 4.000)",
        "0.80",
        "1.00",
        "yes",
    ]
    assert outcome.cells() == expected
    assert Outcome(SLEEPS, (3.0,), (2.0,), {}).cells()[-1] == "no"


def test_both_sides_get_the_same_batch() -> None:
    case = CASES["pretrain"][0]
    first, second = batch_of(case), batch_of(case)
    assert first.ids.shape == (8, 128)
    assert first.positions.shape == first.predictions.shape == (8, 20)
    assert (np.diff(first.positions) > 0).all()
    for one, other in zip(vars(first).values(), vars(second).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--only", "train,speed"], "there is no benchmark 'speed': choose of train, forward"),
        (["--rounds", "0"], "'0' is not a whole number from 1"),
        (["--rows", "63"], "'63' is not a whole number from 64"),
        (["--buckets", "16,300"], "'16,300' is no list of numbers from 1 to 128"),
        (["--only", "forward,epoch", "--glue_dir", "x"], "--only: epoch needs --spm_model_file"),
        (["--only", "data"], "data needs --text_file, --spm_model_file"),
        (["--peer_python", "nowhere/python"], "nowhere/python: the peer's environment is not there -> run make bench"),
    ],
)
def test_bad_options(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(parse(argv))


def test_data_that_are_not_there_are_found_before_anything_is_measured(tmp_path: Path) -> None:
    given = ["--only", "epoch", "--peer_python", sys.executable, "--glue_dir", str(tmp_path)]
    with pytest.raises(DataError, match=r"none.model: there is no such file -> check --spm_model_file"):
        check(parse([*given, "--spm_model_file", str(tmp_path / "none.model")]))
    (tmp_path / "some.model").touch()
    with pytest.raises(DataError, match=r"SST-2/train.tsv: there is no such file"):
        check(parse([*given, "--spm_model_file", str(tmp_path / "some.model")]))


def test_what_needs_data_is_left_out_and_named() -> None:
    options = parse([])
    assert options.only == ["train", "forward", "pretrain", "cold", "memory"]
    assert "epoch (needs --glue_dir, --spm_model_file)" in left_out_line(options.left_out)
    assert parse(["--only", "memory,train"]).only == ["memory", "train"]


def test_the_benchmark_of_our_own_data_needs_no_peer(tmp_path: Path) -> None:
    for name in ("text.txt", "some.model"):
        (tmp_path / name).touch()
    given = ["--text_file", str(tmp_path / "text.txt"), "--spm_model_file", str(tmp_path / "some.model")]
    check(parse(["--only", "data", "--peer_python", "nowhere/python", *given]))


def test_the_command_prints_a_table_and_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(steps.CASES, "train", (SLEEPS,))
    page = tmp_path / "page.md"
    argv = ["--only", "train", "--rounds", "1", "--steps", "1", "--peer_python", sys.executable, "--output", str(page)]
    assert command.main(argv) == 0
    printed = capsys.readouterr().out
    for text in (printed, page.read_text()):
        assert "| finetune base 3 x 8 dropout 0 | 0.00" in text
        assert "versions   nothing 1.0" in text
        assert "processor  " in text
    assert "python -m benchmarks.contest --only train --rounds 1 --steps 1\n" in page.read_text()
    with pytest.raises(OutputError, match="it exists already -> choose another name, or say --overwrite"):
        command.main(argv)
    assert command.main([*argv, "--overwrite"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FINETUNE, FORWARD, PRETRAIN])
def test_the_real_sides_compute_what_they_say(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # In processes of their own: MindSpore takes SIGINT for itself, which other tests send.
    monkeypatch.undo()
    case = StepCase(kind, "base", 2, 32, 0.0, layers=1)
    with sides(case, sys.executable, sys.executable) as both:
        values = [side.value for side in both]
    assert all(map(math.isfinite, values))
    if kind != FORWARD:
        # Random weights know nothing: the loss is that of guessing, whichever side computes it.
        guess = math.log(2) + (math.log(30000) if kind == PRETRAIN else 0)
        assert values == pytest.approx([guess, guess], abs=0.6)


def test_the_peer_is_pinned() -> None:
    lines = (Path(__file__).resolve().parents[2] / "requirements-peers.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin.partition("==")[0] for pin in pins] == ["torch", "transformers", "sentencepiece", "protobuf", "numpy"]
    assert all("==" in pin for pin in pins)
