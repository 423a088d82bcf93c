"""Features of SQuAD questions: windows of tokens, answer positions, and the way back to the characters.

They equal those of ``run_squad`` of google-research/albert; docs/squad_features.md lists where ours are exact and the
reference's are a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from src.common.errors import ConfigError
from src.data.squad import SquadFile
from src.data.squad_positions import SkippedQuestion, find_answer_tokens
from src.data.squad_texts import SquadTexts, encode_texts, joined, offsets_of
from src.data.squad_windows import WindowPlan, max_context_flags, plan_windows
from src.data.tokenization import Tokenizer

_FIRST_UNIQUE_ID = 1_000_000_000
# [CLS] before the question, [SEP] behind it and behind the window.
_SPECIAL_TOKENS = 3


@dataclass(frozen=True)
class SquadSettings:
    """How questions and passages are cut; all in tokens.

    Attributes:
        max_seq_length: Most tokens of a sequence, the three special ones included.
        max_query_length: Most tokens of a question; those behind them are left out.
        doc_stride: From the begin of a window of the passage to that of the next.

    Raises:
        ConfigError: A number is below 1.
    """

    max_seq_length: int
    max_query_length: int = 64
    doc_stride: int = 128

    def __post_init__(self) -> None:
        for name in ("max_seq_length", "max_query_length", "doc_stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", fix=f"set {name} to 1 or more")


@dataclass(frozen=True, eq=False)
class SquadFeatures:
    """Windows of questions over their passages; F windows, N tokens in all.

    The sequence of a window is ``[CLS] question [SEP] window [SEP]``.

    Attributes:
        settings: How they were cut.
        token_ids: Sequences without padding, one behind the other, int32 [N].
        offsets: Place of each sequence in ``token_ids``, int64 [F+1].
        question: Number of the question in ``SquadFile.questions``, int32 [F].
        window: Number of the window in its question, int32 [F].
        context: Number of the passage in ``SquadFile.contexts``, int32 [F].
        doc_begin: Place of the window's first token in the sequence, int32 [F].
        doc_length: Tokens of the window, int32 [F].
        first_token: Number of the window's first token in its passage, int32 [F].
        max_context: Whether a token of a window is judged there and not in another, bool [sum(doc_length)].
        doc_offsets: Place of each window in ``max_context``, int64 [F+1].
        start_position: Place of the answer's first token in the sequence, int32 [F]; 0 in evaluation, where the
            question is impossible and where the window does not hold the whole answer.
        end_position: Place of its last token, in the same way.
        is_impossible: Training: whether the window holds no answer, bool [F]. Evaluation: False.
        token_starts: First character of each token of all passages, int32; the white space before a piece with the
            word mark belongs to it.
        token_ends: LAST character of each, inclusive, int32.
        context_offsets: Place of each passage in ``token_starts`` and ``token_ends``, int64 [passages + 1].
        skipped: Training: questions that cannot be used, in the order of the file.
        cut_questions: Number of the other questions that were longer than ``max_query_length``.
    """

    settings: SquadSettings
    token_ids: np.ndarray
    offsets: np.ndarray
    question: np.ndarray
    window: np.ndarray
    context: np.ndarray
    doc_begin: np.ndarray
    doc_length: np.ndarray
    first_token: np.ndarray
    max_context: np.ndarray
    doc_offsets: np.ndarray
    start_position: np.ndarray
    end_position: np.ndarray
    is_impossible: np.ndarray
    token_starts: np.ndarray
    token_ends: np.ndarray
    context_offsets: np.ndarray
    skipped: tuple[SkippedQuestion, ...] = ()
    cut_questions: int = 0

    @property
    def rows(self) -> int:
        """Return the number of windows F."""
        return len(self.question)

    @property
    def lengths(self) -> np.ndarray:
        """Return the tokens of each sequence, int32 [F]."""
        return np.diff(self.offsets).astype(np.int32)

    @property
    def unique_ids(self) -> np.ndarray:
        """Return the number that the reference gives to each window, int64 [F]."""
        return _FIRST_UNIQUE_ID + np.arange(self.rows, dtype=np.int64)


def overlap_notice(features: SquadFeatures) -> str:
    """Return what to say where windows of a passage do not overlap: answers across their border are cut; else ""."""
    last = np.append(features.question[1:] != features.question[:-1], True)
    room = features.settings.max_seq_length - features.doc_begin - 1
    apart = ~last & (room <= features.settings.doc_stride)
    if not apart.any():
        return ""
    questions = len(np.unique(features.question[apart]))
    return (
        f"windows of {questions} questions do not overlap, so that answers across their borders are cut: "
        f"take a doc_stride below {int(room[apart].min())}, for example {max(int(room[apart].min()) // 2, 1)}"
    )


def build_features(
    data: SquadFile,
    tokenizer: Tokenizer,
    settings: SquadSettings,
    *,
    training: bool,
    progress: Callable[[int], None] = lambda questions: None,
) -> SquadFeatures:
    """Make the features of all questions; each passage is tokenized once.

    Args:
        data: The questions.
        tokenizer: SentencePiece or WordPiece.
        settings: How to cut.
        training: Whether answer positions are needed. Then the first answer that can be used counts, and questions
            without one are left out and listed in ``skipped``. Otherwise every question has at least one window.
        progress: Called after each passage with the number of its questions.

    Raises:
        ConfigError: ``max_seq_length`` leaves no room for a passage beside a question.
        DataError: Training: a question has no answers and is not marked impossible, or no question can be used.
    """
    texts = encode_texts(data, tokenizer, settings.max_query_length, progress)
    answers: np.ndarray | None = None
    kept = np.arange(len(data.questions), dtype=np.int32)
    skipped: tuple[SkippedQuestion, ...] = ()
    if training:
        answers, kept, skipped = find_answer_tokens(data, texts.contexts)
    plan = _plan(data, texts, kept, settings)
    return _assemble(data, texts, plan, answers, settings, tokenizer, skipped)


def _assemble(
    data: SquadFile,
    texts: SquadTexts,
    plan: WindowPlan,
    answers: np.ndarray | None,
    settings: SquadSettings,
    tokenizer: Tokenizer,
    skipped: tuple[SkippedQuestion, ...],
) -> SquadFeatures:
    """Return the features of the planned windows; ``answers`` as in ``_positions``."""
    context = np.array([row.context for row in data.questions], np.int32)[plan.question]
    doc_begin = (_SPECIAL_TOKENS - 1 + np.diff(texts.query_offsets)[plan.question]).astype(np.int32)
    start, end, is_impossible = _positions(answers, plan, doc_begin)
    token_ids, offsets = _sequences(texts, plan, context, doc_begin, tokenizer)
    return SquadFeatures(
        settings=settings,
        token_ids=token_ids,
        offsets=offsets,
        question=plan.question,
        window=plan.number,
        context=context,
        doc_begin=doc_begin,
        doc_length=plan.length,
        first_token=plan.begin,
        max_context=_max_context(plan),
        doc_offsets=offsets_of(plan.length),
        start_position=start,
        end_position=end,
        is_impossible=is_impossible,
        token_starts=joined([row.starts for row in texts.contexts]),
        token_ends=joined([row.ends for row in texts.contexts]),
        context_offsets=texts.context_offsets,
        skipped=skipped,
        cut_questions=int(texts.cut_queries[np.unique(plan.question)].sum()),
    )


def _plan(data: SquadFile, texts: SquadTexts, kept: np.ndarray, settings: SquadSettings) -> WindowPlan:
    """Lay the windows of the kept questions; raise ``ConfigError`` where a question leaves no room for a token."""
    query_length = np.diff(texts.query_offsets)[kept]
    room = settings.max_seq_length - _SPECIAL_TOKENS - query_length
    if room.min() < 1:
        longest = int(room.argmin())
        length = int(query_length[longest])
        most = settings.max_seq_length - _SPECIAL_TOKENS - 1
        lower = f", or lower max_query_length to at most {most}" if most >= 1 else ""
        raise ConfigError(
            f"max_seq_length {settings.max_seq_length} has no room for a passage: the question has {length} tokens, "
            f"{_SPECIAL_TOKENS} are special",
            f"{data.source}: question {data.questions[kept[longest]].id}",
            f"raise max_seq_length to at least {length + _SPECIAL_TOKENS + 1}{lower}",
        )
    context = np.array([row.context for row in data.questions], np.int32)[kept]
    plan = plan_windows(np.diff(texts.context_offsets)[context], room, settings.doc_stride)
    return replace(plan, question=kept[plan.question])


def _positions(
    answers: np.ndarray | None, plan: WindowPlan, doc_begin: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start and end of the answers in the sequences, int32 [F], and which windows hold none, bool [F].

    Args:
        answers: First and last token in the passage by question, int32 [questions, 2], -1 for none; or ``None`` in
            evaluation.
        plan: The windows.
        doc_begin: Place of the window in the sequence, int32 [F].
    """
    none = np.zeros_like(doc_begin)
    if answers is None:
        return none, none.copy(), np.zeros(len(doc_begin), bool)
    start, end = answers[plan.question].T
    holds = (start >= plan.begin) & (end < plan.begin + plan.length)
    shift = doc_begin - plan.begin
    return np.where(holds, start + shift, none), np.where(holds, end + shift, none), ~holds


