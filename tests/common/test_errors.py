from __future__ import annotations

import pytest

from src.common import errors
from src.common.errors import AlbertError, DataError


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("bad label 'x'",), "bad label 'x'"),
        (("bad label 'x'", "train.tsv:17"), "train.tsv:17: bad label 'x'"),
        (("bad label 'x'", "", "use 0 or 1"), "bad label 'x' -> use 0 or 1"),
        (("bad label 'x'", "train.tsv:17", "use 0 or 1"), "train.tsv:17: bad label 'x' -> use 0 or 1"),
    ],
)
def test_what_where_and_fix_in_one_line(parts: tuple[str, ...], text: str) -> None:
    error = DataError(*parts)
    assert str(error) == text
    assert error.args == (text,)


@pytest.mark.parametrize(
    "name", ["ConfigError", "DataError", "CheckpointError", "OutputError", "DeviceError", "TrainingError"]
)
def test_commands_catch_every_class(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, AlbertError)
    assert not issubclass(kind, OSError)
