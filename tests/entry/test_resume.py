"""A killed run goes on as if nothing had happened: in processes of their own, as users start them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.entry.runs import (
    NETWORK,
    NO_DROPOUT,
    TRAINING,
    Outcome,
    TinyData,
    arguments,
    call,
    classify,
    losses_of,
    manifest_of,
    records_of,
    saved_step,
    start,
)

pytestmark = pytest.mark.slow

# 90 rows in pairs: 45 steps an epoch; enough epochs that a run lasts seconds and is ended well before its end.
STEPS_PER_EPOCH, EPOCHS = 45, 10
STEPS = STEPS_PER_EPOCH * EPOCHS
# First meets the end of an epoch at step 315.
STEPS_BETWEEN_SAVES = 7
KEYS = {**NETWORK, **TRAINING, "train_batch_size": 2, "epoch_num": EPOCHS, "save_checkpoint_num": 3}
DROPOUT = dict.fromkeys(NO_DROPOUT, 0.1)


@dataclass(frozen=True)
class Ended:
    """A run that was ended early.

    Attributes:
        run: Its directory.
        keys: What it was started with.
        status: Exit status of its process.
        step: Step of its newest checkpoint.
        logged: Last step in its metrics log when it ended.
        log: What it printed.
    """

    run: Path
    keys: dict[str, Any]
    status: int
    step: int
    logged: int
    log: str


def logged_step(run: Path) -> int:
    """Return the number of whole lines of a metrics log that nobody evaluated into; 0 where there is none."""
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b'"kind": "train"') if path.exists() else 0


# Name: further keys, signal, when it is sent.
CASES: dict[str, tuple[dict[str, Any], int, Callable[[Path], bool]]] = {
    "mid-epoch": ({"save_checkpoint_steps": STEPS_BETWEEN_SAVES}, signal.SIGKILL, lambda run: saved_step(run) >= 20),
    "boundary": ({}, signal.SIGKILL, lambda run: saved_step(run) >= STEPS_PER_EPOCH),
    "sigterm": ({}, signal.SIGTERM, lambda run: logged_step(run) >= 7),
    "sigint": ({}, signal.SIGINT, lambda run: logged_step(run) >= STEPS_PER_EPOCH + 7),
}


@pytest.fixture(scope="module")
def ended(tiny_data: dict[str, TinyData], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Start all runs at once and end each at its moment."""
    folder = tmp_path_factory.mktemp("ended")
    deadline_s = time.monotonic() + 180
    started: dict[str, tuple[subprocess.Popen[str], dict[str, Any]]] = {}
    found = {}
    try:
        for name, (more, _, _) in CASES.items():
            keys = {**KEYS, **tiny_data["sst-2"].keys("train", "dev"), "run_dir": folder / name, **more}
            started[name] = start("run_classifier.py", arguments(keys), folder / f"{name}.txt"), keys
        while waiting := [name for name in started if name not in found]:
            for name in waiting:
                process, keys = started[name]
                run, log = folder / name, folder / f"{name}.txt"
                _, number, ready = CASES[name]
                assert process.poll() is None, log.read_text(encoding="utf-8")[-2000:]
                if ready(run):
                    process.send_signal(number)
                    status = process.wait(60)
                    printed = log.read_text(encoding="utf-8")
                    found[name] = Ended(run, keys, status, saved_step(run), logged_step(run), printed)
            assert time.monotonic() < deadline_s, "the runs do not get on"
            time.sleep(0.002)
    finally:
        for process, _ in started.values():
            process.kill()
            process.wait()
    return found


