from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.creation_run import Run
from benchmarks.pretraining_data import copy_corpus, creation_options, main, parse, run_line, same_output_line
from benchmarks.record_statistics import expected_ngrams, length_lines, mask_lines, ngram_lines, order_lines
from src.common.cli import run_command
from src.common.errors import ConfigError, DataError
from src.data.pretraining.statistics import PretrainStatistics

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "three", "four", "."]


def run_of(cpu_s: float, digest: str = "a") -> Run:
    return Run(
        wall_s=cpu_s / 2, cpu_s=cpu_s, text_tokens=1000, record_tokens=4000, parent_mb=50, worker_mb=90, digest=digest
    )


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join("\n".join(["one two .", "three four .", "two one ."] * 5) for _ in range(6)) + "\n")
    return path


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return path


def test_a_line_has_medians_and_speeds_by_processor_seconds() -> None:
    cells = run_line(1, 2, [run_of(1), run_of(10), run_of(2)]).split()
    assert cells == ["1x", "2", "1.0", "2.0", "500", "2,000", "50", "90"]
    assert run_line(10, 1, [run_of(1)]).split()[-1] == "-"


def test_different_output_is_seen() -> None:
    assert "the same files for 1, 2 workers" in same_output_line(1, {1: {"a"}, 2: {"a"}})
    assert "DIFFERENT" in same_output_line(1, {1: {"a"}, 2: {"b"}})


def test_expected_ngrams_are_those_of_the_paper() -> None:
    assert expected_ngrams(3, favor_shorter=True) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert expected_ngrams(2, favor_shorter=False) == pytest.approx([1 / 3, 2 / 3])


def test_statistics_lines_are_shares() -> None:
    found = PretrainStatistics(instances=10, masked=20, symbol=15, kept=3)
    found.orders.update({"in order": 4, "swapped": 4, "random": 2})
    found.drawn_ngrams.update({"1": 6, "2": 3, "3": 3})
    assert [line.split()[-4] for line in mask_lines(found)] == ["75.00", "15.00", "10.00"]
    assert [line.split()[-4] for line in ngram_lines(found, {"ngram": 3, "favor_shorter_ngram": True})] == [
        *("50.00", "25.00", "25.00")
    ]
    assert [line.split("%")[0].split()[-1] for line in order_lines(found)] == ["50.00", "60.00", "20.00"]
    assert [line.split("%")[0].split()[-1] for line in length_lines([8, 7, 4, 2], 8)] == ["75.00", "50.00"]


def test_copies_keep_the_ending_that_tells_the_form(tmp_path: Path) -> None:
    source = tmp_path / "corpus.txt.gz"
    source.write_bytes(b"x")
    (tmp_path / "copies").mkdir()
    folder = copy_corpus(source, tmp_path / "copies", 3)
    assert sorted(path.name for path in folder.iterdir()) == [f"copy-{n:02d}.txt.gz" for n in range(3)]


def test_options_are_handed_on(text: Path) -> None:
    options = parse(["--input", str(text), "--vocab_file", "v.txt", "--dupe_factor", "1", "--workers", "2,1,2"])
    assert options.workers == [2, 1]
    assert creation_options(options) == [
        *("--vocab_file", "v.txt", "--max_seq_length", "128", "--dupe_factor", "1", "--block_mb", "4")
    ]


@pytest.mark.parametrize("wrong", [["--workers", "0"], ["--workers", "1,x"], ["--repeats", "0"], ["--block_mb", "-1"]])
def test_wrong_numbers_are_refused(text: Path, wrong: list[str]) -> None:
    with pytest.raises(ConfigError, match=wrong[0]):
        parse(["--input", str(text), *wrong])


def test_a_missing_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such text file"):
        main(["--input", str(tmp_path / "none.txt")])


@pytest.mark.slow
def test_the_command_measures_real_runs(text: Path, vocabulary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--input", str(text), "--vocab_file", str(vocabulary), "--max_seq_length", "16"]
    assert main([*arguments, "--workers", "1,2", "--repeats", "1"]) == 0
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines() if line.strip().startswith(("1x ", "10x "))]
    assert [cells[:2] for cells in lines if cells[1].isdigit()] == [
        ["1x", "1"],
        ["1x", "2"],
        ["10x", "1"],
        ["10x", "2"],
    ]
    parent, worker = (float(lines[1][index]) for index in (6, 7))
    assert parent > 10
    assert worker > 10
    assert shown.count("the same files for 1, 2 workers") == 2
    assert "n-grams drawn, 3 words" in shown


@pytest.mark.slow
def test_a_run_that_fails_is_one_line(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("no vocabulary\n")
    assert run_command(main, ["--input", str(text), "--vocab_file", str(bad)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "create_pretraining_data.py ended with 2" in error
