"""Where ``predict.py qa`` takes questions and passages from: the command line, files, a pipe, or a conversation."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from src.common.errors import DataError
from src.common.json_files import object_or_empty
from src.predict.records import check_keys, checked_text, id_of, object_of, text_of
from src.predict.texts import GivenText, ask, given

_FORM = '{"question": "...", "context": "..."}'
_FORM_FIX = f"give {_FORM} a line, or --context and a question a line"
_KEYS = ("question", "context")
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
    return (question_record(object_of(line, _FORM_FIX), line.where) for line in lines)


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


def question_record(record: Mapping[str, object], where: str) -> GivenQuestion:
    """Return the question of a record: an object with ``question``, ``context`` and perhaps ``id``.

    Raises:
        DataError: It is no such object, or a text is blank.
    """
    check_keys(record, _KEYS, where, _PASSED_OVER)
    question, context = (text_of(record, key, where, _FORM) for key in _KEYS)
    return GivenQuestion(question, context, where, id_of(record, where))


def _checked(question: str, context: str, where: str) -> GivenQuestion:
    """Return a question; refuse texts that are blank or no UTF-8."""
    return GivenQuestion(checked_text("question", question, where), checked_text("context", context, where), where)


def _holds_passage(text: str) -> bool:
    """Tell whether a line is an object with a passage."""
    return "context" in object_or_empty(text)
