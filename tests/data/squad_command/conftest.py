from __future__ import annotations

from pathlib import Path

import pytest

from src.data.squad_command import main
from tests.data.squad_command.support import Run
from tests.data.squad_record_samples import write_vocabulary


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocab.txt")


@pytest.fixture
def convert(tmp_path: Path, vocab: Path) -> Run:
    """Run the command with small settings; output is TFRecord below ``out``."""

    def run(*more: object, format_given: bool = True) -> None:
        given = ["--vocab_path", vocab, "--max_seq_length", 16, "--max_query_length", 6, "--doc_stride", 4]
        if "--output_dir" not in more:
            given += ["--output_dir", tmp_path / "out"]
        if format_given:
            given += ["--file_format", "tfrecord"]
        assert main([str(value) for value in (*given, *more)]) == 0

    return run
