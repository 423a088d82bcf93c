"""Read SQuAD question answering files, v1.1 and v2.0, with errors that name the question."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from src.common.errors import DataError
from src.data.json_file import parse_json, read_bytes

_Kind = TypeVar("_Kind")
_KIND_NAMES = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_FORM_FIX = "give a SQuAD file: data[].paragraphs[].context and .qas[] with id, question and answers"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the file, as it stands there.

    Attributes:
        text: Its text; may be empty.
        start: Place of its first character in the context, as the file says; it is not checked here.
    """

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class SquadQuestion:
    """A question about one context.

    Attributes:
        id: Its name, unique in the file.
        question: Its text; not blank.
        context: Number of its context in ``SquadFile.contexts``.
        answers: Answers of the file: none for an impossible question, or where the file is for prediction only.
        is_impossible: Whether the context has no answer (v2.0).
    """

    id: str
    question: str
    context: int
    answers: tuple[Answer, ...]
    is_impossible: bool


@dataclass(frozen=True)
class SquadFile:
    """The content of a SQuAD file.

    Attributes:
        source: The file.
        sha256: Checksum of the file as it lies on the disk, hexadecimal.
        version: What the file says of itself, for example ``v2.0``; may be empty.
        contexts: The different contexts, in order of their first occurrence; none is blank.
        questions: All questions, in the order of the file; at least one.
    """

    source: Path
    sha256: str
    version: str
    contexts: tuple[str, ...]
    questions: tuple[SquadQuestion, ...]


def version_of(data: SquadFile) -> str:
    """Return ``2.0`` where the file says so or a question has no answer in its passage, else ``1.1``."""
    says_two = data.version.lower().removeprefix("v").startswith("2")
    return "2.0" if says_two or any(question.is_impossible for question in data.questions) else "1.1"


def read_squad(path: Path) -> SquadFile:
    """Read a SQuAD file, ``.json`` or ``.json.gz`` (told apart by the first bytes).

    Contexts that are equal character by character become one. Questions may lack answers, as test files do; whether
    an answer stands at its place in the context is judged where training features are made.

    Raises:
        DataError: The file is missing, damaged, no json, of another form, has no question, an id twice, a blank
            context or question, or an impossible question with answers.
    """
    content = read_bytes(path, _FORM_FIX)
    document = parse_json(content, path, _FORM_FIX)
    collector = _Collector(path)
    collector.add_document(document)
    if not collector.questions:
        raise DataError("the file has no questions", str(path), _FORM_FIX)
    return SquadFile(
        source=path,
        sha256=hashlib.sha256(content).hexdigest(),
        version=collector.version,
        contexts=tuple(collector.contexts),
        questions=tuple(collector.questions),
    )


class _Collector:
    """Gather contexts and questions of a parsed document; the methods raise ``DataError``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, str] = {}
        self.version = ""
        self.contexts: dict[str, int] = {}
        self.questions: list[SquadQuestion] = []

    def add_document(self, document: Any) -> None:
        if not isinstance(document, dict):
            raise DataError(f"the file holds {_name_of(document)}, not an object", str(self._path), _FORM_FIX)
        self.version = self._optional(document, "version", str, "", "")
        for index, article in enumerate(self._field(document, "data", list, "")):
            place = f"data[{index}]"
            for number, paragraph in enumerate(self._field(article, "paragraphs", list, place)):
                self._add_paragraph(paragraph, f"{place}.paragraphs[{number}]")

    def _add_paragraph(self, paragraph: Any, place: str) -> None:
        context = self._text(paragraph, "context", place)
        number = self.contexts.setdefault(context, len(self.contexts))
        for index, row in enumerate(self._field(paragraph, "qas", list, place)):
            self.questions.append(self._question(row, number, f"{place}.qas[{index}]"))

    def _question(self, row: Any, context: int, place: str) -> SquadQuestion:
        name = self._text(row, "id", place)
        if name in self._places:
            raise self._error(f"id {name!r} is at {self._places[name]} too", place, "give every question its own id")
        self._places[name] = place
        named = f"{place} (id {name})"
        question = self._text(row, "question", named)
        answers = tuple(
            self._answer(answer, f"{place}.answers[{index}] (id {name})")
            for index, answer in enumerate(self._optional(row, "answers", list, [], named))
        )
        is_impossible = self._optional(row, "is_impossible", bool, False, named)
        if is_impossible and answers:
            fix = "empty answers, or set is_impossible to false"
            raise self._error("the question is_impossible and has answers", named, fix)
        return SquadQuestion(name, question, context, answers, is_impossible)

    def _answer(self, row: Any, place: str) -> Answer:
        return Answer(self._field(row, "text", str, place), self._field(row, "answer_start", int, place))

    def _text(self, row: Any, key: str, place: str) -> str:
        """Return a text that is not blank."""
        text = self._field(row, key, str, place)
        if not text or text.isspace():
            raise self._error(f"{key} is empty", place, f"give its {key}, or remove the entry")
        return text

    def _optional(self, row: Any, key: str, kind: type[_Kind], default: _Kind, place: str) -> _Kind:
        return default if isinstance(row, dict) and key not in row else self._field(row, key, kind, place)

    def _field(self, row: Any, key: str, kind: type[_Kind], place: str) -> _Kind:
        """Return the value of a key that must be there and of this type."""
        if not isinstance(row, dict):
            raise self._error(f"{_name_of(row)} stands where an object is needed", place, _FORM_FIX)
        if key not in row:
            raise self._error(f"the key {key!r} is missing", place, _FORM_FIX)
        value = row[key]
        # JSON's true is an int to Python, and never a number here.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._error(f"{key} is {_name_of(value)}, not {_KIND_NAMES[kind]}", place, _FORM_FIX)
        if isinstance(value, str) and _SURROGATE.search(value):
            what = f"{key} holds half of a character (a lone surrogate such as \\ud83d), which no file can hold"
            raise self._error(what, place, "write the whole character, or remove it")
        return value

    def _error(self, what: str, place: str, fix: str) -> DataError:
        return DataError(what, f"{self._path}: {place}" if place else str(self._path), fix)


def _name_of(value: Any) -> str:
    """Return what a json value is, in words."""
    if value is None:
        return "null"
    return _KIND_NAMES.get(type(value), "a number with a fraction")
