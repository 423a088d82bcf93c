"""A job around a block that only writes files: what is fetched, where paths lead, what is sent."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from src.cloud.job import storage_job
from src.common.errors import AlbertError, DataError, OutputError, StorageError, TrainingError
from src.common.files import write_json_atomic
from src.common.log import close_logging
from src.config.load import LoadedConfig, load_config
from tests.cloud.stored_runs import save


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the keys of a job whose storage is a folder, as where the platform fills and empties it by itself."""
    for name in ("RANK_ID", "RANK_SIZE", "MA_NUM_HOSTS", "VC_WORKER_NUM", "DLS_TASK_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("train/a.mindrecord", "vocab.txt", "sub/schema.json"):
        path = tmp_path / "inputs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "best.ckpt").write_text("weights")
    return {
        "data_url": str(tmp_path / "inputs"),
        "train_url": f"file://{tmp_path}/outputs",
        "checkpoint_url": str(tmp_path / "weights"),
        "data_path": str(tmp_path / "cache/data"),
        "output_path": str(tmp_path / "cache/train"),
        "load_path": str(tmp_path / "cache/weights"),
        "data_dir": "train",
        "vocab_file_path": "vocab.txt",
        "load_checkpoint_path": "best.ckpt",
        "description": "run",
    }


def configured(keys: dict[str, str], **changes: Any) -> LoadedConfig[Any]:
    merged = {"enable_modelarts": "True", **keys, **changes}
    return load_config("pretrain", [f"--{key}={value}" for key, value in merged.items()])


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    yield
    close_logging()


def test_without_modelarts_nothing_changes() -> None:
    loaded = load_config("pretrain", ["--data_dir=x"])
    with storage_job(loaded, trains=True) as given:
        assert given is loaded


def test_paths_lead_into_the_local_folders(folders: dict[str, str], tmp_path: Path) -> None:
    changes = {"save_checkpoint_path": "weights", "schema_dir": "sub/schema.json", "eval_data_dir": "/mnt/held_out"}
    with storage_job(configured(folders, **changes), trains=True) as given:
        values = given.values
    cache = tmp_path / "cache"
    assert values.data_dir == f"{cache}/data/train"
    assert Path(values.vocab_file_path).read_text() == "vocab.txt"
    assert values.schema_dir == f"{cache}/data/sub/schema.json"
    assert values.eval_data_dir == "/mnt/held_out"
    assert Path(values.load_checkpoint_path).read_text() == "weights"
    assert values.save_checkpoint_path == f"{cache}/train/weights"
    assert given.run_directory() == cache / "train/run"


def test_checkpoints_may_lie_among_the_data(folders: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "inputs/best.ckpt").write_text("here")
    folders.pop("checkpoint_url")
    with storage_job(configured(folders)) as given:
        assert Path(given.values.load_checkpoint_path).read_text() == "here"


def work(loaded: LoadedConfig[Any], end: str, in_the_way: Path | None = None) -> None:
    """Run a job that saves a checkpoint and ends well, with an error, or by a signal."""
    with storage_job(loaded, trains=True) as given:
        save(Path(given.values.output_path), [10])
        if in_the_way:
            in_the_way.write_text("a file in the way")
        if end == "error":
            raise TrainingError("the loss is not finite")
        if end == "SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("end", "error"), [("well", None), ("error", TrainingError), ("SIGTERM", KeyboardInterrupt)])
def test_results_are_sent_however_the_job_ends(
    end: str, error: type[BaseException] | None, folders: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(error) if error else contextlib.nullcontext():
        work(configured(folders), end)
    sent = tmp_path / "outputs" / "run" / "checkpoints"
    assert {path.name for path in sent.iterdir()} == {"albert-1_10.ckpt", "manifest.json"}
    fresh = {**folders, "output_path": str(tmp_path / "fresh")}
    with storage_job(configured(fresh, resume="true"), trains=True) as given:
        assert (Path(given.values.run_dir) / "checkpoints/albert-1_10.ckpt").read_text() == "weights 10"


def test_a_dry_run_and_other_ranks_send_nothing(
    folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storage_job(configured(folders, dry_run="true"), trains=True) as given:
        save(Path(given.values.output_path), [10])
    monkeypatch.setenv("RANK_ID", "1")
    monkeypatch.setenv("RANK_SIZE", "2")
    with storage_job(configured(folders, distribute="true"), trains=True):
        pass
    assert not (tmp_path / "outputs").exists()


def test_a_dry_run_fetches_no_run(folders: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dry = configured({**folders, "output_path": str(tmp_path / "fresh")}, resume="true", dry_run="true")
    with pytest.raises(StorageError, match="there is no run to resume"), storage_job(dry, trains=True):
        raise AssertionError("the block began")
    work(configured(folders), "well")
    with storage_job(dry, trains=True):
        pass
    assert f"{tmp_path}/outputs/run holds the run at step 10: it is not fetched for a dry run" in caplog.text
    assert not (tmp_path / "fresh").exists()


def test_what_fails_while_sending_is_an_error_of_its_own(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(AlbertError, match="cannot write") as caught:
        work(configured(folders), "well", tmp_path / "outputs/run")
    output = folders["output_path"]
    assert f"the results lie in {output}: the same start with --resume true sends them" in str(caught.value)
    (tmp_path / "outputs/run").unlink()
    # Nothing of the run is stored: the one that is here is gone on with, and sent.
    with storage_job(configured(folders, resume="true"), trains=True) as given:
        write_json_atomic(Path(given.values.run_dir) / "environment.json", {"run_format": 1})
    assert (tmp_path / "outputs/run/checkpoints/albert-1_10.ckpt").read_text() == "weights 10"


def test_a_run_directory_in_use_is_found_before_anything_is_fetched_or_sent(
    folders: dict[str, str], tmp_path: Path
) -> None:
    save(Path(folders["output_path"]), [10])
    with pytest.raises(OutputError, match="the directory is not empty -> choose another, or set --resume true"):
        work(configured(folders), "well")
    (tmp_path / "cache/train/run/environment.json").unlink()
    with pytest.raises(OutputError, match="this is not a run directory, so nothing in it is removed"):
        work(configured(folders, overwrite="true"), "well")
    with pytest.raises(OutputError, match="this is not a run directory -> check the path"):
        work(configured(folders, resume="true"), "well")
    assert not (tmp_path / "outputs").exists()


def test_a_job_that_is_refused_sends_nothing(folders: dict[str, str], tmp_path: Path) -> None:
    save(Path(folders["output_path"]), [10])
    (tmp_path / "cache/train/notes.txt").write_text("of an earlier job")
    changes = {"overwrite": "true"}
    with pytest.raises(DataError), storage_job(configured(folders, **changes), trains=True):
        raise DataError("the records are damaged")
    assert not [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["file", "file/sub", "file/sub/run"])
def test_a_file_where_results_should_go(name: str, folders: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageError, match=r"/file: a file stands where a folder is needed -> choose another"):
        work(configured(folders, train_url=str(tmp_path / name)), "well")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/run").write_text("text")
    with pytest.raises(StorageError, match="/outputs/run: a file stands where a folder is needed"):
        work(configured(folders), "well")
    assert not (tmp_path / "cache").exists()


def test_the_failure_of_the_job_comes_first(
    folders: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TrainingError, match="not finite"):
        work(configured(folders), "error", tmp_path / "outputs/run")
    assert "results could not be sent" in caplog.text


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "empty": ({"data_url": "/nothing/here"}, "/nothing/here: there are no files -> check the path"),
    "path": (
        {"vocab_file_path": "word.txt"},
        "vocab_file_path: word.txt is not there -> the path is relative to data_url",
    ),
    "listing": ({"data_dir": "trains"}, ": sub, train, vocab.txt"),
    "checkpoint": ({"load_checkpoint_path": "x.ckpt"}, "relative to checkpoint_url; fetched to"),
    "outside": ({"run_dir": "../elsewhere"}, "run_dir: ../elsewhere lies outside of output_path"),
    "nothing to resume": ({"resume": "true"}, "there is no run to resume -> check train_url and run_dir"),
    "keys": ({"data_url": "s3://KEY:SEC/RET@bucket/x"}, "access keys in an address end up in logs"),
    "scheme": ({"data_url": "https://bucket.host/x?Signature=SEC/RET"}, "https:// is no storage that is known here"),
    "query": ({"data_url": "s3://bucket/x?Signature=SEC/RET"}, "holds '?', '#' or a control character"),
    "name": ({"data_url": "s3://B/x"}, "'B' is no name of a bucket"),
    "dots": ({"data_url": "s3://bucket/x/../y"}, "the path holds '.' or '..'"),
    "host": ({"data_url": "file://host/x"}, "needs an absolute path of this machine"),
    "nested": ({"output_path": "/cache/x", "data_path": "/cache/x/data"}, "data_path and output_path overlap"),
    "results in data": (
        {"train_url": "s3://bucket/x/out", "data_url": "obs://bucket/x"},
        "train_url lies inside of data_url, so the next start would fetch the results as data",
    ),
    "data in results": (
        {"train_url": "/srv/job", "data_url": "file:///srv/job/data"},
        "data_url lies inside of train_url, so results could take the place of data",
    ),
    "bucket": ({"train_url": "s3://bucket/x", "data_url": "s3://bucket"}, "train_url lies inside of data_url"),
    "same": ({"train_url": "s3://bucket/x/", "data_url": "s3://bucket/x"}, "train_url is also data_url"),
    "switch": ({"enable_modelarts": "false"}, "has no effect without enable_modelarts"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(name: str, folders: dict[str, str], tmp_path: Path) -> None:
    changes, expected = MISTAKES[name]
    with pytest.raises(AlbertError) as caught, storage_job(configured(folders, **changes), trains=True):
        raise AssertionError("the block began")
    text = str(caught.value)
    assert expected in text
    assert "SEC/RET" not in text
    assert not (tmp_path / "outputs").exists()
