"""Turn examples into rows of record files, and count what happened on the way."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from src.data.convert_plan import ConversionTask
from src.data.examples import (
    REGRESSION,
    TOKEN_CLASSIFICATION,
    ExampleSplit,
    TextExample,
    TokenExample,
    class_encoder,
    score_encoder,
)
from src.data.features import build_pair
from src.data.record_schema import IGNORED_LABEL, RecordRow
from src.data.tokenization import Tokenizer
from src.data.word_windows import WordEncoder

Progress = Callable[[int], None]


@dataclass
class SplitStatistics:
    """What became of one split.

    Attributes:
        rows: Records.
        examples: Examples they come from (fewer when long sentences became several records).
        lengths: Tokens of every record, special symbols included.
        labels: How often each label occurs; of words for token classification. Empty without labels.
        scores: Smallest, mean and largest score of a regression with labels.
        truncated: Records that lost tokens (token classification: words that did).
        empty_texts: Examples of which a text has no tokens.
        split_sentences: Sentences that became several records.
        continued_rows: Numbers of the records that continue the sentence of the record before.
    """

    rows: int = 0
    examples: int = 0
    lengths: list[int] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    scores: tuple[float, float, float] | None = None
    truncated: int = 0
    empty_texts: int = 0
    split_sentences: int = 0
    continued_rows: list[int] = field(default_factory=list)

    def length_figures(self) -> tuple[float, int, int]:
        """Return mean, 95th percentile and largest length, in tokens."""
        lengths = np.array(self.lengths)
        return float(lengths.mean()), int(np.percentile(lengths, 95, method="higher")), int(lengths.max())


Labels = Sequence[int] | Sequence[float] | Sequence[Sequence[int]] | None


def encode_labels(split: ExampleSplit, task: ConversionTask) -> Labels:
    """Return the label of every example as a number (token classification: of every word), ``None`` without labels.

    Raises:
        DataError: A label is unknown, or a score is no number or out of bounds; the line is named.
    """
    if not split.has_labels:
        return None
    if task.kind == REGRESSION:
        score_of = score_encoder(task.bounds, split.source)
        return [score_of(example.label or "", example.line) for example in _texts(split)]
    id_of = class_encoder(task.labels, split.source, task.label_fix)
    if task.kind == TOKEN_CLASSIFICATION:
        return [
            [id_of(tag, line) for line, tag in enumerate(example.tags or (), start=example.line)]
            for example in _sentences(split)
        ]
    return [id_of(example.label or "", example.line) for example in _texts(split)]


def build_rows(
    split: ExampleSplit,
    labels: Labels,
    task: ConversionTask,
    tokenizer: Tokenizer,
    max_seq_length: int,
    progress: Progress = lambda count: None,
) -> tuple[list[RecordRow], SplitStatistics]:
    """Return the rows of a split and what was counted.

    Args:
        split: The examples.
        labels: What ``encode_labels`` returned for them.
        task: Their meaning.
        tokenizer: Turns text into ids.
        max_seq_length: Largest number of tokens of a row; longer pairs are truncated, longer sentences of words split.
        progress: Is told how many more examples are done.
    """
    figures = SplitStatistics(examples=len(split.examples))
    if task.kind == TOKEN_CLASSIFICATION:
        rows = list(_word_rows(split, labels, tokenizer, max_seq_length, figures, progress))
    else:
        rows = list(_text_rows(split, labels, tokenizer, max_seq_length, figures, progress))
    figures.rows = len(rows)
    figures.lengths = [len(row.input_ids) for row in rows]
    _count_labels(figures, labels, task)
    return rows, figures


def _text_rows(
    split: ExampleSplit,
    labels: Labels,
    tokenizer: Tokenizer,
    max_seq_length: int,
    figures: SplitStatistics,
    progress: Progress,
) -> Iterator[RecordRow]:
    for index, example in enumerate(_texts(split)):
        first = tokenizer.encode(example.text_a)
        second = None if example.text_b is None else tokenizer.encode(example.text_b)
        features = build_pair(first, second, max_seq_length, tokenizer)
        # [CLS] and one [SEP]; another one when something is left of the second text.
        special = 2 + features.segment_ids[-1]
        figures.truncated += len(first) + len(second or ()) + special > len(features.input_ids)
        figures.empty_texts += not first or second == []
        label = None if labels is None else labels[index]
        yield _compact_row(features.input_ids, features.segment_ids, label)
        progress(1)


def _word_rows(
    split: ExampleSplit,
    labels: Labels,
    tokenizer: Tokenizer,
    max_seq_length: int,
    figures: SplitStatistics,
    progress: Progress,
) -> Iterator[RecordRow]:
    encoder = WordEncoder(tokenizer, max_seq_length)
    row = 0
    for index, example in enumerate(_sentences(split)):
        windows = encoder.encode(example.words, example.tags)
        figures.split_sentences += len(windows) > 1
        for number, window in enumerate(windows):
            if number:
                figures.continued_rows.append(row)
            word_labels = labels[index] if labels is not None else None
            token_labels = window.token_labels(word_labels) if isinstance(word_labels, Sequence) else None
            yield _compact_row(window.input_ids, [0] * len(window.input_ids), token_labels)
            row += 1
        progress(1)
    figures.truncated = encoder.cut_words


def _compact_row(
    input_ids: Sequence[int], segment_ids: Sequence[int], label: int | float | Sequence[int] | None
) -> RecordRow:
    """Return a row in arrays: lists would take ten times the memory, gigabytes for the 393,000 pairs of MNLI."""
    return RecordRow(array("i", input_ids), array("b", segment_ids), label)


def _count_labels(figures: SplitStatistics, labels: Labels, task: ConversionTask) -> None:
    if labels is None:
        return
    if task.kind == REGRESSION:
        scores = np.array(labels, dtype=np.float64)
        figures.scores = float(scores.min()), float(scores.mean()), float(scores.max())
        return
    if task.kind == TOKEN_CLASSIFICATION:
        flat = np.concatenate([np.array(sentence, dtype=np.int64) for sentence in labels])
    else:
        flat = np.array(labels, dtype=np.int64)
    counts = np.bincount(flat[flat != IGNORED_LABEL], minlength=len(task.labels))
    figures.labels = Counter({name: int(count) for name, count in zip(task.labels, counts, strict=True)})


def _texts(split: ExampleSplit) -> Iterator[TextExample]:
    return (example for example in split.examples if isinstance(example, TextExample))


def _sentences(split: ExampleSplit) -> Iterator[TokenExample]:
    return (example for example in split.examples if isinstance(example, TokenExample))
