from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import AlbertError, DataError, OutputError
from src.data.manifest import manifest_path
from src.data.mindrecord import check_name, file_geometry, shard_names, write_mindrecord
from src.data.mindrecord_check import check_mindrecord
from src.data.record_schema import Column, RecordRow, schema_of
from src.data.table import read_table
from tests.data.record_samples import assert_rows_equal, flip, sample_rows, write_sample

INT64 = {"type": "int64", "shape": [-1]}


def make(folder: Path, **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_sample(folder / "a.mindrecord", **options)
    return folder / "a.mindrecord"


def without_manifest(path: Path) -> Path:
    manifest_path(path).unlink()
    return path


@pytest.mark.parametrize("kind", ["classification", "regression", "token_classification"])
@pytest.mark.parametrize("shard_num", [1, 3])
def test_round_trip(tmp_path: Path, kind: str, shard_num: int) -> None:
    rows = sample_rows(kind, 31)
    manifest = write_sample(tmp_path / "a.mindrecord", rows, kind, shard_num=shard_num)
    table = read_table(tmp_path / "a.mindrecord", vocab_size=30000, num_labels=3, kind=kind)
    assert_rows_equal(table, rows)
    assert table.manifest == manifest
    assert len(manifest.files) == 2 * shard_num
    assert not [name for name in tmp_path.iterdir() if name.suffix == ".tmp"]


def test_rows_stay_in_order_over_many_chunks_and_shards(tmp_path: Path) -> None:
    rows = sample_rows(count=2503)
    for shard_num in (1, 12):
        path = make(tmp_path / str(shard_num), rows=rows, shard_num=shard_num)
        assert_rows_equal(read_table(path), rows)
    assert_rows_equal(read_table(tmp_path / "12" / "a.mindrecord00"), rows)
    assert_rows_equal(read_table(tmp_path / "12" / "a.mindrecord07"), rows)


def test_small_files_are_small_and_readable_by_all(tmp_path: Path) -> None:
    path = make(tmp_path)
    assert path.stat().st_size < 60_000
    assert path.stat().st_mode & 0o444 == 0o444
    assert path.with_name("a.mindrecord.db").stat().st_mode & 0o444 == 0o444


def test_long_rows_and_large_ids(tmp_path: Path) -> None:
    # 4,096 labelled tokens take more than the smallest page, 32 KB.
    generator = np.random.default_rng(0)
    rows = [
        RecordRow(generator.integers(0, 2**31 - 1, 4096), np.zeros(4096, int), generator.integers(0, 3, 4096))
        for _ in range(20)
    ]
    tokenizer = {"type": "x", "vocab_size": 2**31 - 1, "sha256": "", "do_lower_case": False, "file": ""}
    path = make(tmp_path, rows=rows, kind="token_classification", max_seq_length=4096, tokenizer=tokenizer)
    assert_rows_equal(read_table(path), rows)


@pytest.mark.parametrize("rows", [1, 1000, 67_349, 400_000, 5_000_000])
@pytest.mark.parametrize("length", [8, 128, 512, 4096])
def test_header_has_room_for_all_pages(rows: int, length: int) -> None:
    header, page = file_geometry(rows, length)
    assert 1 << 14 <= header <= 1 << 27
    assert 1 << 15 <= page <= 1 << 28
    assert page >= 32 * length + 1000
    # Three columns of small values and ids of 4 bytes; a page entry takes 190 to 210 bytes.
    pages = rows * (length * 6 + 80) / (page * 0.75)
    assert 2500 + 210 * pages < header


def test_many_pages_are_really_written(tmp_path: Path) -> None:
    columns = (Column("x", "int64", per_token=True),)
    chunk = {"x": np.full((5000, 128), 2**40)}
    # 5 MB in pages of 32 KB: a header of 16 KB has no room for their list.
    with pytest.raises(OutputError, match="header is too big"):
        write_mindrecord(tmp_path / "small", columns, iter([chunk]), (1 << 14, 1 << 15))
    assert write_mindrecord(tmp_path / "fits", columns, iter([chunk]), file_geometry(5000, 128))
    assert check_mindrecord(tmp_path / "fits").rows == 5000


def test_moved_files_are_read_and_renamed_ones_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "here", shard_num=2)
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = tmp_path / "there" / path.name
    assert read_table(moved).rows == 30
    without_manifest(moved)
    renamed = tmp_path / "there" / "b.mindrecord0"
    for suffix in ("", ".db"):
        shutil.copy(f"{moved}0{suffix}", f"{renamed}{suffix}")
    with pytest.raises(DataError, match=r"renamed.*a\.mindrecord0"):
        read_table(renamed)