@pytest.fixture(scope="module")
def uninterrupted(tiny_data: dict[str, TinyData], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    outcome = classify(KEYS, tiny_data["sst-2"].keys("train", "dev"), {"run_dir": run})
    assert list(losses_of(run)) == list(range(1, STEPS + 1))
    return run, outcome


def scores_of(run: Path) -> list[tuple[int, float]]:
    return [(record["step"], record["accuracy"]) for record in records_of(run, "eval")]


@pytest.mark.parametrize("name", list(CASES))
def test_resumed_run_equals_the_uninterrupted_one(
    ended: dict[str, Ended], uninterrupted: tuple[Path, Outcome], name: str
) -> None:
    early = ended[name]
    assert 0 < early.step < STEPS
    reference, reference_outcome = uninterrupted
    resumed = classify(early.keys, {"resume": True})
    assert f"resumed at step {early.step}" in resumed.err
    assert losses_of(early.run) == losses_of(reference)
    assert scores_of(early.run) == scores_of(reference)
    assert manifest_of(early.run)["best"]["position"] == manifest_of(reference)["best"]["position"]
    assert manifest_of(early.run)["best"]["metric"] == manifest_of(reference)["best"]["metric"]
    assert resumed.out == reference_outcome.out


def test_the_moments_are_those_that_were_meant(ended: dict[str, Ended]) -> None:
    """One kill inside an epoch, one after a whole epoch, and with the signals no step is lost."""
    assert ended["mid-epoch"].step % STEPS_BETWEEN_SAVES == 0
    assert ended["boundary"].step % STEPS_PER_EPOCH == 0
    for name in ("sigterm", "sigint"):
        assert ended[name].step == ended[name].logged


def test_signals_save_and_give_their_status(ended: dict[str, Ended]) -> None:
    assert ended["sigterm"].status == 128 + signal.SIGTERM
    # MindSpore turns a SIGINT that comes while a graph runs into a SIGTERM.
    assert ended["sigint"].status in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    for name in ("sigterm", "sigint"):
        received = signal.Signals(ended[name].status - 128).name
        assert f"{received} received: the state is saved; go on with --resume true" in ended[name].log
        assert "Traceback" not in ended[name].log


def test_resume_of_a_finished_run_changes_nothing(
    tiny_run: Callable[[str], tuple[Path, Outcome]], tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    finished, outcome = tiny_run("rte")
    run = shutil.copytree(finished, tmp_path / "run")
    keys = {**NETWORK, **TRAINING, **tiny_data["rte"].keys("train", "dev", "test"), "epoch_num": 4}
    again = classify(keys, {"run_dir": run, "resume": True})
    assert again.out == outcome.out
    assert manifest_of(run) == manifest_of(finished)
    assert (run / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
    assert (run / "predictions" / "RTE.tsv").read_bytes() == (finished / "predictions" / "RTE.tsv").read_bytes()


def test_a_run_that_train_steps_ended_takes_further_steps_only_where_more_are_asked_for(
    tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    """It ended inside an epoch; that the setting differs is said."""
    keys = {**NETWORK, **TRAINING, **tiny_data["rte"].keys("train"), "train_steps": 8, "run_dir": tmp_path / "run"}
    classify(keys)
    before = manifest_of(tmp_path / "run")
    assert "another setting" not in classify(keys, {"resume": True}).err
    assert manifest_of(tmp_path / "run") == before
    assert list(losses_of(tmp_path / "run")) == list(range(1, 9))
    outcome = classify(keys, {"resume": True, "train_steps": 11})
    assert "train_steps" in next(line for line in outcome.err.splitlines() if "another setting" in line)
    assert list(losses_of(tmp_path / "run")) == list(range(1, 12))


def test_resume_without_a_run_is_refused(tiny_data: dict[str, TinyData], tmp_path: Path) -> None:
    keys = {**NETWORK, **TRAINING, **tiny_data["rte"].keys("train"), "run_dir": tmp_path / "none", "resume": True}
    outcome = call("run_classifier", arguments(keys))
    assert outcome.status == 2
    assert "there is no run to resume" in outcome.err.splitlines()[-1]
    assert not (tmp_path / "none").exists()


def test_dry_run_of_a_resume_writes_nothing(
    tiny_run: Callable[[str], tuple[Path, Outcome]], tiny_data: dict[str, TinyData], tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_run("rte")[0], tmp_path / "run")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in run.rglob("*"))
    keys = {**NETWORK, **TRAINING, **tiny_data["rte"].keys("train"), "from_scratch": False}
    classify(keys, {"run_dir": run, "resume": True}, extra=["--dry_run"])
    assert sorted((path.name, path.stat().st_mtime_ns) for path in run.rglob("*")) == before


def test_two_resumes_with_dropout_agree(
    tiny_data: dict[str, TinyData],
    uninterrupted: tuple[Path, Outcome],
    stop_at: Callable[[int], None],
    tmp_path: Path,
) -> None:
    keys = {**KEYS, **DROPOUT, **tiny_data["sst-2"].keys("train"), "epoch_num": 2, "log_steps": 10}
    stop_at(53)
    outcome = call("run_classifier", arguments(keys, {"run_dir": tmp_path / "first"}))
    assert outcome.status == 128 + signal.SIGTERM
    # The steps since the last full window are on record too.
    assert list(losses_of(tmp_path / "first")) == [10, 20, 30, 40, 45, 50, 53]
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    processes = {}
    for name in ("first", "second"):
        argv = arguments(keys, {"run_dir": tmp_path / name, "resume": True, "log_steps": 1})
        processes[name] = start("run_classifier.py", argv, tmp_path / f"{name}.txt")
    for name, process in processes.items():
        assert process.wait(120) == 0, (tmp_path / f"{name}.txt").read_text()
    first, second = losses_of(tmp_path / "first"), losses_of(tmp_path / "second")
    assert first == second
    assert list(first)[6:] == list(range(53, 91))
    # Dropout is at work.
    assert all(losses_of(uninterrupted[0])[step][0] != first[step][0] for step in range(54, 91))