def _sequences(
    texts: SquadTexts, plan: WindowPlan, context: np.ndarray, doc_begin: np.ndarray, tokenizer: Tokenizer
) -> tuple[np.ndarray, np.ndarray]:
    """Return the token ids of all sequences, int32 [N], and their offsets, int64 [F+1]."""
    offsets = offsets_of(doc_begin + plan.length + 1)
    token_ids = np.full(offsets[-1], tokenizer.sep_id, np.int32)
    token_ids[offsets[:-1]] = tokenizer.cls_id
    queries = texts.query_offsets[plan.question]
    windows = texts.context_offsets[context] + plan.begin
    # A loop over windows: gathering all at once would take several int64 arrays of N.
    columns = (offsets[:-1], doc_begin, queries, windows, plan.length)
    for at, document, query, window, length in zip(*(values.tolist() for values in columns), strict=True):
        query_length = document - _SPECIAL_TOKENS + 1
        token_ids[at + 1 : at + 1 + query_length] = texts.query_ids[query : query + query_length]
        token_ids[at + document : at + document + length] = texts.context_ids[window : window + length]
    return token_ids, offsets


def _max_context(plan: WindowPlan) -> np.ndarray:
    """Return the flags of all windows, bool [sum of their lengths]; those of a lone window are all set."""
    flags = np.ones(int(plan.length.sum(dtype=np.int64)), bool)
    offsets = offsets_of(plan.length)
    firsts = np.append(np.flatnonzero(plan.number == 0), len(plan.number))
    for first, last in zip(firsts[:-1].tolist(), firsts[1:].tolist(), strict=True):
        if last - first > 1:
            here = slice(first, last)
            flags[offsets[first] : offsets[last]] = max_context_flags(plan.begin[here], plan.length[here])
    return flags
