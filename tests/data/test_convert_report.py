from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from src.data import convert_report
from src.data.convert import SplitStatistics
from src.data.convert_report import progress, summary_lines
from src.data.examples import ExampleSplit, TextExample


def _split(name: str, dropped: tuple[str, ...] = ()) -> ExampleSplit:
    return ExampleSplit(name, Path(f"{name}.tsv"), [TextExample("a", None, "x", 1)], True, dropped)


def test_few_labels_stand_in_the_row_and_lengths_are_right() -> None:
    figures = SplitStatistics(rows=3, lengths=[2, 4, 9], labels=Counter({"no": 1, "yes": 2}), truncated=1)
    lines = summary_lines([(_split("train"), figures)])
    assert lines == [
        "split  rows  truncated  mean  95 %  longest  labels",
        "train     3          1   5.0     9        9  no: 1 (33.3 %), yes: 2 (66.7 %)",
    ]


def test_many_labels_get_a_table() -> None:
    train = SplitStatistics(rows=1, lengths=[5], labels=Counter({"O": 10, "B-a": 3, "B-b": 2, "I-a": 5, "I-b": 0}))
    test = SplitStatistics(rows=1, lengths=[5])
    lines = summary_lines([(_split("train"), train), (_split("test"), test)])
    assert [line.split() for line in lines[4:]] == [
        ["label", "train"],
        ["O", "10", "(50.0", "%)"],
        ["B-a", "3", "(15.0", "%)"],
        ["B-b", "2", "(10.0", "%)"],
        ["I-a", "5", "(25.0", "%)"],
        ["I-b", "0", "(0.0", "%)"],
        ["train:", "no", "row", "has", "the", "label", "I-b"],
    ]


def test_what_was_left_out_is_listed() -> None:
    dropped = tuple(f"dev.tsv:{line}: 5 columns where 6 are expected" for line in range(2, 9))
    figures = SplitStatistics(
        rows=1, lengths=[5], labels=Counter({"0": 1, "1": 1}), empty_texts=2, split_sentences=3, examples=4
    )
    text = "\n".join(summary_lines([(_split("dev", dropped), figures)]))
    assert "dev: left out 7 of the rows" in text
    assert "  dev.tsv:6: 5 columns where 6 are expected\n  ... and 2 more" in text
    assert "dev: 2 rows have a text without any token" in text
    assert "dev: 3 of 4 sentences are longer than a record" in text


def test_progress_without_a_terminal_is_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(convert_report, "_LINE_INTERVAL_S", 0.0)
    with progress("SST-2 train", 4) as update:
        update(1)
        update(2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["SST-2 train: 1/4 rows", "SST-2 train: 3/4 rows"]
