"""Find the tokens of the answers that training learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.common.errors import DataError
from src.data.squad import Answer, SquadFile, SquadQuestion
from src.data.squad_alignment import ContextTokens

# What a message shows of a text, in characters, and of its places.
_LONGEST_SHOWN = 40
_MOST_PLACES = 3


@dataclass(frozen=True)
class SkippedQuestion:
    """A question that training cannot use.

    Attributes:
        id: Its name.
        why: The reason, in words.
    """

    id: str
    why: str


def find_answer_tokens(
    data: SquadFile, contexts: Sequence[ContextTokens]
) -> tuple[np.ndarray, np.ndarray, tuple[SkippedQuestion, ...]]:
    """Find the first and the last token of each question's first answer that can be used.

    An answer can be used if its text stands at its place in the passage and holds a token. White space around it
    does not count.

    Returns:
        The tokens, int32 [questions, 2], -1 for impossible questions; the numbers of the questions that can be used,
        int32; the others.

    Raises:
        DataError: A question has no answers and is not marked impossible, or no question at all can be used.
    """
    tokens = np.full((len(data.questions), 2), -1, np.int32)
    kept: list[int] = []
    skipped: list[SkippedQuestion] = []
    for number, question in enumerate(data.questions):
        if not question.is_impossible:
            found, why = _find(question, data, contexts[question.context])
            if found is None:
                skipped.append(SkippedQuestion(question.id, why))
                continue
            tokens[number] = found
        kept.append(number)
    if not kept:
        first = skipped[0]
        what = f"none of the {len(skipped)} questions can be used for training; the first one: {first.why}"
        raise DataError(what, f"{data.source}: question {first.id}", "check that text and answer_start fit the context")
    return tokens, np.array(kept, np.int32), tuple(skipped)


def _find(question: SquadQuestion, data: SquadFile, tokens: ContextTokens) -> tuple[tuple[int, int] | None, str]:
    """Return the tokens of the first answer that can be used, otherwise why the first one cannot."""
    if not question.answers:
        raise DataError(
            "the question has no answers and is not marked is_impossible",
            f"{data.source}: question {question.id}",
            "training needs an answer, or is_impossible: true",
        )
    context = data.contexts[question.context]
    reasons = []
    for answer in question.answers:
        found, why = _locate(answer, context, tokens)
        if found is not None:
            return found, ""
        reasons.append(why)
    return None, reasons[0]


def _locate(answer: Answer, context: str, tokens: ContextTokens) -> tuple[tuple[int, int] | None, str]:
    """Return the tokens of an answer, or why it cannot be used."""
    text = answer.text.strip()
    if not text:
        return None, "the answer is empty"
    if answer.start < 0 or not context.startswith(answer.text, answer.start):
        return None, _misplaced(answer, context)
    begin = answer.start + answer.text.index(text)
    found = tokens.span(begin, begin + len(text))
    return found, "" if found else f"the answer {_shown(text)} has no token: it is dropped before tokenization"


def _misplaced(answer: Answer, context: str) -> str:
    """Say where the text of an answer stands instead of its place; a guess among these places is not made."""
    wrong = f"the answer {_shown(answer.text)} is not at character {answer.start} of its context"
    places: list[int] = []
    place = context.find(answer.text)
    while place >= 0 and len(places) <= _MOST_PLACES:
        places.append(place)
        place = context.find(answer.text, place + 1)
    if not places:
        return f"{wrong}, nor anywhere else in it"
    more = " and more" if len(places) > _MOST_PLACES else ""
    return f"{wrong}; it is at {', '.join(map(str, places[:_MOST_PLACES]))}{more}"


def _shown(text: str) -> str:
    """Return a text as a message shows it: quoted, cut."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
