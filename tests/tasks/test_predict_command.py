from __future__ import annotations

import os
from pathlib import Path

import pytest

from src.common.errors import DataError
from src.tasks.predict_command import _check, make_parser


def check_input(path: Path) -> None:
    _check(make_parser().parse_args(["classify", "--run_dir", "run", "--input", str(path)]))


def test_input_may_be_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_input(pipe)


def test_input_must_be_there_and_no_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.txt"):
        with pytest.raises(DataError, match="no such file"):
            check_input(path)
