"""BERT's tokenizer for the Chinese models: basic words, then the longest matching pieces of a ``vocab.txt``."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from src.common.errors import DataError
from src.data.aligned_text import AlignedText
from src.data.tokenization import Piece, Tokenizer, read_vocabulary_file, split_vocabulary_lines

CONTINUATION = "##"
SPECIAL_SYMBOLS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
MAX_WORD_CHARS = 200
# CJK ideographs: the blocks that BERT puts white space around. Kana and Hangul are written in words and are not here.
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_LETTER, _SPACE, _IDEOGRAPH, _DROPPED = range(4)


@lru_cache(maxsize=1 << 16)
def _kind_of(char: str) -> int:
    """Return how basic tokenization treats a character of the raw text."""
    if char in "\t\n\r":
        return _SPACE
    if char in "\0\ufffd" or unicodedata.category(char) in ("Cc", "Cf"):
        return _DROPPED
    if char.isspace():
        return _SPACE
    code = ord(char)
    return _IDEOGRAPH if any(low <= code <= high for low, high in _IDEOGRAPHS) else _LETTER


@lru_cache(maxsize=1 << 16)
def _is_punctuation(char: str) -> bool:
    """Return whether a character is a word of its own: all ASCII symbols count, also those Unicode calls symbols."""
    if char < "\x80":
        return "!" <= char <= "~" and not char.isalnum()
    return unicodedata.category(char).startswith("P")


@lru_cache(maxsize=1 << 16)
def _without_accents(char: str) -> str:
    """Return what is left of a lower-cased character after NFD and the removal of non-spacing marks."""
    return "".join([part for part in unicodedata.normalize("NFD", char) if unicodedata.category(part) != "Mn"])


def basic_words(text: str, *, do_lower_case: bool) -> list[AlignedText]:
    """Split ``text`` at white space, around ideographs and punctuation, with the places of all characters."""
    words: list[AlignedText] = []
    chars: list[str] = []
    starts: list[int] = []

    def finish() -> None:
        if chars:
            word = AlignedText("".join(chars), starts.copy(), [start + 1 for start in starts])
            words.extend(_split_punctuation(_fold(word) if do_lower_case else word))
            chars.clear()
            starts.clear()

    for index, char in enumerate(text):
        kind = _kind_of(char)
        if kind == _DROPPED:
            continue
        if kind != _LETTER:
            finish()
        if kind != _SPACE:
            chars.append(char)
            starts.append(index)
        if kind == _IDEOGRAPH:
            finish()
    finish()
    return words


def _fold(word: AlignedText) -> AlignedText:
    """Lower-case a word and strip its accents; a stripped mark belongs to the character before it."""
    lowered = word.lower()
    if lowered.text.isascii():
        return lowered
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for char, start, end in zip(lowered.text, lowered.starts, lowered.ends, strict=True):
        kept = _without_accents(char)
        if not kept and ends:
            ends[-1] = end
        chars.extend(kept)
        starts.extend([start] * len(kept))
        ends.extend([end] * len(kept))
    return AlignedText("".join(chars), starts, ends)


def _split_punctuation(word: AlignedText) -> list[AlignedText]:
    """Return the runs of a word between punctuation marks, and each mark alone."""
    parts: list[AlignedText] = []
    begin = 0
    for index, char in enumerate(word.text):
        if _is_punctuation(char):
            if begin < index:
                parts.append(word.part(begin, index))
            parts.append(word.part(index, index + 1))
            begin = index + 1
    if begin < len(word.text):
        parts.append(word.part(begin, len(word.text)))
    return parts


def _continues(char: str) -> bool:
    """Return whether a character joins the word before it: punctuation and ideographs are words of their own."""
    return not _is_punctuation(char) and _kind_of(char) == _LETTER


class WordPieceTokenizer(Tokenizer):
    """WordPiece as in BERT: a word that cannot be split, or of more than 200 characters, is one ``[UNK]``.

    Args:
        vocab_file: One piece a line; a piece's line number from 0 is its id.
        do_lower_case: Whether to lower-case the text and strip accents.

    Raises:
        DataError: The vocabulary is missing, of another kind, or has repeated, empty or missing pieces.
    """

    kind = "wordpiece"

    def __init__(self, vocab_file: Path, do_lower_case: bool = True) -> None:
        content = read_vocabulary_file(vocab_file, "vocab_file_path")
        pieces = _parse_vocab(content, vocab_file)
        super().__init__(pieces, SPECIAL_SYMBOLS, do_lower_case, vocab_file, hashlib.sha256(content).hexdigest())
        self._longest = max(len(piece) for piece in pieces)
        self._unknown = SPECIAL_SYMBOLS["unk"]

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of ``text``."""
        return [piece.text for piece in self.tokenize_with_offsets(text)]

    def tokenize_with_offsets(self, text: str) -> list[Piece]:
        """Return the pieces with their places in ``text``."""
        result: list[Piece] = []
        for word in basic_words(text, do_lower_case=self.do_lower_case):
            cuts = self._cuts(word.text)
            if cuts is None:
                result.append(Piece(self._unknown, *word.span(0, len(word.text))))
                continue
            for begin, end in pairwise(cuts):
                name = word.text[begin:end] if begin == 0 else CONTINUATION + word.text[begin:end]
                result.append(Piece(name, *word.span(begin, end)))
        return result

    def encode_continued(self, text: str) -> list[int]:
        """Return the ids of a text directly behind a token: letters without white space before them go on its word."""
        words = basic_words(text, do_lower_case=self.do_lower_case)
        if not words or text[0].isspace() or not _continues(words[0].text[0]):
            return self.encode(text)
        first = words[0].text
        cuts = self._cuts(first, inside=True)
        rest = self.encode(text[words[0].ends[-1] :])
        if cuts is None:
            return [self.unk_id, *rest]
        return [*self.tokens_to_ids(CONTINUATION + first[begin:end] for begin, end in pairwise(cuts)), *rest]

    def is_start_piece(self, piece: str) -> bool:
        """Return whether ``piece`` starts a word."""
        return not piece.startswith(CONTINUATION)

    def _cuts(self, word: str, *, inside: bool = False) -> list[int] | None:
        """Return the bounds of the longest pieces from left to right, or ``None`` where no piece fits.

        With ``inside`` the first piece, too, goes on a word.
        """
        if len(word) > MAX_WORD_CHARS:
            return None
        cuts = [0]
        while cuts[-1] < len(word):
            begin = cuts[-1]
            prefix = CONTINUATION if begin or inside else ""
            end = min(len(word), begin + self._longest)
            while end > begin and prefix + word[begin:end] not in self._ids:
                end -= 1
            if end == begin:
                return None
            cuts.append(end)
        return cuts


def _parse_vocab(content: bytes, path: Path) -> list[str]:
    """Return the pieces of a ``vocab.txt``, or raise ``DataError`` with the line at fault."""
    if b"\0" in content[:4096]:
        raise DataError(
            "not a text vocabulary", str(path), "give a SentencePiece model as spm_model_file, vocab.txt here"
        )
    # Only plain spaces are stripped: the vocabulary of the Chinese models holds U+2028 as a piece.
    pieces = [line.strip(" ") for line in split_vocabulary_lines(content, path)]
    first_line: dict[str, int] = {}
    for number, piece in enumerate(pieces, start=1):
        if not piece:
            raise DataError("an empty line in the vocabulary", f"{path}:{number}", "every line is one piece")
        if "\t" in piece:
            raise DataError(
                "a line 'piece<TAB>score' of a SentencePiece .vocab",
                f"{path}:{number}",
                "give the SentencePiece .model as spm_model_file",
            )
        if piece in first_line:
            raise DataError(
                f"{piece!r} is on line {first_line[piece]} already", f"{path}:{number}", "every line is one piece"
            )
        first_line[piece] = number
    return pieces
