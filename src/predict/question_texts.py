"""Where ``predict.py qa`` takes questions and passages from: the command line, files, a pipe, or a conversation."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import DataError
from src.predict.texts import GivenText, ask, given, one_line

_FORM_FIX = 'give {"question": "...", "context": "..."} a line, or --context and a question a line'
_KEYS = ("question", "context", "id")
# Records in the form of SQuAD hold these too; they have no bearing on an answer.
_PASSED_OVER = ("title", "answers", "is_impossible")
# Linux hands over no more bytes of a line that is typed, and drops the others without a word.
_TERMINAL_LINE_BYTES = 4095


@dataclass(frozen=True)
class GivenQuestion:
    """A question about a passage.

    Attributes:
        question: The question; not blank.
        context: The passage; not blank.
        where: Where it stands, for errors: ``questions.jsonl:3``, or its first characters.
        id: The name that a record gave to it; ``None`` for none.
    """

    question: str
    context: str
    where: str
    id: str | int | None = None


def read_passage(path: Path) -> str:
    """Return the whole content of a UTF-8 file, without its byte-order mark.

    Raises:
        DataError: It is not UTF-8, or blank.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError("not UTF-8", f"{path}:{line}", "convert the file to UTF-8") from error
    if not text.strip():
        raise DataError("the passage is empty", str(path), "give a file that holds a text")
    return text


def questions_about(passage: str, lines: Iterator[GivenText]) -> Iterator[GivenQuestion]:
    """Yield a question about the passage for each line.

    Raises:
        DataError: A line is a record with a passage of its own, or holds what is no character.
    """
    for line in lines:
        if line.text.lstrip().startswith("{") and _holds_passage(line.text):
            fix = "leave out --context and --context_file, or give a question a line"
            raise DataError("the line has a passage of its own, and one is given for all", line.where, fix)
        yield _checked(line.text, passage, line.where)


def questions_of_records(lines: Iterator[GivenText]) -> Iterator[GivenQuestion]:
    """Yield the question of each line of JSON: an object with ``question``, ``context`` and perhaps ``id``.

    Other keys of SQuAD's records (``title``, ``answers``, ``is_impossible``) are passed over.

    Raises:
        DataError: A line is no such object, or a text is blank; names the line.
    """
    return (_question_of_record(line) for line in lines)


def conversation() -> Iterator[GivenQuestion]:
    """Ask on the terminal for a passage and for questions about it, until end of input.

    Raises:
        DataError: A passage is as long as a line of a terminal can be: the rest may be lost.
    """
    request = "Type a passage in one line, then questions about it; an empty line asks for another passage"
    print(f"{request}; Ctrl-D ends.", file=sys.stderr)
    while (passage := ask("passage> ")) is not None:
        if not passage.strip():
            continue
        if len(passage.encode(errors="surrogateescape")) == _TERMINAL_LINE_BYTES:
            what = f"the terminal cuts a line after {_TERMINAL_LINE_BYTES:,} bytes, and this is one of them"
            raise DataError(what, given(passage).where, "give the passage by --context_file")
        while (question := ask("question> ")) is not None and question.strip():
            yield _checked(question, passage, given(question).where)
        if question is None:
            return


def _checked(question: str, context: str, where: str, id_: str | int | None = None) -> GivenQuestion:
    """Return a question; refuse texts that are blank or no UTF-8."""
    for key, text in (("question", question), ("context", context)):
        if not text.strip():
            raise DataError(f"{key} is empty", where, f"give its {key}, or remove the line")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            what = f"{key} holds {text[error.start]!a}, which is no character"
            raise DataError(what, where, "give the text in UTF-8") from error
    return GivenQuestion(question, context, where, id_)


def _holds_passage(text: str) -> bool:
    """Tell whether a line is an object with a passage."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "context" in record


def _question_of_record(line: GivenText) -> GivenQuestion:
    """Return the question of a line of JSON."""
    try:
        record = json.loads(line.text)
    except json.JSONDecodeError as error:
        raise DataError(f"not valid json: {error.msg}", f"{line.where}, column {error.colno}", _FORM_FIX) from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or brackets thousands deep.
        raise DataError(f"not valid json: {error}", line.where, _FORM_FIX) from error
    if not isinstance(record, dict):
        raise DataError("the line is no object", line.where, _FORM_FIX)
    _check_keys(record, line.where)
    name = record.get("id")
    if "id" in record and (isinstance(name, bool) or not isinstance(name, (str, int))):
        raise DataError("id is neither a text nor a whole number", line.where, "correct it, or leave it out")
    return _checked(record["question"], record["context"], line.where, name)


def _check_keys(record: dict[str, Any], where: str) -> None:
    """Refuse a record with an unknown key, or without the texts that are needed."""
    for key in record:
        if key not in (*_KEYS, *_PASSED_OVER):
            close = difflib.get_close_matches(key, _KEYS, n=1)
            fix = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(_KEYS)}"
            raise DataError(f"unknown key {one_line(key)!r}", where, fix)
    for key in ("question", "context"):
        if key not in record:
            raise DataError(f"the key {key!r} is missing", where, _FORM_FIX)
        if not isinstance(record[key], str):
            raise DataError(f"{key} is not a text", where, _FORM_FIX)
