"""Tokenize the passages and questions of a SQuAD file, each once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from src.data.squad import SquadFile
from src.data.squad_alignment import ContextTokens, align_context
from src.data.tokenization import Tokenizer


@dataclass(frozen=True, eq=False)
class SquadTexts:
    """Tokens of all passages and questions of a file.

    Attributes:
        contexts: The tokens of each passage.
        context_ids: Token ids of all passages, one behind the other, int32.
        context_offsets: Place of each passage in ``context_ids``, int64 [passages + 1].
        query_ids: Token ids of all questions, cut to their greatest length, int32.
        query_offsets: Place of each question in ``query_ids``, int64 [questions + 1].
        cut_queries: Whether a question was cut, bool [questions].
    """

    contexts: list[ContextTokens]
    context_ids: np.ndarray
    context_offsets: np.ndarray
    query_ids: np.ndarray
    query_offsets: np.ndarray
    cut_queries: np.ndarray


def encode_texts(
    data: SquadFile, tokenizer: Tokenizer, max_query_length: int, progress: Callable[[int], None]
) -> SquadTexts:
    """Tokenize everything; ``progress`` gets the number of questions of each passage after it."""
    questions_of: list[list[int]] = [[] for _ in data.contexts]
    for number, question in enumerate(data.questions):
        questions_of[question.context].append(number)
    contexts: list[ContextTokens] = []
    queries: list[array[int]] = [array("i")] * len(data.questions)
    cut_queries = np.zeros(len(data.questions), bool)
    for context, numbers in zip(data.contexts, questions_of, strict=True):
        contexts.append(align_context(context, tokenizer))
        for number in numbers:
            ids = tokenizer.encode(data.questions[number].question)
            queries[number] = array("i", ids[:max_query_length])
            cut_queries[number] = len(ids) > max_query_length
        progress(len(numbers))
    return SquadTexts(
        contexts=contexts,
        context_ids=joined([row.ids for row in contexts]),
        context_offsets=offsets_of([len(row.ids) for row in contexts]),
        query_ids=joined([np.frombuffer(row, np.int32) for row in queries]),
        query_offsets=offsets_of([len(row) for row in queries]),
        cut_queries=cut_queries,
    )


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return int32 arrays one behind the other, int32 [sum of their lengths]."""
    return np.concatenate([np.empty(0, np.int32), *parts])


def offsets_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return where parts of these lengths begin, and where the last one ends, int64 [parts + 1]."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
