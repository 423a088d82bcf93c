"""What of the place of a run is a run's, in the storage and on this machine: nothing else is sent or removed."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from src.cloud.results import INDEX_NAME, Results
from src.cloud.s3_client import open_s3
from src.cloud.sender import Sender
from src.cloud.store import Store
from src.common.errors import DataError, StorageError
from src.common.storage_url import parse_storage_url
from tests.cloud.s3_server import BUCKET
from tests.cloud.stored_runs import RUN, LimitedStore, save, stored_names
from tests.cloud.test_archive import content_of


def send_run(store: Store, folder: Path, step: int) -> None:
    """Store a run whose newest checkpoint is of this step."""
    results = Results(store, folder)
    results.begin(RUN, resume=False, overwrite=False)
    save(folder, [step])
    results.send()


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest, store: LimitedStore) -> Store:
    if request.param == "folder":
        return store
    request.getfixturevalue("reachable")
    return open_s3(parse_storage_url(f"s3://{BUCKET}/places-{uuid.uuid4()}", "train_url"))


def test_a_place_with_files_of_others_is_refused(any_store: Store, output: Path) -> None:
    any_store.write("run/environment.json", b'{"name": "not of a run"}')
    any_store.write("run/letters/one.txt", b"dear")
    before = [(file.name, file.size) for file in any_store.list_files()]
    with pytest.raises(StorageError, match=r"/run: the place is not empty \(2 files\) -> choose another run_dir"):
        Results(any_store, output).begin(RUN, resume=False, overwrite=False)
    with pytest.raises(StorageError, match="this is not a run directory, so nothing in it is removed"):
        Results(any_store, output).begin(RUN, resume=False, overwrite=True)
    assert [(file.name, file.size) for file in any_store.list_files()] == before


def test_files_of_others_outlive_the_run_that_they_lie_in(any_store: Store, output: Path, tmp_path: Path) -> None:
    send_run(any_store, output, 10)
    foreign = {"run/notes.txt", "run/checkpoints/mine.bin", "run/letters/environment.json"}
    # What a job that was killed before it wrote the index has left is known by its name.
    killed = {"run/checkpoints/albert-1_20.ckpt", "run/checkpoints/albert-1_20.state.ckpt", "run/loss.png"}
    for name in foreign | killed:
        any_store.write(name, b"1")
    other = tmp_path / "other"
    results = Results(any_store, other)
    results.begin(RUN, resume=False, overwrite=True)
    save(other, [5])
    results.send()
    names = {file.name for file in any_store.list_files()} - {INDEX_NAME}
    assert names == {*content_of(other), *foreign}


def test_a_run_that_goes_on_removes_only_checkpoints(output: Path, store: LimitedStore) -> None:
    send_run(store, output, 10)
    more = {"run/eval/held_out.json", "run/notes.txt", "run/checkpoints/mine.bin"}
    for name in more:
        store.write(name, b"1")
    results = Results(store, output)
    results.begin(RUN, resume=True, overwrite=False)
    save(output, [20])
    results.send()
    assert stored_names(store) == {*content_of(output), *more}
    assert "run/checkpoints/albert-1_10.ckpt" not in stored_names(store)


def test_what_was_here_before_is_not_sent(output: Path, store: LimitedStore) -> None:
    save(output, [10])
    (output / "earlier").mkdir()
    (output / "earlier" / "model.mindir").write_bytes(b"1")
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=True)
    assert results.send() == 0
    (output / "new.json").write_text("{}")
    (output / "run" / "train.log").write_text("of the new run")
    results.send()
    assert stored_names(store) == {"new.json", "run/train.log"}


def test_the_whole_run_is_sent_once_it_goes_on(output: Path, store: LimitedStore) -> None:
    save(output, [10])
    (output / "earlier.txt").write_text("of another job")
    results = Results(store, output)
    results.fetch(RUN, lambda: None)
    results.begin(RUN, resume=True, overwrite=False)
    # A start that is refused, as while another process holds the directory, has not written the mark of the run.
    assert results.send() == 0
    (output / "run" / "environment.json").write_text('{"run_format": 1, "again": 1}')
    assert results.send() == 4
    assert stored_names(store) == set(content_of(output)) - {"earlier.txt"}


def test_a_job_without_results_leaves_no_index(output: Path, store: LimitedStore) -> None:
    results = Results(store, output)
    results.begin(RUN, resume=False, overwrite=False)
    assert store.read(INDEX_NAME) is not None
    sender = Sender(results, output)
    sender.start()
    sender.finish()
    assert store.list_files() == []
    send_run(store, output, 10)
    again = Results(store, output)
    again.begin(None, resume=False, overwrite=False)
    again.end()
    assert store.read(INDEX_NAME) is not None


def test_the_mark_of_a_run_is_sent_first(output: Path, store: LimitedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[str] = []
    monkeypatch.setattr(store, "put", lambda source, name, digest, tick: put.append(name))
    send_run(store, output, 10)
    assert put[0] == "run/environment.json"
    assert put[-1] == "run/checkpoints/manifest.json"


def test_an_index_whose_names_lead_out(output: Path, store: LimitedStore) -> None:
    content = {"format": "albert-results", "files": {}, "removable": ["../../letters.txt"]}
    store.write(INDEX_NAME, json.dumps(content).encode())
    with pytest.raises(DataError, match="leads out of its folder"):
        Results(store, output).begin(RUN, resume=False, overwrite=False)
