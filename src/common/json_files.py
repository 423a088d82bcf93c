"""Read JSON that people may have edited, or that is damaged."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from src.common.errors import AlbertError


class RepeatedKeyError(ValueError):
    """An object holds a key twice, so that nobody knows which value is meant; the message is the key."""


class NoNumberError(ValueError):
    """``NaN`` or ``Infinity``, which Python writes and JSON does not know; the message is the name."""


class TooDeepError(ValueError):
    """Lists or objects lie deeper in each other than Python reads."""


def json_value(text: str | bytes, *, unique_keys: bool = False, constants: bool = True) -> Any:
    """Return what a JSON text holds.

    Args:
        text: The text, in UTF-8 where it is bytes.
        unique_keys: Refuse an object that holds a key twice, of which Python would keep the last.
        constants: Take ``NaN`` and ``Infinity``, too.

    Raises:
        ValueError: It is no JSON. ``json.JSONDecodeError``, ``UnicodeDecodeError`` and the classes above tell what
            is wrong; all that is left is a number of thousands of digits.
    """
    pairs, constant = _without_repeats if unique_keys else None, None if constants else _no_constant
    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except RecursionError as error:
        raise TooDeepError("its brackets are nested too deep") from error


def read_json(path: Path) -> Any:
    """Return what a JSON file in UTF-8 holds; raise ``OSError``, or ``ValueError`` as ``json_value`` does."""
    return json_value(path.read_text(encoding="utf-8"))


def object_or_empty(source: Path | str | bytes) -> dict[str, Any]:
    """Return the object that a file or a text holds; an empty one where it cannot be read or holds something else."""
    try:
        found = read_json(source) if isinstance(source, Path) else json_value(source)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_object(
    path: Path, error: type[AlbertError], access: str, content: str, absent: AlbertError | None = None
) -> dict[str, Any]:
    """Return the object that a json file holds.

    Args:
        path: The file.
        error: What to raise.
        access: What to do where the file cannot be read.
        content: What to do where it holds something else.
        absent: What to raise where there is no such file; ``None`` makes it a file that cannot be read.

    Raises:
        AlbertError: Of the given class: the file cannot be read, is no JSON, or holds no object.
    """
    try:
        found = read_json(path)
    except OSError as failure:
        if absent is not None and isinstance(failure, FileNotFoundError):
            raise absent from failure
        raise error(f"cannot read: {failure.strerror or failure}", str(path), access) from failure
    except ValueError as failure:
        raise error("the file is no JSON", str(path), content) from failure
    if not isinstance(found, dict):
        raise error("the file holds no JSON object", str(path), content)
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RepeatedKeyError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return content


def _no_constant(name: str) -> NoReturn:
    raise NoNumberError(name)
