from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError, DataError
from src.data.delimited import Columns, read_delimited
from src.data.examples import TextExample, infer_labels, score_encoder

_BY_INDEX = Columns("0", None, "1")


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="")
    return path


def test_tsv_with_header_by_name_and_by_index(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.tsv", 'id\tq\ta\tlabel\n1\t"x\ty\tyes\n2\tz\tw\tno\n')
    expected = [TextExample('"x', "y", "yes", 2), TextExample("z", "w", "no", 3)]
    assert list(read_delimited("train", path, Columns("q", "a", "label")).examples) == expected
    assert list(read_delimited("train", path, Columns("1", "2", "-1", header=True)).examples) == expected


def test_indices_mean_no_header(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.tsv", "good\t1\nbad\t0\n")
    assert [example.label for example in read_delimited("train", path, _BY_INDEX).examples] == ["1", "0"]


def test_csv_quotes_line_breaks_and_line_numbers(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.csv", 'text_a,label\r\n"one\ntwo, ""three""",a\r\nlast,b\r\n')
    examples = read_delimited("train", path, Columns()).examples
    assert list(examples) == [TextExample('one\ntwo, "three"', None, "a", 2), TextExample("last", None, "b", 4)]


def test_jsonl_labels_of_every_type(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.jsonl", '{"t": "a", "y": 1}\n{"t": "b", "y": true}\n{"t": "c", "y": "x"}\n')
    examples = read_delimited("train", path, Columns("t", None, "y")).examples
    assert [example.label for example in examples] == ["1", "true", "x"]


@pytest.mark.parametrize("name", ["test.tsv", "test.csv", "test.jsonl"])
def test_a_test_split_may_lack_labels(tmp_path: Path, name: str) -> None:
    content = {"test.tsv": "text_a\na\n", "test.csv": "text_a,label\na,\n", "test.jsonl": '{"text_a": "a"}\n'}[name]
    split = read_delimited("test", _write(tmp_path / name, content), Columns())
    assert not split.has_labels
    assert [example.label for example in split.examples] == [None]
    with pytest.raises(DataError, match="label"):
        read_delimited("dev", tmp_path / name, Columns())


def test_labels_are_inferred_numbers_by_value(tmp_path: Path) -> None:
    rows = "".join(f"text\t{label}\n" for label in ["10", "9", "10", "9", "b", "b"])
    split = read_delimited("train", _write(tmp_path / "train.tsv", rows), _BY_INDEX)
    assert infer_labels(split) == ("9", "10", "b")


def test_inferred_labels_that_cannot_be_classes(tmp_path: Path) -> None:
    many = read_delimited(
        "train", _write(tmp_path / "a.tsv", "".join(f"t\t0.{n:03}\n" for n in range(1, 31))), _BY_INDEX
    )
    with pytest.raises(DataError, match="30 different labels in 30 rows"):
        infer_labels(many)
    one = read_delimited("train", _write(tmp_path / "b.tsv", "t\t1\nu\t1\n"), _BY_INDEX)
    with pytest.raises(DataError, match="every row has the same label '1'"):
        infer_labels(one)


def test_a_header_read_as_data_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.tsv", "text\tlabel\n" + "good\t1\nbad\t0\n" * 3)
    with pytest.raises(DataError, match="is that row a header"):
        read_delimited("train", path, _BY_INDEX)
    assert len(read_delimited("train", path, Columns("0", None, "1", header=True)).examples) == 6
    assert len(read_delimited("train", path, Columns("0", None, "1", header=False)).examples) == 7


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.tsv", "text_a\tlabel\na\tb\tc\n", r"train.tsv:2: 3 columns where 2"),
        ("train.tsv", "text\tlabel\na\tb\n", r"train.tsv:1: no column 'text_a'; the header has 'text', 'label'"),
        ("train.tsv", "text_a\ttext_a\tlabel\na\tb\tc\n", "occurs twice in the header"),
        ("train.tsv", "text_a\tlabel\n", "no rows below the header"),
        ("train.tsv", "", "the file is empty"),
        ("train.csv", 'text_a,label\n"open,1\n', r"train.csv:2: not valid CSV"),
        ("train.csv", 'text_a,label\n"a"b,1\n', r"train.csv:2: not valid CSV"),
        ("train.csv", "text_a,label\na,\n", r"train.csv:2: the label is missing"),
        ("train.jsonl", '{"text_a": "a", "label": 1}\n{"text_a"\n', r"train.jsonl:2: not valid JSON"),
        ("train.jsonl", "[1]\n", r"train.jsonl:1: a JSON list where an object"),
        ("train.jsonl", '{"text": "a", "label": 1}\n', r"train.jsonl:1: no key 'text_a'"),
        ("train.jsonl", '{"text_a": 5, "label": 1}\n', r"train.jsonl:1: 'text_a' is 5, not a text"),
        ("train.jsonl", '{"text_a": "\\ud800", "label": 1}\n', r"half of a surrogate pair"),
        ("train.jsonl", '{"text_a": "a", "label": [1]}\n', r"train.jsonl:1: the label is \[1\]"),
        ("train.jsonl", '{"text_a": "a"}\n', r"train.jsonl:1: no key 'label'"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_delimited("train", _write(tmp_path / name, content), Columns())


def test_text_and_label_in_one_column(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.tsv", "a\tb\n")
    with pytest.raises(DataError, match="text and label are in one column"):
        read_delimited("train", path, Columns("0", None, "0"))


def test_index_out_of_range_and_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column '2'; the rows have 2 columns"):
        read_delimited("train", _write(tmp_path / "train.tsv", "a\tb\n"), Columns("0", None, "2"))
    with pytest.raises(ConfigError, match=r"files of type '\.xlsx' are not known"):
        read_delimited("train", _write(tmp_path / "train.xlsx", "a\n"), _BY_INDEX)


@pytest.mark.parametrize(
    ("score", "message"),
    [("nan", "not finite"), ("inf", "not finite"), ("x", "not a number"), ("5.1", r"outside 0\.\.5")],
)
def test_wrong_scores(score: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"f\.tsv:7: .*{message}"):
        score_encoder((0.0, 5.0), Path("f.tsv"))(score, 7)


@pytest.mark.shared
def test_chnsenticorp(shared_data: Path) -> None:
    folder = shared_data / "chnsenticorp"
    train = read_delimited("train", folder / "train.tsv", _BY_INDEX)
    assert len(train.examples) == 3778
    assert infer_labels(train) == ("negative", "positive")
    test = read_delimited("test", folder / "test.tsv", Columns("text_a", None, "1"))
    assert (len(test.examples), test.has_labels) == (1200, False)
