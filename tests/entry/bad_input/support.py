"""What the tests of bad input share: running a command, looking at a folder, damaging a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import create_finetuning_data
import predict
import pretrain_eval
import run_classifier
import run_pretrain
import train_vocabulary
from src.common.cli import EXIT_USER_ERROR
from src.data import film_reviews

Main = Callable[[Sequence[str]], int]

COMMANDS: dict[str, Main] = {
    "convert": create_finetuning_data.main,
    "films": film_reviews.main,
    "predict": predict.main,
    "pretrain": run_pretrain.main,
    "pretrain_eval": pretrain_eval.main,
    "run": run_classifier.main,
    "vocabulary": train_vocabulary.main,
}


class Fails(Protocol):
    """Run a command that must end with one clear error, and return the error."""

    def __call__(self, command: str, argv: Sequence[object], *fragments: object) -> str: ...


def check_error(text: str, status: int, fragments: Sequence[object]) -> str:
    """Return the one error line of a failed command after checking that it is the end of what was printed."""
    lines = text.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert status == EXIT_USER_ERROR, text
    assert "Traceback" not in text
    assert len(errors) == 1, text
    assert lines[-1] == errors[0], text
    # What to do follows the arrow; "expected ..." and "must ..." say it by themselves.
    assert any(mark in errors[0] for mark in (" -> ", "expected", "must be", "leave it at")), text
    for fragment in fragments:
        assert str(fragment) in errors[0], f"{fragment!r} is not in {errors[0]!r}"
    return errors[0]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return the content of every file below a folder, ``None`` for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def flip(path: Path, position: int, bits: int = 0x10) -> Path:
    """Change a bit of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= bits
    path.write_bytes(content)
    return path


def cut(path: Path, size: int) -> Path:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[:size])
    return path


def write(path: Path, content: str | bytes) -> Path:
    """Write a file whose folder may be missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path
