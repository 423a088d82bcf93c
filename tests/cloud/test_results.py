from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from src.cloud import sender as sender_module
from src.cloud import snapshot as snapshot_module
from src.cloud.folder_store import FolderStore
from src.cloud.results import INDEX_NAME, Results
from src.cloud.sender import Sender
from src.cloud.snapshot import snapshot
from src.common.errors import OutputError, StorageError
from tests.cloud.stored_runs import RUN, Killed, LimitedStore, save, stored_names
from tests.cloud.test_archive import content_of


def fetched_step(store: FolderStore, folder: Path) -> int:
    """Fetch the run and return the newest step whose files are whole."""
    Results(store, folder).fetch(RUN, lambda: None)
    manifest = json.loads((folder / "run/checkpoints/manifest.json").read_text())
    for entry in manifest["checkpoints"]:
        content = (folder / "run/checkpoints" / entry["weights"]["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["weights"]["sha256"]
    return int(manifest["checkpoints"][-1]["position"]["global_step"])


def test_only_what_changed_is_sent_and_what_went_is_removed(output: Path, store: LimitedStore) -> None:
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=False)
    save(output, [10, 20])
    assert results.send() == 5
    assert results.send() == 0
    save(output, [20, 30])
    assert results.send() == 3
    expected = {"environment.json", "train.log", "checkpoints/manifest.json"}
    expected |= {"checkpoints/albert-1_20.ckpt", "checkpoints/albert-1_30.ckpt"}
    assert stored_names(store) == {f"run/{name}" for name in expected}
    index = json.loads((Path(store.url.path) / INDEX_NAME).read_text())
    assert set(index["files"]) == stored_names(store)
    log = index["files"]["run/train.log"]
    assert log == {"bytes": 8, "sha256": hashlib.sha256(b"step 30\n").hexdigest()}
    assert not (output / ".sending").exists()


def test_a_kill_at_any_moment_leaves_a_run_to_go_on_with(output: Path, store: LimitedStore, tmp_path: Path) -> None:
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=False)
    save(output, [10])
    results.send()
    steps = []
    for number, limit in enumerate(range(8)):
        store.changes = limit
        try:
            # Every start reads anew what the killed one has left.
            again = Results(store, output)
            again.begin(RUN, resume=True, overwrite=False)
            save(output, [10 * number + 20])
            again.send()
        except Killed:
            pass
        store.changes = 10_000
        steps.append(fetched_step(store, tmp_path / f"fetched {number}"))
    assert steps == sorted(steps)
    assert len(set(steps)) > 2
    final = Results(store, output)
    final.begin(RUN, resume=True, overwrite=False)
    save(output, [100])
    final.send()
    assert stored_names(store) == set(content_of(output))


def test_an_earlier_run_is_not_overwritten_unasked(output: Path, store: LimitedStore) -> None:
    first = Results(store, output)
    first.begin(RUN, resume=False, overwrite=False)
    save(output, [10])
    first.send()
    before = content_of(Path(store.url.path))
    with pytest.raises(StorageError, match=r"the results of an earlier run are there \(4 files\) -> set --resume true"):
        Results(store, output).begin(RUN, resume=False, overwrite=False)
    assert content_of(Path(store.url.path)) == before


def test_an_overwritten_run_goes_when_the_new_one_has_begun(tmp_path: Path, output: Path, store: LimitedStore) -> None:
    first = Results(store, output)
    first.begin(RUN, resume=False, overwrite=False)
    save(output, [10])
    first.send()
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True)
    results = Results(store, other)
    results.begin(RUN, resume=False, overwrite=True)
    results.send()
    assert "run/checkpoints/albert-1_10.ckpt" in stored_names(store)
    save(other, [5])
    results.send()
    assert stored_names(store) == set(content_of(other))


def test_another_job_leaves_the_run_alone(tmp_path: Path, output: Path, store: LimitedStore) -> None:
    first = Results(store, output)
    first.begin(RUN, resume=False, overwrite=False)
    save(output, [10])
    first.send()
    other = tmp_path / "other"
    evaluation = Results(store, other)
    evaluation.begin(None, resume=False, overwrite=False)
    (other / "run" / "eval").mkdir(parents=True)
    (other / "run" / "eval" / "dev.json").write_text("{}")
    evaluation.send()
    assert stored_names(store) == {*content_of(output), "run/eval/dev.json"}


def test_a_run_that_is_not_there_or_not_whole(output: Path, store: LimitedStore, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no run to resume -> check train_url and run_dir"):
        Results(store, output).fetch(RUN, lambda: None)
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=False)
    save(output, [10])
    results.send()
    (Path(store.url.path) / "run/checkpoints/albert-1_10.ckpt").unlink()
    with pytest.raises(StorageError, match=r"run/checkpoints/albert-1_10\.ckpt is missing of the run"):
        Results(store, tmp_path / "new").fetch(RUN, lambda: None)
    assert not (tmp_path / "new" / "run").exists()


def test_a_run_that_is_here_is_compared_with_the_stored_one(output: Path, store: LimitedStore, tmp_path: Path) -> None:
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=False)
    save(output, [20])
    results.send()
    before = content_of(output)
    results.fetch(RUN, lambda: None)
    assert content_of(output) == before
    behind = tmp_path / "behind"
    save(behind, [10])
    with pytest.raises(StorageError, match="the run is here at step 10, and at step 20 in"):
        Results(store, behind).fetch(RUN, lambda: None)


def test_a_damaged_index(output: Path, store: LimitedStore) -> None:
    store.write(INDEX_NAME, b'{"format": "other"}')
    with pytest.raises(StorageError, match="the index of the results is damaged"):
        Results(store, output).begin(RUN, resume=False, overwrite=False)


def test_a_picture_fits_while_checkpoints_come_and_go(output: Path) -> None:
    save(output, [0])
    ended = threading.Event()

    def train() -> None:
        step = 0
        while not ended.is_set():
            step += 1
            save(output, [step])
            time.sleep(0.03)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(10):
            with snapshot(output, {}) as files:
                manifest = json.loads(files["run/checkpoints/manifest.json"].read_text())
                (entry,) = manifest["checkpoints"]
                time.sleep(0.05)
                content = files[f"run/checkpoints/{entry['weights']['name']}"].read_bytes()
                assert hashlib.sha256(content).hexdigest() == entry["weights"]["sha256"]
    finally:
        ended.set()
        thread.join()


def test_a_manifest_that_never_fits(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_module, "_PAUSE_S", 0.001)
    save(output, [1])
    (output / "run/checkpoints/albert-1_1.ckpt").unlink()
    with pytest.raises(OutputError, match="the checkpoints change faster than they can be sent"), snapshot(output, {}):
        pass
    assert not (output / ".sending").exists()


def test_results_are_sent_while_the_training_goes_on(
    output: Path, store: LimitedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sender_module, "POLL_S", 0.02)
    monkeypatch.setattr(sender_module, "PAUSE_AFTER_FAILURE_S", 0.05)
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=False)
    real, failures = store.put, [StorageError("the connection broke off")]

    def put(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        real(*arguments)

    monkeypatch.setattr(store, "put", put)
    sender = Sender(results, output)
    sender.start()
    try:
        save(output, [10])
        deadline = time.monotonic() + 10
        while "run/checkpoints/manifest.json" not in stored_names(store):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # A failure ends nothing, and the next look makes up for it.
        assert "results could not be sent, the training goes on: the connection broke off" in caplog.text
        (output / "run" / "loss.png").write_bytes(b"1")
    finally:
        sender.finish()
    assert stored_names(store) == set(content_of(output))
