"""Pre-training in two processes on the CPU, started as users start it, against one process on the same batches."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.entry.pretraining_support import (
    LIMIT_S,
    NETWORK,
    STEPS,
    TRAINING,
    WHOLE,
    PretrainData,
    largest_difference,
    launch,
    losses_of,
    pretrain,
    printed,
    rank_process,
    wait_for,
)
from tests.entry.runs import Outcome, arguments, call, content_of, records_of, report_of, saved_step

pytestmark = pytest.mark.slow

# Measured over 50 steps: 2 ranks against 1 process 3.6e-7, resumed with another number of ranks 3.6e-7.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Ended:
    """A job of two ranks that has ended.

    Attributes:
        run: Its run directory, untouched since.
        logs: The launcher's folder.
        status: The launcher's exit status.
    """

    run: Path
    logs: Path
    status: int

    def rank_log(self, rank: int) -> str:
        return (self.logs / f"rank_{rank}.log").read_text(encoding="utf-8")


def start_job(folder: Path, name: str, *keys: dict[str, Any]) -> subprocess.Popen[str]:
    merged: dict[str, Any] = {**WHOLE, "run_dir": folder / name}
    for part in keys:
        merged |= part
    return launch(merged, folder / f"{name}_logs")


def ended(folder: Path, name: str, process: subprocess.Popen[str]) -> Ended:
    return Ended(folder / name, folder / f"{name}_logs", process.wait(LIMIT_S))


@pytest.fixture(scope="module")
def jobs(pretrain_data: PretrainData, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """Run three jobs at once: one to its end, in one a rank is killed, one gets SIGTERM."""
    folder = tmp_path_factory.mktemp("jobs")
    evaluation = pretrain_data.keys(evaluate=True)
    started = {
        # Two batches of evaluation, one for each rank.
        "whole": start_job(
            folder, "whole", evaluation, {"eval_steps": 20, "eval_batch_size": 256, "bucket_list": "[10]"}
        ),
        "killed": start_job(folder, "killed", pretrain_data.keys()),
        # With the optimizer's state split: its checkpoints hold the whole of it all the same.
        "stopped": start_job(folder, "stopped", pretrain_data.keys(), {"shard_optimizer_state": True}),
    }
    try:
        waiting = {"killed": signal.SIGKILL, "stopped": signal.SIGTERM}
        while waiting:
            for name, number in list(waiting.items()):
                if saved_step(folder / name) >= 10:
                    os.kill(rank_process(started[name], 1) if name == "killed" else started[name].pid, number)
                    del waiting[name]
            process = started[next(iter(waiting), "whole")]
            wait_for(lambda: any(saved_step(folder / name) >= 10 for name in waiting) or not waiting, process, folder)
        yield {name: ended(folder, name, process) for name, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
            process.wait(LIMIT_S)


def copy_of(job: Ended, target: Path) -> Path:
    return Path(shutil.copytree(job.run, target))


def test_two_ranks_equal_one_process(jobs: dict[str, Ended], pretrained: tuple[Path, Outcome]) -> None:
    whole = jobs["whole"]
    assert whole.status == 0, printed(whole.logs)
    assert largest_difference(whole.run, pretrained[0]) < TOLERANCE
    for own, theirs in zip(records_of(whole.run, "eval"), records_of(pretrained[0], "eval"), strict=True):
        for name in ("mlm_loss", "sop_loss", "mlm_accuracy", "sop_accuracy", "perplexity"):
            assert own[name] == pytest.approx(theirs[name], rel=TOLERANCE)
    report = report_of(whole.run, "held_out")
    assert (report["rows"], report["predictions"]) == tuple(
        report_of(pretrained[0], "held_out")[name] for name in ("rows", "predictions")
    )


def test_only_the_first_rank_writes(jobs: dict[str, Ended], pretrained: tuple[Path, Outcome]) -> None:
    whole = jobs["whole"]
    names = {re.sub(r"events.*", "events", name) for name in content_of(whole.run)}
    assert names == {re.sub(r"events.*", "events", name) for name in content_of(pretrained[0])}
    assert "evaluation:" in whole.rank_log(0)
    assert "evaluation:" not in whole.rank_log(1)


def test_a_killed_rank_ends_the_job(jobs: dict[str, Ended]) -> None:
    killed = jobs["killed"]
    assert killed.status == 128 + signal.SIGKILL
    assert re.search(r"^error: .*rank 1", printed(killed.logs), re.MULTILINE), printed(killed.logs)[-2000:]
    assert 10 <= saved_step(killed.run) < STEPS


def test_a_stopped_job_has_saved_the_step_that_both_ranks_reached(jobs: dict[str, Ended]) -> None:
    stopped = jobs["stopped"]
    assert stopped.status == 128 + signal.SIGTERM, printed(stopped.logs)
    for rank in range(2):
        assert "SIGTERM received: the state is saved; go on with --resume true" in stopped.rank_log(rank)
        assert "Traceback" not in stopped.rank_log(rank)
    assert saved_step(stopped.run) == max(losses_of(stopped.run)) < STEPS


def test_resume_with_the_same_and_with_more_ranks(
    jobs: dict[str, Ended], pretrained: tuple[Path, Outcome], pretrain_data: PretrainData, tmp_path: Path
) -> None:
    """Two ranks go on where two ranks were killed, and, with the optimizer's state split, where one process stood."""
    copy_of(jobs["killed"], tmp_path / "two")
    single = tmp_path / "one"
    keys = {**WHOLE, **pretrain_data.keys(), "run_dir": single}
    pretrain(keys, {"train_steps": 20, "AdamWeightDecay.decay_steps": STEPS})
    again = {"resume": True, "AdamWeightDecay.decay_steps": STEPS}
    split = {"shard_optimizer_state": True}
    started = {
        "two": start_job(tmp_path, "two", pretrain_data.keys(), again),
        "one": start_job(tmp_path, "one", pretrain_data.keys(), again, split),
    }
    for name, process in started.items():
        job = ended(tmp_path, name, process)
        assert job.status == 0, printed(job.logs)
        assert "resumed at step" in job.rank_log(0)
    # Two ranks repeat their sums in the same order: the very same figures.
    assert losses_of(tmp_path / "two") == losses_of(jobs["whole"].run)
    assert largest_difference(single, pretrained[0]) < TOLERANCE


def test_resume_with_one_process(
    jobs: dict[str, Ended], pretrained: tuple[Path, Outcome], pretrain_data: PretrainData, tmp_path: Path
) -> None:
    """The state that two ranks held slices of; the run's own file asks for neither ranks nor slices."""
    run = copy_of(jobs["stopped"], tmp_path / "run")
    config = ["--config_path", run / "config.yaml", "--resume", "true", "--accumulation_steps", 2]
    outcome = call("run_pretrain", config)
    assert outcome.status == 0, outcome.err
    assert f"resumed at step {saved_step(jobs['stopped'].run)}" in outcome.err
    assert largest_difference(run, pretrained[0]) < TOLERANCE


def test_resume_with_another_batch_is_refused(
    jobs: dict[str, Ended], pretrain_data: PretrainData, tmp_path: Path
) -> None:
    run = copy_of(jobs["stopped"], tmp_path / "run")
    before = content_of(run)
    keys = {**WHOLE, **pretrain_data.keys(), "run_dir": run, "resume": True, "batch_size": 8}
    outcome = call("run_pretrain", arguments(NETWORK, TRAINING, keys))
    assert outcome.status == 2
    error = outcome.err.splitlines()[-1]
    assert "rows of an update (batch_size x accumulation_steps x processes) was 16, is 8" in error
    assert content_of(run) == before
