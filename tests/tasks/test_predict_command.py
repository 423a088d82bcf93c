from __future__ import annotations

import os
from pathlib import Path

import pytest

from src.common.errors import DataError
from src.tasks.predict_command import shown
from src.tasks.predict_options import check_options, make_parser


def check_input(path: Path) -> None:
    check_options(make_parser().parse_args(["classify", "--run_dir", "run", "--input", str(path)]))


def test_input_may_be_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_input(pipe)


def test_input_must_be_there_and_no_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.txt"):
        with pytest.raises(DataError, match="no such file"):
            check_input(path)


def test_an_answer_is_one_line_whatever_the_text_holds() -> None:
    assert shown({"label": "yes", "probability": 0.5, "text": "a\nb\tc\u2028d"}) == "yes\t0.5000\ta b c d"
    assert shown({"score": 1.0, "text": "a\r\nb", "text_b": "c"}) == "1.0000\ta  b | c"
