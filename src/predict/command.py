"""The commands of ``predict.py`` that answer and end: labels, tags, answers, words for masks, vectors of raw texts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from src.common.files import atomic_path
from src.common.interrupts import quiet_interrupts
from src.common.log import setup_logging
from src.common.native_output import without_graph_dumps
from src.predict.loading import ModelSource, PredictSettings, load_predictor
from src.predict.options import (
    CLASSIFY,
    ENCODE,
    FILL_MASK,
    NER,
    QUESTIONS,
    check_options,
    is_array,
    wants_json_lines,
)
from src.predict.question_texts import (
    GivenQuestion,
    conversation,
    questions_about,
    questions_of_records,
    read_passage,
)
from src.predict.records import object_of
from src.predict.shown import shown, shown_answers
from src.predict.texts import (
    GivenText,
    batches,
    given,
    pair_of,
    texts_of_file,
    texts_of_pipe,
    texts_of_terminal,
)

if TYPE_CHECKING:
    from src.predict.base import Predictor

_REQUESTS = {
    CLASSIFY: "Type a text and Enter (a TAB parts the texts of a pair)",
    NER: "Type a text and Enter",
    FILL_MASK: "Type a text with [MASK] and Enter",
    QUESTIONS: "Type a question and Enter",
    ENCODE: "Type a text and Enter (a TAB parts the texts of a pair)",
}
_RECORD_FIX = {
    CLASSIFY: 'give {"text": "..."} a line, with "text_b" for a pair',
    NER: 'give {"text": "..."} or {"words": ["...", "..."]} a line',
    FILL_MASK: 'give {"text": "..."} a line',
    QUESTIONS: 'give {"question": "...", "context": "..."} a line',
    ENCODE: 'give {"text": "..."} a line, with "text_b" for a pair',
}
# Batches of a file that are planned together: enough to put texts of a length side by side, few enough to hold.
_BATCHES_AHEAD = 16
Parse = Callable[[GivenText], Any]
"""Makes of a line what a predictor answers."""


def _lines(options: argparse.Namespace) -> tuple[Iterator[GivenText], bool]:
    """Return the texts, and whether each is to be answered before the next one is read."""
    kind = "question" if options.command == QUESTIONS else "text"
    if options.text:
        return map(given, options.text), False
    if options.input:
        return texts_of_file(options.input, kind), False
    if sys.stdin.isatty():
        return texts_of_terminal(_REQUESTS[options.command]), True
    return texts_of_pipe(kind), False


def _questions(options: argparse.Namespace) -> tuple[Iterator[GivenQuestion], bool]:
    """Return the questions, and whether each is to be answered before the next one is read."""
    passage = read_passage(options.context_file) if options.context_file else options.context
    if passage is not None:
        lines, one_by_one = _lines(options)
        return questions_about(passage, lines), one_by_one
    if not options.input and sys.stdin.isatty():
        return conversation(), True
    lines, one_by_one = _lines(options)
    return questions_of_records(lines), one_by_one


def _parser_of_lines(options: argparse.Namespace, predictor: Predictor[Any]) -> Parse:
    """Return what makes an item of a line, or of a text of the command line."""
    if wants_json_lines(options):
        fix = _RECORD_FIX[options.command]
        return lambda line: predictor.parse(object_of(line, fix), line.where)
    if options.command == NER:
        from src.predict.token_tagger import words_of

        return words_of
    if options.text:
        # One text, whatever characters it holds.
        return lambda text: replace(text, text_b=getattr(options, "text_b", None))
    return pair_of if options.command in (CLASSIFY, ENCODE) else lambda line: line


def _write(options: argparse.Namespace, answers: Iterator[dict[str, Any]]) -> None:
    """Write the answers, to stdout one after the other or into a file that appears as a whole."""
    if options.output is not None and is_array(options.output):
        with atomic_path(options.output) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.array([answer["vector"] for answer in answers], dtype=np.float32))
        return
    lines = (json.dumps(answer, ensure_ascii=False) if options.json else _shown(options, answer) for answer in answers)
    if options.output is None:
        for line in lines:
            print(line, flush=True)
        return
    with atomic_path(options.output) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _shown(options: argparse.Namespace, answer: dict[str, Any]) -> str:
    return shown_answers(answer, options.top_n) if options.command == QUESTIONS else shown(answer)


@quiet_interrupts(sigterm=True)
def answer(options: argparse.Namespace) -> int:
    """Answer what a command of ``make_parser`` asks for; return the exit status.

    Raises:
        AlbertError: An option, an input or the network is wrong.
    """
    check_options(options)
    setup_logging()
    asks_questions = options.command == QUESTIONS
    # Before MindSpore is loaded: the passage may be wrong.
    given_items, one_by_one = _questions(options) if asks_questions else _lines(options)
    predictor = load_predictor(ModelSource.of(vars(options)), options.command, PredictSettings.of(vars(options)))
    parse: Callable[[Any], Any] = (lambda item: item) if asks_questions else _parser_of_lines(options, predictor)
    items = map(parse, given_items)
    together = 1 if one_by_one else options.batch_size * (1 if _is_pipe(options) else _BATCHES_AHEAD)
    batch_size = options.batch_size
    with without_graph_dumps():
        _write(options, chain.from_iterable(predictor.predict(batch, batch_size) for batch in batches(items, together)))
    for note in predictor.notes():
        print(f"warning: {note}", file=sys.stderr)
    return 0


def _is_pipe(options: argparse.Namespace) -> bool:
    """Tell whether the texts come one by one from another program."""
    return not (options.text or options.input)
