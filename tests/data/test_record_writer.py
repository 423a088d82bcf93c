from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError, OutputError
from src.data import file_set
from src.data.manifest import read_manifest
from src.data.record_schema import RecordRow
from src.data.record_writer import existing_outputs, write_records
from src.data.table import read_table
from tests.data.record_samples import TOKENIZER, assert_rows_equal, sample_rows, write_sample

FORMATS = ["tfrecord", "mindrecord"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("file_format", FORMATS)
def test_existing_output_is_refused_and_kept(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"a.{file_format}"
    write_sample(path)
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="exists already"):
        write_sample(path, sample_rows(count=5))
    assert contents(tmp_path) == before
    assert existing_outputs(path, file_format) == [path.with_name(name) for name in sorted(before)]


@pytest.mark.parametrize("left", ["a.mindrecord", "a.mindrecord.db", "a.mindrecord.manifest.json"])
def test_any_leftover_counts_as_existing(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"old")
    with pytest.raises(OutputError, match=f"{left}: the output exists"):
        write_sample(tmp_path / "a.mindrecord")
    write_sample(tmp_path / "a.mindrecord", overwrite=True)
    assert read_table(tmp_path / "a.mindrecord").rows == 30


def test_rows_are_not_consumed_when_the_output_exists(tmp_path: Path) -> None:
    def rows() -> Iterator[RecordRow]:
        raise AssertionError("the rows were asked for")
        yield

    write_sample(tmp_path / "a.tfrecord")
    with pytest.raises(OutputError):
        write_sample(tmp_path / "a.tfrecord", rows())  # type: ignore[arg-type]


@pytest.mark.parametrize("file_format", FORMATS)
def test_overwrite_replaces_all_older_shards(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"a.{file_format}"
    write_sample(path, shard_num=4)
    (tmp_path / f"a.{file_format}9").write_bytes(b"somebody else's file")
    rows = sample_rows(count=7)
    manifest = write_sample(path, rows, overwrite=True)
    assert_rows_equal(read_table(path), rows)
    names = {file.name for file in manifest.files} | {f"a.{file_format}.manifest.json", f"a.{file_format}9"}
    assert set(contents(tmp_path)) == names


def failing_rows() -> Iterator[RecordRow]:
    yield from sample_rows(count=5)
    raise DataError("line 6 has no label")


def failing_rename(fails_at: int, error: BaseException) -> Any:
    calls = 0
    rename = os.rename

    def replacement(source: Any, target: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise error
        rename(source, target)

    return replacement


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("old", [True, False])
def test_failing_rows_leave_everything_as_it_was(tmp_path: Path, file_format: str, old: bool) -> None:
    path = tmp_path / f"a.{file_format}"
    if old:
        write_sample(path)
    before = contents(tmp_path)
    with pytest.raises(DataError, match="line 6"):
        write_sample(path, failing_rows(), overwrite=True)  # type: ignore[arg-type]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("fails_at", range(1, 6))
@pytest.mark.parametrize("error", [OSError(errno.EIO, "input/output error"), KeyboardInterrupt()])
def test_failing_move_puts_the_old_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, error: BaseException
) -> None:
    path = tmp_path / "a.mindrecord"
    write_sample(path)
    before = contents(tmp_path)
    monkeypatch.setattr(file_set.os, "rename", failing_rename(fails_at, error))
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_sample(path, sample_rows(count=5), overwrite=True)
    monkeypatch.undo()
    assert contents(tmp_path) == before
    assert read_table(path).rows == 30


@pytest.mark.parametrize("file_format", FORMATS)
def test_file_size_limit_is_a_clear_error(tmp_path: Path, file_format: str) -> None:
    # A real failing write in the middle of the file, as a full disk gives.
    path = tmp_path / f"a.{file_format}"
    write_sample(path, sample_rows(count=3))
    before = contents(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match="cannot write") as caught:
            write_sample(path, sample_rows(count=5000), overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"a.{file_format}" in caught.value.where
    assert ".tmp" not in caught.value.where
    assert contents(tmp_path) == before


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_set.os, "fsync", full)
    with pytest.raises(OutputError, match="no space left on the device"):
        write_sample(tmp_path / "a.tfrecord")
    assert contents(tmp_path) == {}


def test_full_disk_in_mindspore_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mindspore.mindrecord

    def refuse(*_: Any) -> None:
        raise RuntimeError("Exception thrown\n---\n[ERROR] No free disk to be used while writing mindrecord files")

    monkeypatch.setattr(mindspore.mindrecord.FileWriter, "commit", refuse)
    with pytest.raises(OutputError, match="no space left on the device") as caught:
        write_sample(tmp_path / "a.mindrecord")
    assert contents(tmp_path) == {}
    assert ".tmp" not in caught.value.where


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        write_sample(tmp_path / "file" / "a.tfrecord")
    (tmp_path / "a.tfrecord").mkdir()
    with pytest.raises(OutputError, match="a folder stands"):
        write_sample(tmp_path / "a.tfrecord", overwrite=True)
    with pytest.raises(OutputError, match="name of a MindRecord"):
        write_sample(tmp_path / "what?.mindrecord")


def row(ids: Any = (2, 5, 3), segments: Any = (0, 0, 0), label: Any = 1) -> RecordRow:
    return RecordRow(ids, segments, label)


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (row(ids=(), segments=()), "classification", "0 token ids"),
        (row(segments=(0, 0)), "classification", "3 token ids and 2 segment numbers"),
        (row(label=None), "classification", "the label is missing"),
        (row(label=2), "classification", "only 2 classes"),
        (row(label=-1), "classification", "begin at 0"),
        (row(label=1.5), "classification", "wrong type"),
        (row(label="yes"), "classification", "wrong type"),
        (row(label=2**40), "classification", "wrong type or size"),
        (row(ids=(2, 30000, 3)), "classification", "holds 30000"),
        (row(ids=(2, -1, 3)), "classification", "holds -1"),
        (row(ids=(2, 1.5, 3)), "classification", "wrong type"),
        (row(ids=(2, 2**40, 3)), "classification", "wrong type or size"),
        (row(segments=(0, 2, 0)), "classification", "segment_ids.*holds 2"),
        (row(segments=(0, 300, 0)), "classification", "wrong type or size"),
        (row(ids=range(17), segments=[0] * 17), "classification", "17 tokens are more than max_seq_length 16"),
        (row(label=float("nan")), "regression", "not finite"),
        (row(label=(-100, 1)), "token_classification", "2 labels for 3 tokens"),
        (row(label=(-100, 3, -100)), "token_classification", "only 3 classes"),
        (row(label=(-100, -1, -100)), "token_classification", "begin at 0"),
        (row(label=1), "token_classification", "wrong type"),
    ],
)
def test_bad_row_is_named_and_nothing_written(tmp_path: Path, bad: RecordRow, kind: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        write_sample(tmp_path / "a.tfrecord", [*sample_rows(kind, 4), bad], kind)
    assert "4" in caught.value.where.split(":")[-1]
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": []}, "no rows to write"),
        ({"kind": "poetry", "labels": []}, "unknown kind"),
        ({"labels": []}, "class names are needed"),
        ({"labels": ["a", "a"]}, "occurs twice"),
        ({"kind": "regression", "labels": ["a"]}, "no class names"),
        ({"has_labels": False}, "a label in a split without labels"),
        ({"shard_num": 31}, "30 rows do not fill 31 shards"),
        ({"shard_num": 0}, "at least 1"),
        ({"max_seq_length": 0}, "at least 1"),
        ({"file_format": "csv"}, "unknown file format"),
    ],
)
def test_bad_arguments(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    given = {
        "kind": "classification",
        "file_format": "tfrecord",
        "rows": sample_rows(),
        "max_seq_length": 16,
        "task_name": "sample",
        "split": "dev",
        "labels": ["no", "yes"],
        "tokenizer": TOKENIZER,
    }
    with pytest.raises(DataError, match=message):
        write_records(tmp_path / "a.tfrecord", **{**given, **options})
    assert contents(tmp_path) == {}


def test_manifest_says_what_was_given(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "a.tfrecord"
    manifest = write_sample(path, split="dev", settings={"max_words": 3, "source": "dev.tsv"})
    assert read_manifest(path) == manifest
    assert (manifest.rows, manifest.split, manifest.task_name) == (30, "dev", "sample")
    assert manifest.settings == {"max_words": 3, "source": "dev.tsv"}
    assert manifest.tokenizer.model_dump() == TOKENIZER
    assert manifest.files[0].bytes == path.stat().st_size


def test_same_rows_give_the_same_tfrecord(tmp_path: Path) -> None:
    first = write_sample(tmp_path / "a.tfrecord").files[0].sha256
    assert write_sample(tmp_path / "b.tfrecord").files[0].sha256 == first
