from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import DataError, OutputError
from src.data import record_writer
from src.data.example_proto import Wanted, decode_columns, parse_example
from src.data.manifest import manifest_path, read_manifest, skipped_path
from src.data.record_source import open_sources
from src.data.squad import version_of
from src.data.squad_manifest import info_of
from src.data.squad_positions import SkippedQuestion
from src.data.squad_table import read_squad_table
from src.data.tfrecord import read_tfrecord
from tests.data.squad_record_samples import LENGTH, sample_features, sample_file, write_sample


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _columns(path: Path) -> dict[str, np.ndarray]:
    rows = [parse_example(data, "") for data in read_tfrecord(path)]
    return {name: decode_columns(rows, Wanted(name, ("int64",)), str) for name in rows[0]}


def test_columns_are_the_documented_ones(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord")
    columns = _columns(tmp_path / "a.tfrecord")
    assert sorted(columns) == [
        "end_positions",
        "input_ids",
        "input_mask",
        "is_impossible",
        "p_mask",
        "segment_ids",
        "start_positions",
        "unique_ids",
    ]
    assert columns["unique_ids"][:, 0].tolist() == list(range(1000000000, 1000000006))
    assert columns["input_ids"][1].tolist() == [2, 5, 6, 3, 7, 8, 9, 10, 11, 3, 0, 0, 0, 0, 0, 0]
    assert columns["input_mask"][1].tolist() == [1] * 10 + [0] * 6
    assert columns["segment_ids"][1].tolist() == [0] * 4 + [1] * 6 + [0] * 6
    assert columns["p_mask"][1].tolist() == [0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert columns["start_positions"][:, 0].tolist() == [5, 0, 5, 0, 0, 0]
    assert columns["end_positions"][:, 0].tolist() == [6, 0, 6, 0, 0, 0]
    assert columns["is_impossible"][:, 0].tolist() == [0, 1, 0, 1, 1, 1]


def test_mindrecord_holds_what_tfrecord_holds(tmp_path: Path) -> None:
    from mindspore import dataset as msd

    write_sample(tmp_path / "a.tfrecord")
    write_sample(tmp_path / "a.mindrecord", shard_num=2)
    expected = _columns(tmp_path / "a.tfrecord")
    found = msd.MindDataset(str(tmp_path / "a.mindrecord0"), shuffle=False)
    rows = list(found.create_dict_iterator(num_epochs=1, output_numpy=True))
    assert len(rows) == 6
    for number, row in enumerate(rows):
        assert sorted(row) == sorted(expected)
        for name, value in row.items():
            assert value.dtype == np.int64
            np.testing.assert_array_equal(value, expected[name][number])


def test_the_manifest_tells_where_the_records_come_from(tmp_path: Path) -> None:
    skipped = (SkippedQuestion("id9", "the answer is empty"),)
    features = sample_features(4, skipped)
    # The first question's answer is in none of its windows.
    features.is_impossible[0] = True
    features.start_position[0] = features.end_position[0] = 0
    written = write_sample(tmp_path / "a.tfrecord", features, 4)
    manifest = read_manifest(tmp_path / "a.tfrecord")
    assert manifest == written
    assert (manifest.kind, manifest.task_name, manifest.split) == ("squad", "squad_v2.0", "train")
    assert (manifest.rows, manifest.max_seq_length) == (8, LENGTH)
    assert manifest.columns["p_mask"].shape == [LENGTH]
    assert info_of(manifest, "").model_dump() == {
        "version": "2.0",
        "max_query_length": 4,
        "doc_stride": 4,
        "source": {"file": "sample.json", "sha256": "a" * 64},
        "questions": 4,
        "skipped_questions": 1,
        "impossible_questions": 1,
        "cut_answers": 1,
        "windows": 8,
        "impossible_windows": 6,
    }
    listed = json.loads(skipped_path(tmp_path / "a.tfrecord").read_text())
    assert listed == {"source": "sample.json", "questions": [{"id": "id9", "why": "the answer is empty"}]}


@pytest.mark.parametrize(
    ("told", "plain", "impossible"),
    [
        ("1.1", "1.1", "2.0"),
        ("v2.0", "2.0", "2.0"),
        ("V1.1", "1.1", "2.0"),
        ("", "1.1", "2.0"),
        ("mine/3", "1.1", "2.0"),
    ],
)
def test_the_version_is_that_of_the_file_or_of_its_questions(told: str, plain: str, impossible: str) -> None:
    data = sample_file(version=told)
    assert version_of(data) == impossible
    assert version_of(dataclasses.replace(data, questions=data.questions[:-1])) == plain


@pytest.mark.parametrize("suffix", ["tfrecord", "mindrecord"])
def test_existing_output_is_kept_or_replaced_as_a_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_sample(path, sample_features(3, (SkippedQuestion("x", "why"),)), shard_num=2)
    before = {name: (tmp_path / name).read_bytes() for name in _names(tmp_path)}
    with pytest.raises(OutputError, match="exists already"):
        write_sample(path)
    assert {name: (tmp_path / name).read_bytes() for name in _names(tmp_path)} == before
    write_sample(path, overwrite=True)
    files = [path.name, f"{path.name}.db"] if suffix == "mindrecord" else [path.name]
    # No shard and no list of the old file is left.
    assert _names(tmp_path) == sorted([*files, manifest_path(path).name])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end_position": np.array([4, 0, 6, 0, 0, 0])}, r"record 0: column 'end_positions' holds 4, before"),
        ({"start_position": np.array([3, 0, 5, 0, 0, 0])}, r"record 0: column 'start_positions' holds 3, which is no"),
        ({"end_position": np.array([6, 0, 13, 0, 0, 0])}, r"record 2: column 'end_positions' holds 13, outside"),
        ({"is_impossible": np.ones(6, bool)}, r"record 0: column 'is_impossible' holds 1, but the positions"),
        ({"is_impossible": np.zeros(6, bool)}, r"record 1: column 'is_impossible' holds 0, but the positions"),
        ({"token_ids": np.full(69, 100, np.int32)}, r"record 0: column 'input_ids' holds 100 .* outside 0\.\.99"),
    ],
)
def test_impossible_features_are_never_written(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_sample(tmp_path / "out" / "a.tfrecord", sample_features(**changes))
    assert not list(tmp_path.glob("out/*"))


def test_more_shards_than_windows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="6 rows do not fill 7 shards"):
        write_sample(tmp_path / "a.tfrecord", shard_num=7)
    assert _names(tmp_path) == []


def test_an_interrupt_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tfrecord"
    write_sample(path)
    before = path.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(record_writer, "write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_sample(path, questions=5, overwrite=True)
    assert _names(tmp_path) == [path.name, manifest_path(path).name]
    assert path.read_bytes() == before


def test_a_killed_writer_leaves_no_file_that_is_taken_for_records(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    child = os.fork()
    if child == 0:
        # All data are written, nothing has moved: the process ends here as if it were killed.
        record_writer.publish = lambda *_: os._exit(9)  # type: ignore[assignment]
        write_sample(path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert all(name.startswith(".") and name.endswith(".tmp") for name in _names(tmp_path))
    with pytest.raises(DataError, match="there is no such file"):
        read_squad_table(path)
    write_sample(path)
    assert read_squad_table(path).rows == 6


def test_a_pattern_finds_records_and_not_what_lies_beside_them(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.tfrecord", sample_features(3, (SkippedQuestion("x", "why"),)))
    assert [source.path.name for source in open_sources(tmp_path / "a*")] == ["a.tfrecord"]


def test_records_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    write_sample(tmp_path / "here" / "a.mindrecord")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert read_squad_table(tmp_path / "there" / "a.mindrecord").rows == 6
