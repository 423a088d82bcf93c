from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tqdm import tqdm

from src.common.errors import ConfigError, OutputError
from src.common.log import FILE_ONLY, close_logging, log_to_file, setup_logging

OURS = logging.getLogger("src.something")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    root, project = logging.getLogger(), logging.getLogger("src")
    levels = root.level, project.level
    yield
    close_logging()
    logging.captureWarnings(False)
    root.setLevel(levels[0])
    project.setLevel(levels[1])


def test_the_console_is_plain_and_the_file_dated(tmp_path: Path) -> None:
    console = io.StringIO()
    setup_logging(tmp_path / "run" / "train.log", stream=console)
    OURS.info("step %d", 3)
    OURS.warning("odd")
    OURS.debug("hidden")
    assert console.getvalue() == "step 3\nwarning: odd\n"
    lines = (tmp_path / "run" / "train.log").read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in lines] == ["INFO step 3", "WARNING odd"]
    assert all(re.match(r"\d{4}-", line) for line in lines)


def test_levels_are_ours_and_third_parties_are_heard_from_warnings_on() -> None:
    console = io.StringIO()
    setup_logging(level="DEBUG", stream=console)
    OURS.debug("ours")
    other = logging.getLogger("matplotlib.font_manager")
    other.info("not heard")
    other.warning("heard")
    assert console.getvalue() == "ours\nwarning: heard\n"


def test_python_warnings_are_recorded(tmp_path: Path) -> None:
    setup_logging(tmp_path / "train.log", stream=io.StringIO())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("look here", stacklevel=1)
    assert "look here" in (tmp_path / "train.log").read_text()


def test_some_lines_are_for_the_file_only(tmp_path: Path) -> None:
    console = io.StringIO()
    setup_logging(tmp_path / "train.log", stream=console)
    OURS.info("bar", extra=FILE_ONLY)
    log_to_file("acc_num %d", 5)
    assert console.getvalue() == ""
    assert [line.split(" INFO ")[1] for line in (tmp_path / "train.log").read_text().splitlines()] == [
        "bar",
        "acc_num 5",
    ]


def test_a_second_set_up_replaces_the_first_and_a_second_run_appends(tmp_path: Path) -> None:
    first, second = io.StringIO(), io.StringIO()
    setup_logging(tmp_path / "train.log", stream=first)
    OURS.info("one")
    setup_logging(tmp_path / "train.log", stream=second)
    OURS.info("two")
    assert (first.getvalue(), second.getvalue()) == ("one\n", "two\n")
    assert len((tmp_path / "train.log").read_text().splitlines()) == 2


def test_a_line_does_not_land_inside_a_progress_bar() -> None:
    console = io.StringIO()
    setup_logging(stream=console)
    with tqdm(total=3, file=console, mininterval=0) as bar:
        bar.update()
        OURS.info("between")
    assert re.search(r"\r +\rbetween\n", console.getvalue())


def test_a_wrong_level_or_place_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    console = io.StringIO()
    setup_logging(stream=console)
    with pytest.raises(ConfigError, match="'loud' is no log level"):
        setup_logging(level="loud")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file stands"):
        setup_logging(tmp_path / "file" / "train.log")
    (tmp_path / "train.log").mkdir()
    with pytest.raises(OutputError):
        setup_logging(tmp_path / "train.log")
    OURS.info("still here")
    assert console.getvalue() == "still here\n"


def test_a_file_that_comes_later_begins_with_what_was_shown(tmp_path: Path) -> None:
    setup_logging(stream=io.StringIO())
    logging.getLogger("src.early").info("loaded the data")
    for name in ("first.log", "second.log"):
        setup_logging(tmp_path / name, stream=io.StringIO())
        logging.getLogger("src.late").info("training")
    assert [line.split(" ", 3)[3] for line in (tmp_path / "first.log").read_text().splitlines()] == [
        "loaded the data",
        "training",
    ]
    assert "loaded" not in (tmp_path / "second.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_once_and_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.log").symlink_to("/dev/full")
    console = io.StringIO()
    setup_logging(tmp_path / "train.log", stream=console)
    OURS.info("one")
    OURS.error("two", exc_info=ValueError("three"))
    close_logging()
    assert "one\nerror: two\n" in console.getvalue()
    warning = f"warning: {tmp_path / 'train.log'} cannot be written: No space left on device\n"
    assert capsys.readouterr().err == warning