def test_without_manifest_it_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = without_manifest(make(tmp_path))
    with caplog.at_level(logging.WARNING):
        table = read_table(path, num_labels=2)
    assert_rows_equal(table, sample_rows())
    assert table.labels == ("0", "1")
    assert "no manifest" in caplog.text


def test_shards_without_manifest_are_found_by_any_of_them(tmp_path: Path) -> None:
    path = without_manifest(make(tmp_path, shard_num=3))
    for name in (f"{path}0", f"{path}2", f"{path}?", f"{path}0,{path}1"):
        assert_rows_equal(read_table(name), sample_rows())
    Path(f"{path}1.db").unlink()
    with pytest.raises(DataError, match=r"1\.db: the index file"):
        read_table(f"{path}0")


@pytest.mark.parametrize("suffix", ["", ".db"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.5, 0.8, 1.0])
def test_damage_is_noticed_by_the_manifest(tmp_path: Path, suffix: str, part: float) -> None:
    path = make(tmp_path)
    victim = Path(f"{path}{suffix}")
    good = victim.read_bytes()
    position = int(part * (len(good) - 1))
    flip(victim, position)
    with pytest.raises(DataError, match="sha256 differs"):
        read_table(path)
    victim.write_bytes(good[:position])
    with pytest.raises(DataError, match="its manifest says"):
        read_table(path)
    victim.unlink()
    with pytest.raises(DataError, match="missing"):
        read_table(path)


def damaged(good: bytes, seed: int) -> bytes:
    generator = random.Random(seed)
    data = bytearray(good)
    count = generator.choice([1, 8, 200])
    position = generator.randrange(generator.choice([3000, len(data) - count]))
    mode = generator.choice(["cut", "flip", "random", "zero"])
    if mode == "cut":
        return good[:position]
    for offset in range(position, position + count):
        flipped = data[offset] ^ 1 << generator.randrange(8)
        data[offset] = {"flip": flipped, "random": generator.randrange(256), "zero": 0}[mode]
    return bytes(data)


@pytest.mark.parametrize("suffix", ["", ".db"])
def test_damage_without_manifest_never_crashes(tmp_path: Path, suffix: str) -> None:
    rows = sample_rows(count=300)
    path = without_manifest(make(tmp_path, rows=rows))
    victim = Path(f"{path}{suffix}")
    good = victim.read_bytes()
    refused = 0
    for seed in range(60):
        victim.write_bytes(damaged(good, seed))
        try:
            table = read_table(path, kind="classification")
        except DataError:
            refused += 1
            continue
        # The index holds no values, so that damage there is noticed or harmless; values have no checksums.
        assert table.rows == 300
        if suffix == ".db":
            assert_rows_equal(table, rows)
    assert refused > 20


def test_index_of_another_file(tmp_path: Path) -> None:
    path = without_manifest(make(tmp_path / "a"))
    other = make(tmp_path / "b", rows=sample_rows(count=29))
    shutil.copy(f"{other}.db", f"{path}.db")
    with pytest.raises(DataError, match="the index has 29 rows, the header says 30"):
        read_table(path)
    connection = sqlite3.connect(f"{path}.db")
    connection.execute("UPDATE SHARD_NAME SET NAME = 'c'")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="the index file belongs to"):
        read_table(path)


def write_foreign(path: Path, schema: dict[str, Any], rows: list[dict[str, Any]]) -> Path:
    from mindspore.mindrecord import FileWriter

    writer = FileWriter(str(path))
    writer.set_header_size(1 << 14)
    writer.set_page_size(1 << 15)
    writer.add_schema(schema, "foreign")
    writer.write_raw_data(rows)
    writer.commit()
    return path


