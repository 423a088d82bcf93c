"""ModelArts jobs against a real S3 server: two ranks, a kill, a resume from object storage, evaluation and export."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from src.tasks.recorder import Recorder
from tests.cloud.s3_server import ACCESS, BUCKET, SECRET, client, keys, s3_server
from tests.entry.pretraining_support import (
    LIMIT_S,
    NETWORK,
    TRAINING,
    PretrainData,
    launch,
    losses_of,
    printed,
    rank_process,
    wait_for,
)
from tests.entry.runs import NETWORK as CLASSIFIER_NETWORK
from tests.entry.runs import TRAINING as CLASSIFIER_TRAINING
from tests.entry.runs import TinyData, arguments, call
from tests.entry.squad_support import NETWORK as SQUAD_NETWORK
from tests.entry.squad_support import ROWS, make_squad_data
from tests.entry.squad_support import TRAINING as SQUAD_TRAINING

pytestmark = pytest.mark.slow

# The first start does not end by itself, so that it is killed in the middle however fast it is.
SCHEDULE = {"AdamWeightDecay.decay_steps": 1000, "save_checkpoint_steps": 10, "save_checkpoint_num": 2}
FIRST, MORE = {**SCHEDULE, "train_steps": 100_000}, 15
# What the platform sets in its containers.
PLATFORM = {"MA_NUM_HOSTS": "1", "VC_WORKER_NUM": "1", "VC_TASK_INDEX": "0", "MA_JOB_DIR": "/home/ma-user/job"}


@dataclass(frozen=True)
class Container:
    """The local folders of one start of a job."""

    folder: Path

    def keys(self, prefix: str) -> dict[str, Any]:
        return {
            "enable_modelarts": "True",
            "data_url": f"s3://{BUCKET}/{prefix}/data",
            "train_url": f"s3://{BUCKET}/{prefix}/results/",
            "data_path": self.folder / "cache/data",
            "output_path": self.output,
            "load_path": self.folder / "cache/checkpoints",
        }

    @property
    def output(self) -> Path:
        return self.folder / "cache/train"


def pack(target: Path, files: dict[str, Path]) -> Path:
    """Write a zip file; a folder is packed with all it holds."""
    with zipfile.ZipFile(target, "w") as packed:
        for name, path in files.items():
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    packed.write(file, f"{name}/{file.relative_to(path)}" if path.is_dir() else name)
    return target


def upload(endpoint: str, path: Path, key: str) -> None:
    client(endpoint).put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())


def objects(endpoint: str, prefix: str) -> dict[str, bytes]:
    """Return the objects below a prefix."""
    s3 = client(endpoint)
    listed = s3.list_objects(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        item["Key"].removeprefix(f"{prefix}/"): s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in listed
    }


def is_stored(endpoint: str, key: str) -> bool:
    """Look whether an object is there, now and then."""
    time.sleep(0.2)
    return bool(client(endpoint).list_objects(Bucket=BUCKET, Prefix=key).get("Contents"))


def saved_step(stored: dict[str, bytes]) -> int:
    steps = re.findall(rb'"global_step": (\d+)', stored.get("run_pretrain/checkpoints/manifest.json", b""))
    return max(map(int, steps), default=0)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address, pytest.MonkeyPatch.context() as patch:
        for name, value in {**keys(address), **PLATFORM}.items():
            patch.setenv(name, value)
        # As ModelArts names it.
        patch.delenv("AWS_ENDPOINT_URL")
        patch.setenv("S3_ENDPOINT", address)
        yield address


@dataclass(frozen=True)
class Job:
    """A pre-training of two ranks that was killed and started again in a fresh container."""

    endpoint: str
    killed: dict[str, bytes]
    second: Container
    logs: tuple[Path, Path]
    status: tuple[int, int]

    @property
    def results(self) -> dict[str, bytes]:
        return objects(self.endpoint, "pretraining/results")


@pytest.fixture(scope="module")
def job(endpoint: str, pretrain_data: PretrainData, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("modelarts")
    parts = {"train": pretrain_data.train, "vocab.txt": pretrain_data.vocabulary, "held_out": pretrain_data.held_out}
    upload(endpoint, pack(folder / "data.zip", parts), "pretraining/data/data.zip")
    relative = {"data_dir": "train", "vocab_file_path": "vocab.txt", "run_dir": "run_pretrain"}
    first, second = Container(folder / "first"), Container(folder / "second")
    logs = folder / "first_logs", folder / "second_logs"
    manifest = "pretraining/results/run_pretrain/checkpoints/manifest.json"
    process = launch({**FIRST, **relative, **first.keys("pretraining")}, logs[0])
    try:
        wait_for(lambda: is_stored(endpoint, manifest), process, logs[0] / "launch.txt")
        os.kill(rank_process(process, 0), signal.SIGKILL)
        failed = process.wait(LIMIT_S)
    finally:
        process.terminate()
        process.wait(LIMIT_S)
    killed = objects(endpoint, "pretraining/results")
    shutil.rmtree(first.folder)
    steps = {**SCHEDULE, "train_steps": saved_step(killed) + MORE, "resume": True}
    again = launch({**steps, **relative, **second.keys("pretraining")}, logs[1])
    try:
        status = again.wait(LIMIT_S)
    finally:
        again.terminate()
        again.wait(LIMIT_S)
    return Job(endpoint, killed, second, logs, (failed, status))


def test_a_killed_job_goes_on_from_object_storage(job: Job) -> None:
    assert job.status == (128 + signal.SIGKILL, 0), printed(job.logs[1])[-3000:]
    step = saved_step(job.killed)
    assert step >= 10
    assert f"resumed at step {step}" in (job.logs[1] / "rank_0.log").read_text()
    run, results = job.second.output / "run_pretrain", job.results
    losses = losses_of(run)
    assert list(losses) == list(range(1, step + MORE + 1))
    assert losses[step + MORE][0] < losses[1][0]
    assert saved_step(results) == step + MORE
    local = {str(path.relative_to(job.second.output)) for path in run.rglob("*") if path.is_file()}
    assert set(results) == {*local, "albert_results.json"}
    for name in local:
        content = (job.second.output / name).read_bytes()
        # The last lines of the log tell of the sending.
        assert content.startswith(results[name]) if name.endswith("train.log") else content == results[name]


def test_one_rank_of_a_machine_downloads(job: Job) -> None:
    logs = [(job.logs[0] / f"rank_{rank}.log").read_text() for rank in range(2)]
    assert sorted("download of s3://" in log for log in logs) == [False, True]
    assert sorted("files of s3://" in log for log in logs) == [False, True]
    assert "upload to s3://" not in logs[1]


def test_what_is_kept_of_the_run_starts_anywhere(job: Job) -> None:
    config = job.results["run_pretrain/config.yaml"].decode()
    assert "enable_modelarts: false\n" in config
    assert "train_url: ''\n" in config


def test_keys_are_nowhere(job: Job) -> None:
    folder = job.second.folder.parent
    files = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(files) > 10
    for name, content in {**files, **job.killed, **job.results}.items():
        assert ACCESS.encode() not in content, name
        assert SECRET.encode() not in content, name


def test_evaluation_and_export_of_a_stored_run(job: Job, tmp_path: Path) -> None:
    container = Container(tmp_path)
    checkpoint = "run_pretrain/checkpoints/" + next(
        Path(name).name for name in job.results if name.endswith(".ckpt") and ".state." not in name
    )
    shared = {**container.keys("pretraining"), "checkpoint_url": f"s3://{BUCKET}/pretraining/results"}
    shared["train_url"] = f"s3://{BUCKET}/pretraining/others"
    evaluation = {"eval_ckpt": checkpoint, "eval_data_dir": "held_out", "vocab_file_path": "vocab.txt"}
    outcome = call("pretrain_eval", arguments(NETWORK, TRAINING, shared, evaluation))
    assert outcome.status == 0, outcome.err
    exported = {"config_path": "pretrain_config.yaml", "export_ckpt_file": checkpoint, "export_file_name": "out/model"}
    outcome = call("export", arguments(NETWORK, shared, exported, {"export_predictions": 4}))
    assert outcome.status == 0, outcome.err
    stored = objects(job.endpoint, "pretraining/others")
    assert {"run_pretrain/eval/held_out.json", "out/model.mindir", "out/model.json"} <= set(stored)


@pytest.fixture
def stored_records(endpoint: str, tiny_data: dict[str, TinyData], tmp_path: Path) -> dict[str, Any]:
    """Store the records of sst-2 and return the keys of a short training on them."""
    data = tiny_data["sst-2"]
    prefix = tmp_path.name
    files = {"sst-2": data.file("train").parent, "vocab.txt": data.vocabulary}
    upload(endpoint, pack(tmp_path / "data.zip", files), f"{prefix}/data/data.zip")
    return {
        **CLASSIFIER_TRAINING,
        **CLASSIFIER_NETWORK,
        **Container(tmp_path).keys(prefix),
        "train_data_file_path": f"sst-2/{data.file('train').name}",
        "vocab_file_path": "vocab.txt",
        "description": "films",
        "epoch_num": 2,
        "save_checkpoint_steps": 2,
    }


def test_results_are_sent_also_when_the_training_fails(
    endpoint: str, stored_records: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Recorder.train

    def train(recorder: Recorder, step: int, figures: Any) -> None:
        real(recorder, step, figures)
        if step == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "train", train)
    outcome = call("run_classifier", arguments(stored_records))
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1].startswith("error: no space left on the device")
    stored = objects(endpoint, f"{tmp_path.name}/results")
    assert b"the run ended: OSError" in stored["films/train.log"]
    assert b'"global_step": 4' in stored["films/checkpoints/manifest.json"]
    again = call("run_classifier", arguments(stored_records, {"output_path": tmp_path / "fresh"}))
    assert again.status == 2
    assert "the results of an earlier run are there" in again.err.splitlines()[-1]


def test_question_answering_trains_and_scores_what_is_stored(endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    files = make_squad_data(tmp_path / "made")
    upload(endpoint, pack(tmp_path / "data.zip", {"squad": files.folder}), "squad/data/data.zip")
    given = {
        **SQUAD_NETWORK,
        **SQUAD_TRAINING,
        "do_eval": True,
        "vocab_file_path": "squad/vocab.txt",
        "eval_json_path": "squad/dev-v1.1.json",
        "description": "questions",
    }
    train = {"train_data_file_path": f"squad/{files.records('v1.1').name}", "train_steps": 4}
    first, second = Container(tmp_path / "first"), Container(tmp_path / "second")
    outcome = call("run_squad_v1", arguments(given, train, first.keys("squad")))
    assert outcome.status == 0, outcome.err
    stored = objects(endpoint, "squad/results")
    local = {str(path.relative_to(first.output)) for path in first.output.rglob("*") if path.is_file()}
    assert set(stored) == {*local, "albert_results.json"}
    predictions = "questions/predictions/dev-v1.1/predictions.json"
    assert len(json.loads(stored[predictions])) == 2 * ROWS["dev"]
    # Another container has nothing but what is stored.
    shutil.rmtree(first.folder)
    best = next(name for name in stored if name.endswith("-best.ckpt"))
    score = {
        **second.keys("squad"),
        "do_train": False,
        "checkpoint_url": f"s3://{BUCKET}/squad/results",
        "train_url": f"s3://{BUCKET}/squad/scores",
        "load_finetune_checkpoint_path": best,
    }
    again = call("run_squad_v1", arguments(given, score))
    assert again.status == 0, again.err
    assert again.last_line == outcome.last_line
    scores = objects(endpoint, "squad/scores")
    assert scores[predictions] == stored[predictions]
    assert not any(name.endswith(".ckpt") for name in scores)
