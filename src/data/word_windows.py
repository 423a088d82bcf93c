"""Turn sentences of words into records for token classification: long ones become several, no word is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.data.record_schema import IGNORED_LABEL
from src.data.tokenization import Tokenizer

# [CLS] and [SEP].
_SPECIAL_TOKENS = 2
# Tags of a word inside an entity (IOB: I; BIOES and BILOU: I, E, L; BMES: M), before which no record begins.
_INSIDE_PREFIXES = ("I-", "E-", "L-", "M-")


@dataclass(frozen=True)
class WordWindow:
    """A run of words that fits into one record.

    Attributes:
        first_word: Place of its first word in the sentence.
        input_ids: Token ids, ``[CLS]`` and ``[SEP]`` included.
        word_starts: Position in ``input_ids`` of the first piece of every word of the window.
    """

    first_word: int
    input_ids: list[int]
    word_starts: list[int]

    def token_labels(self, word_labels: Sequence[int]) -> list[int]:
        """Return a label for every token: the word's at its first piece, ``IGNORED_LABEL`` elsewhere."""
        labels = [IGNORED_LABEL] * len(self.input_ids)
        for offset, position in enumerate(self.word_starts):
            labels[position] = word_labels[self.first_word + offset]
        return labels


class WordEncoder:
    """Encode sentences word by word; the pieces of every word are remembered.

    Args:
        tokenizer: Encodes one word at a time.
        max_seq_length: Largest number of tokens of a window, ``[CLS]`` and ``[SEP]`` included.
    """

    def __init__(self, tokenizer: Tokenizer, max_seq_length: int) -> None:
        self._tokenizer = tokenizer
        self._limit = max_seq_length - _SPECIAL_TOKENS
        self._pieces: dict[str, list[int]] = {}
        self.cut_words = 0
        """Words met so far whose pieces alone exceed a window: their last pieces are left out."""

    def encode(self, words: Sequence[str], tags: Sequence[str] | None = None) -> list[WordWindow]:
        """Return the windows of a sentence; together they hold every word once, in order.

        A window ends before the word that does not fit, or earlier (by half a window at most) where that keeps an
        entity of ``tags`` whole.
        """
        pieces = [self._word_pieces(word) for word in words]
        windows: list[WordWindow] = []
        start = 0
        while start < len(words):
            end = self._last_fitting(pieces, start)
            if end < len(words) and tags is not None:
                end = _before_entity(tags, start, end)
            windows.append(self._window(pieces, start, end))
            start = end
        return windows

    def _word_pieces(self, word: str) -> list[int]:
        known = self._pieces.get(word)
        if known is None:
            # A word that normalisation empties (a variation selector, say) must keep its place and its tag.
            known = self._tokenizer.encode(word) or [self._tokenizer.unk_id]
            self._pieces[word] = known
        if len(known) > self._limit:
            self.cut_words += 1
            return known[: self._limit]
        return known

    def _last_fitting(self, pieces: Sequence[Sequence[int]], start: int) -> int:
        used = 0
        for index in range(start, len(pieces)):
            used += len(pieces[index])
            if used > self._limit:
                return index
        return len(pieces)

    def _window(self, pieces: Sequence[Sequence[int]], start: int, end: int) -> WordWindow:
        ids = [self._tokenizer.cls_id]
        starts = []
        for word in pieces[start:end]:
            starts.append(len(ids))
            ids.extend(word)
        return WordWindow(start, [*ids, self._tokenizer.sep_id], starts)


def _before_entity(tags: Sequence[str], start: int, end: int) -> int:
    """Return the last place up to ``end``, at most half a window earlier, at which no entity is cut; else ``end``."""
    for cut in range(end, start + (end - start) // 2, -1):
        if not tags[cut].startswith(_INSIDE_PREFIXES):
            return cut
    return end