def foreign_row(dtype: Any = np.int64, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {name: np.ones(4, dtype) for name in ("input_ids", "input_mask", "segment_ids")}
    return {**row, "label_ids": np.ones(1, dtype), **changes}


def test_files_of_the_old_converter(tmp_path: Path) -> None:
    for dtype in ("int32", "int64"):
        schema = {name: {"type": dtype, "shape": [-1]} for name in foreign_row()}
        path = write_foreign(tmp_path / f"{dtype}.mindrecord", schema, [foreign_row(np.dtype(dtype))] * 5)
        table = read_table(path, num_labels=2)
        assert (table.kind, table.rows, table.max_seq_length) == ("classification", 5, 4)
        assert table.label_ids is not None
        assert table.label_ids.tolist() == [1] * 5


def test_foreign_files_that_do_not_fit(tmp_path: Path) -> None:
    arrays = dict.fromkeys(foreign_row(), INT64)
    no_mask = {name: values for name, values in foreign_row().items() if name != "input_mask"}
    path = write_foreign(tmp_path / "a", dict.fromkeys(no_mask, INT64), [no_mask])
    with pytest.raises(DataError, match="column 'input_mask' is missing"):
        read_table(path)
    path = write_foreign(tmp_path / "b", {**arrays, "label_ids": {"type": "int64"}}, [foreign_row(label_ids=1)])
    with pytest.raises(DataError, match=r"b: column 'label_ids' holds no arrays"):
        read_table(path)
    path = write_foreign(tmp_path / "c", arrays, [foreign_row(), foreign_row(input_ids=np.ones(5, np.int64))])
    with pytest.raises(DataError, match="c: MindSpore cannot read"):
        read_table(path)
    path = write_foreign(tmp_path / "d", arrays, [foreign_row(), foreign_row(input_mask=np.array([0, 1, 1, 1]))])
    with pytest.raises(DataError, match=r"d: record 1: column 'input_mask'"):
        read_table(path)


@pytest.mark.parametrize("name", ["a?b", "a:b", "a'b", "a&b", " a", "a "])
def test_names_that_mindspore_refuses(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="name of a MindRecord"):
        check_name(tmp_path / name)


@pytest.mark.parametrize("name", ["a b.mindrecord", "句子.mindrecord", "x%s,y#.mindrecord"])
def test_unusual_names_work(tmp_path: Path, name: str) -> None:
    write_sample(tmp_path / name)
    assert read_table(tmp_path / name).rows == 30


def test_shard_names() -> None:
    assert shard_names("a", 1) == ["a"]
    assert shard_names("a", 2) == ["a0", "a1"]
    assert shard_names("a", 11)[::10] == ["a00", "a10"]


def test_mindspore_reads_our_tfrecord(tmp_path: Path) -> None:
    from mindspore import dataset as msd

    rows = sample_rows("token_classification")
    write_sample(tmp_path / "a.tfrecord", rows, "token_classification")
    found = msd.TFRecordDataset(str(tmp_path / "a.tfrecord"), shuffle=False)
    found = list(found.create_dict_iterator(num_epochs=1, output_numpy=True))
    assert len(found) == len(rows)
    for row, columns in zip(rows, found, strict=True):
        length = len(row.input_ids)
        assert columns["input_ids"].tolist() == [*row.input_ids, *[0] * (16 - length)]
        assert columns["input_mask"].tolist() == [1] * length + [0] * (16 - length)
        assert columns["label_ids"].tolist() == [*row.label, *[-100] * (16 - length)]


def test_schema_is_what_mindspore_finds(tmp_path: Path) -> None:
    from mindspore import dataset as msd

    for kind in ("classification", "regression", "token_classification"):
        write_sample(tmp_path / f"{kind}.mindrecord", kind=kind)
        found = msd.MindDataset(str(tmp_path / f"{kind}.mindrecord"), shuffle=False)
        row = next(iter(found.create_dict_iterator(num_epochs=1, output_numpy=True)))
        described = schema_of(kind).describe(16)
        assert {name: {"dtype": str(row[name].dtype), "shape": list(row[name].shape)} for name in row} == described


def test_errors_of_this_project_pass_through_the_writer(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield {"x": np.ones((1, 3), np.int64)}
        raise DataError("bad row")

    with pytest.raises(AlbertError, match="bad row"):
        write_mindrecord(tmp_path / "a", (Column("x", "int64", per_token=True),), chunks(), (1 << 14, 1 << 15))
