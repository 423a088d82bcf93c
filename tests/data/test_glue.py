from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError, DataError
from src.data.examples import ExampleSplit, TextExample
from src.data.glue import GLUE_TASKS, GlueTask, find_split_files, find_task, read_glue_split


def _task(name: str) -> GlueTask:
    task = find_task(name)
    assert task is not None
    return task


def _read(name: str, split: str, path: Path, content: str) -> ExampleSplit:
    path.write_text(content, encoding="utf-8")
    return read_glue_split(_task(name), split, path)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("sst-2", "SST-2"),
        ("SST2", "SST-2"),
        ("sst_2", "SST-2"),
        ("cola", "CoLA"),
        ("MNLI", "MNLI"),
        ("mnli-mm", "MNLI-mm"),
        ("MNLI_mm", "MNLI-mm"),
        ("mismnli", "MNLI-mm"),
        ("stsb", "STS-B"),
        ("diagnostic", "AX"),
        ("mnli-m", "MNLI"),
    ],
)
def test_task_names_in_any_spelling(given: str, name: str) -> None:
    assert _task(given).name == name


@pytest.mark.parametrize("name", ["mytask", "sst", "sts", "cola-二"])
def test_unknown_task_is_none(name: str) -> None:
    assert find_task(name) is None


def test_label_order_is_the_references() -> None:
    assert _task("MNLI").labels == ("contradiction", "entailment", "neutral")
    assert _task("QNLI").labels == ("entailment", "not_entailment")
    assert _task("STS-B").kind == "regression"
    assert len(GLUE_TASKS) == 11


def test_cola_has_no_header_in_train_and_one_in_test(tmp_path: Path) -> None:
    train = _read("CoLA", "train", tmp_path / "train.tsv", "gj04\t1\t\tFirst one.\ngj04\t0\t*\tSecond one.\n")
    assert list(train.examples) == [TextExample("First one.", None, "1", 1), TextExample("Second one.", None, "0", 2)]
    test = _read("CoLA", "test", tmp_path / "test.tsv", "index\tsentence\n0\tThird.\n")
    assert list(test.examples) == [TextExample("Third.", None, None, 2)]
    assert not test.has_labels


def test_byte_order_mark_quotes_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(
        b'\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\t" he said\tline\xe2\x80\xa8sep\r\n'
    )
    (example,) = read_glue_split(_task("MRPC"), "train", path).examples
    assert example == TextExample('" he said', "line\u2028sep", "1", 2)


def test_short_rows_of_qqp_are_listed_but_not_in_test(tmp_path: Path) -> None:
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    split = _read("QQP", "dev", tmp_path / "dev.tsv", header + "1\t2\t3\ta\tb 0\n1\t2\t3\ta\tb\t0\n")
    assert len(split.examples) == 1
    assert split.dropped == (f"{tmp_path / 'dev.tsv'}:2: 5 columns where 6 are expected",)
    with pytest.raises(DataError, match=r"dev.tsv:2: 7 columns where 6"):
        _read("QQP", "dev", tmp_path / "dev.tsv", header + "1\t2\t3\ta\tb\tc\t0\n")
    with pytest.raises(DataError, match=r"test.tsv:2: 2 columns where 3"):
        _read("QQP", "test", tmp_path / "test.tsv", "id\tquestion1\tquestion2\n1\ta\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"sentence\tlabel\n", "no rows below the header"),
        (b"sentence\tlabel\ngood\t1\nbad \xff\t0\n", r"train.tsv:3: not UTF-8: byte 0xff"),
        (b"sentence\tlabel\ngood\t1\nba\0d\t0\n", r"train.tsv:3: NUL byte"),
        (b"sentence\tlabel\ngood\n", r"train.tsv:2: 1 columns where 2"),
        (b"sentence\tlabel\ngood\tx\t1\n", r"train.tsv:2: 3 columns where 2"),
        (b"sentence\tlabel\ngood\t1\n\nbad\t0\n", r"train.tsv:3: 1 columns where 2"),
        (b"sentence\tlabel\ngood\t\n", r"train.tsv:2: the label is missing"),
        (b"text\tlabel\ngood\t1\n", r"train.tsv:1: no column 'sentence'; the header has 'text', 'label'"),
        (b"index\tsentence\n0\tgood\n", r"train.tsv:1: no column 'label'"),
    ],
)
def test_wrong_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_glue_split(_task("SST-2"), "train", path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="file not found"):
        read_glue_split(_task("SST-2"), "train", tmp_path / "none.tsv")
    with pytest.raises(DataError, match="a folder stands where"):
        read_glue_split(_task("SST-2"), "train", tmp_path)
    with pytest.raises(ConfigError, match="input folder does not exist"):
        find_split_files(_task("SST-2"), tmp_path / "none")


def test_files_are_found_in_the_tasks_folder_or_the_given_one(tmp_path: Path) -> None:
    (tmp_path / "MNLI").mkdir()
    for name in ("MNLI/train.tsv", "MNLI/dev_mismatched.tsv", "dev_matched.tsv", "diagnostic.tsv"):
        (tmp_path / name).touch()
    matched = find_split_files(_task("MNLI"), tmp_path)
    assert matched == {"train": tmp_path / "MNLI/train.tsv", "dev": tmp_path / "dev_matched.tsv"}
    assert find_split_files(_task("mismnli"), tmp_path)["dev"] == tmp_path / "MNLI/dev_mismatched.tsv"
    assert find_split_files(_task("AX"), tmp_path) == {"test": tmp_path / "diagnostic.tsv"}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("SST-2", (67349, 872, 1821)),
        ("CoLA", (8551, 1043, 1063)),
        ("RTE", (2490, 277, 3000)),
        ("STS-B", (5749, 1500, 1379)),
        ("WNLI", (635, 71, 146)),
        ("MRPC", (3668, 408, 1725)),
        ("QNLI", (0, 5463, 5463)),
        ("QQP", (0, 2999, 0)),
        ("MNLI", (1000, 1000, 0)),
        ("MNLI-mm", (1000, 1000, 0)),
        ("AX", (0, 0, 1104)),
    ],
)
def test_row_counts_of_the_real_files(shared_data: Path, name: str, rows: tuple[int, int, int]) -> None:
    task = _task(name)
    files = find_split_files(task, shared_data / "glue")
    found = {split: read_glue_split(task, split, path) for split, path in files.items()}
    assert {split: len(read.examples) for split, read in found.items()} == {
        split: count for split, count in zip(("train", "dev", "test"), rows, strict=True) if count
    }
    for split, read in found.items():
        assert read.has_labels == (split != "test")
        if task.labels and read.has_labels:
            assert {example.label for example in read.examples} == set(task.labels)
