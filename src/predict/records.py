"""Records of ``predict.py`` and its server: JSON objects that hold a text or several, checked key by key."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from src.common.errors import DataError
from src.common.json_files import RepeatedKeyError, TooDeepError, json_value
from src.predict.texts import GivenText, one_line

ID = "id"
# Of a key in a message.
_SHOWN_CHARACTERS = 40


def object_of(line: GivenText, fix: str) -> dict[str, Any]:
    """Return the JSON object that stands on a line.

    Args:
        line: The line.
        fix: How such a line looks, for errors.

    Raises:
        DataError: The line holds none; names the line.
    """
    try:
        record = json_value(line.text, unique_keys=True)
    except json.JSONDecodeError as error:
        raise DataError(f"not valid json: {error.msg}", f"{line.where}, column {error.colno}", fix) from error
    except RepeatedKeyError as error:
        what = f"not valid json: the key {one_line(str(error)[:_SHOWN_CHARACTERS])!r} is there twice"
        raise DataError(what, line.where, fix) from error
    except TooDeepError as error:
        raise DataError(str(error), line.where, fix) from error
    except ValueError as error:
        raise DataError("a number in it has thousands of digits", line.where, fix) from error
    if not isinstance(record, dict):
        raise DataError("the line is no object", line.where, fix)
    return record


def check_keys(record: Mapping[str, object], keys: Sequence[str], where: str, passed_over: Sequence[str] = ()) -> None:
    """Refuse a record with a key that is neither one of ``keys`` or ``id``, nor one that has no bearing.

    Raises:
        DataError: Names the key and the one that was probably meant.
    """
    known = (*keys, ID)
    for key in record:
        if key not in (*known, *passed_over):
            close = difflib.get_close_matches(key, known, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(known)}"
            raise DataError(f"unknown key {one_line(key)!r}", where, fix)


def text_of(record: Mapping[str, object], key: str, where: str, form: str) -> str:
    """Return the text under a key.

    Raises:
        DataError: There is none, or it is blank or no UTF-8.
    """
    if key not in record:
        raise DataError(f"the key {key!r} is missing", where, f"give {form}")
    text = record[key]
    if not isinstance(text, str):
        raise DataError(f"{key} is not a text", where, f"give {form}")
    return checked_text(key, text, where)


def checked_text(key: str, text: str, where: str) -> str:
    """Return a text that is neither blank nor holds half characters.

    Raises:
        DataError: It is, or does.
    """
    if not text.strip():
        raise DataError(f"{key} is empty", where, f"give its {key}, or leave the record out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"{key} holds {text[error.start]!a}, which is no character"
        raise DataError(what, where, "give the text in UTF-8") from error
    return text


def id_of(record: Mapping[str, object], where: str) -> str | int | None:
    """Return the name that a record gives to itself, ``None`` for none.

    Raises:
        DataError: It is neither a text nor a whole number.
    """
    name = record.get(ID)
    if ID not in record:
        return None
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise DataError("id is neither a text nor a whole number", where, "correct it, or leave it out")
    return name


def text_record(record: Mapping[str, object], where: str, *, pairs: bool) -> GivenText:
    """Return the text of a record, or its two texts.

    Args:
        record: ``{"text": ...}`` and perhaps ``text_b`` and ``id``.
        where: Where it stands, for errors.
        pairs: Whether it may have a second text.

    Raises:
        DataError: The record is not of this form.
    """
    form = '{"text": "..."}' + (', or {"text": "...", "text_b": "..."} for a pair' if pairs else "")
    check_keys(record, ("text", "text_b") if pairs else ("text",), where)
    first = text_of(record, "text", where, form)
    second = text_of(record, "text_b", where, form) if record.get("text_b") is not None else None
    return GivenText(first, where, second, id_of(record, where))


def named(id_: str | int | None, record: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with the name of its record in front, where it has one."""
    return record if id_ is None else {ID: id_} | record
