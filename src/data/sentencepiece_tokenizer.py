"""ALBERT's SentencePiece tokenizer: its preprocessing, its rule for digits before a comma, and exact offsets.

The behaviour is that of ``tokenization.py`` of google-research/albert; the offsets are this project's.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor

from src.common.errors import DataError
from src.common.protobuf import LENGTH, read_fields
from src.data.aligned_text import AlignedText
from src.data.tokenization import Piece, Tokenizer, read_vocabulary_file, split_vocabulary_lines

WORD_MARK = "▁"
# For private use, so in no vocabulary: never part of a piece, and what follows it is cut as in the middle of a word.
_ANCHOR = "\ue000"
SPECIAL_SYMBOLS = {"pad": "<pad>", "unk": "<unk>", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
# The characters that whole-word masking treats as English: letters and most ASCII punctuation. The apostrophe and
# < = > are left out in the reference code too, so pieces with them start a word.
_PUNCTUATION = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~')
_ENGLISH = _PUNCTUATION | frozenset("abcdefghijklmnopqrstuvwxyz")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Top-level fields of a SentencePiece model: the pieces, the trainer's settings, the normaliser.
_MODEL_FIELDS = {1, 2, 3}
_SCORE_TOLERANCE = 1e-4


def preprocess_text(text: str, *, do_lower_case: bool) -> str:
    """Collapse white space, decompose (NFKD), drop combining marks, lower-case: in this order, as the reference."""
    decomposed = unicodedata.normalize("NFKD", " ".join(text.split()))
    kept = "".join([char for char in decomposed if not unicodedata.combining(char)])
    return kept.lower() if do_lower_case else kept


@lru_cache(maxsize=1 << 16)
def _decompose(char: str) -> str:
    """Return what ``preprocess_text`` keeps of one character, before lower-casing."""
    return "".join([part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part)])


def preprocess_aligned(text: str, *, do_lower_case: bool) -> AlignedText:
    """Do what ``preprocess_text`` does and keep where each character came from.

    NFKD may be taken character by character: across characters it only reorders combining marks, all of which
    are dropped. A dropped mark belongs to the character before it, a collapsed run of white space to its one space.
    """
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    space_start = -1
    word_seen = False
    for index, char in enumerate(text):
        if char.isspace():
            space_start = index if space_start < 0 else space_start
            continue
        if space_start >= 0 and word_seen:
            chars.append(" ")
            starts.append(space_start)
            ends.append(index)
        space_start, word_seen = -1, True
        kept = char if char < "\x80" else _decompose(char)
        if not kept and ends:
            ends[-1] = index + 1
        for part in kept:
            chars.append(part)
            starts.append(index)
            ends.append(index + 1)
    aligned = AlignedText("".join(chars), starts, ends)
    return aligned.lower() if do_lower_case else aligned


class SentencePieceTokenizer(Tokenizer):
    """SentencePiece with ALBERT's conventions, cased or uncased.

    Args:
        model_file: The SentencePiece model.
        do_lower_case: Whether to lower-case the text.
        vocab_file: The model's ``.vocab`` (lines ``piece<TAB>score``); only compared with the model.

    Raises:
        DataError: The model is missing, damaged, lacks a control symbol, or disagrees with ``vocab_file``.
    """

    kind = "sentencepiece"

    def __init__(self, model_file: Path, do_lower_case: bool = True, vocab_file: Path | None = None) -> None:
        content = read_vocabulary_file(model_file, "spm_model_file")
        self._processor = _load_processor(content, model_file)
        count = self._processor.get_piece_size()
        pieces = [self._processor.id_to_piece(index) for index in range(count)]
        super().__init__(pieces, SPECIAL_SYMBOLS, do_lower_case, model_file, hashlib.sha256(content).hexdigest())
        # Control symbols are put in by hand: text that spells one must not become one.
        special = {self.pad_id, self.cls_id, self.sep_id, self.mask_id}
        self._text_ids = {piece: index for piece, index in self._ids.items() if index not in special}
        if vocab_file is not None:
            _check_vocab(vocab_file, self._processor, model_file)

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of the preprocessed ``text``."""
        prepared = _without_surrogates(preprocess_text(text, do_lower_case=self.do_lower_case))
        tokens: list[str] = []
        for piece in self._processor.encode(prepared, out_type=str):
            tokens.extend(self._refine(piece))
        return tokens

    def encode(self, text: str) -> list[int]:
        """Return the ids of the pieces; a text that spells a control symbol gets ``unk_id`` for it."""
        return self._ids_of_text(self.tokenize(text))

    def encode_continued(self, text: str) -> list[int]:
        """Return the ids of a text directly behind a token: without white space before it, it has no word mark."""
        tokens = self.tokenize(_ANCHOR + text)
        place = next(index for index, token in enumerate(tokens) if _ANCHOR in token)
        # An unknown character behind the anchor is one piece with it.
        rest = tokens[place].partition(_ANCHOR)[2]
        return self._ids_of_text([*([rest] if rest else []), *tokens[place + 1 :]])

    def tokenize_with_offsets(self, text: str) -> list[Piece]:
        """Return the pieces with their places in ``text``.

        The word mark of a piece has no share in its place. A mark that is a piece of its own has the place of the
        white space it stands for, or an empty one where the text has none (at its start).
        """
        prepared = preprocess_aligned(text, do_lower_case=self.do_lower_case)
        content = _without_surrogates(prepared.text)
        normalized, sources = self._processor.normalize(content, with_offsets=True)
        source_ends = _source_ends(sources)
        result: list[Piece] = []
        position = 0
        for raw in self._processor.encode(content, out_type=str):
            limit = position + len(raw)
            parts = self._refine(raw)
            if raw[0] == WORD_MARK and parts[0][0] != WORD_MARK:
                position += 1
            for part in parts:
                end = min(position + len(part), limit)
                start, stop = _place(prepared, normalized, sources, source_ends, position, end)
                result.append(Piece(part, start, stop))
                position = end
            position = limit
        return result

    def is_start_piece(self, piece: str) -> bool:
        """Return whether ``piece`` starts a word.

        True for pieces with the word mark or ``<``, for single punctuation marks, and for every piece with a
        character that is neither an English letter nor punctuation (a digit, an accent, another script).
        """
        if piece.startswith((WORD_MARK, "<")) or piece in _PUNCTUATION:
            return True
        return any(char.lower() not in _ENGLISH for char in piece)

    def _ids_of_text(self, tokens: list[str]) -> list[int]:
        return [self._text_ids.get(token, self.unk_id) for token in tokens]

    def _refine(self, piece: str) -> list[str]:
        """Split ``2010,`` into the pieces of ``2010`` and a comma, so that years and numbers stay the same pieces."""
        if len(piece) < 2 or piece[-1] != "," or not piece[-2].isdigit():
            return [piece]
        parts: list[str] = self._processor.encode(piece[:-1].replace(WORD_MARK, ""), out_type=str)
        # Encoding on its own brings a word mark that the piece may not have had.
        if piece[0] != WORD_MARK and parts[0][0] == WORD_MARK:
            parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
        return [*parts, ","]


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 holds but JSON escapes can make, by U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _source_ends(sources: list[int]) -> list[int]:
    """Return where each normalised character's source ends: at the next character's source.

    Args:
        sources: Start of each normalised character's source, and the end of the last one.
    """
    ends = [0] * (len(sources) - 1)
    following = sources[-1]
    for index in range(len(ends) - 1, -1, -1):
        if sources[index + 1] > sources[index]:
            following = sources[index + 1]
        # The last source may end where it starts when SentencePiece cuts trailing white space.
        ends[index] = max(following, sources[index] + 1)
    return ends


def _place(
    prepared: AlignedText, normalized: str, sources: list[int], source_ends: list[int], begin: int, end: int
) -> tuple[int, int]:
    """Return the place in the original text of ``normalized[begin:end]``."""
    first, last = begin, end
    while first < last and normalized[first] == WORD_MARK:
        first += 1
    while last > first and normalized[last - 1] == WORD_MARK:
        last -= 1
    if first < last:
        return prepared.span(sources[first], source_ends[last - 1])
    if sources[begin] == sources[end]:
        # The mark that SentencePiece puts before the first word stands for nothing in the text.
        start = prepared.starts[sources[begin]]
        return start, start
    return prepared.span(sources[begin], source_ends[end - 1])


def _load_processor(content: bytes, path: Path) -> Any:
    """Return the processor of a complete SentencePiece model."""
    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(content)
        fields = _top_level_fields(content)
    except (RuntimeError, ValueError) as error:
        raise DataError(
            "not a SentencePiece model, or a damaged one", str(path), "fetch it again, and check spm_model_file"
        ) from error
    # A file cut between two pieces still parses; only the settings at its end are missing.
    if not fields >= _MODEL_FIELDS:
        raise DataError("the SentencePiece model is truncated", str(path), "fetch it again")
    if any(processor.is_byte(index) for index in range(processor.get_piece_size())):
        raise DataError("the SentencePiece model has byte pieces", str(path), "train it without byte_fallback")
    return processor


def _top_level_fields(content: bytes) -> set[int]:
    """Return the numbers of the length-delimited fields of a serialised protocol buffer.

    Raises:
        ValueError: It ends within a field, or holds a field of another type.
    """
    fields: set[int] = set()
    for number, wire, _, _ in read_fields(content):
        if wire != LENGTH:
            raise ValueError(f"field of wire type {wire}")
        fields.add(number)
    return fields


def _check_vocab(path: Path, processor: Any, model_file: Path) -> None:
    """Raise ``DataError`` unless the ``.vocab`` at ``path`` has the pieces and scores of the model."""
    fix = f"give the .vocab that belongs to {model_file.name}, or leave vocab_file_path empty"
    lines = split_vocabulary_lines(read_vocabulary_file(path, "vocab_file_path"), path)
    for index, line in enumerate(lines[: processor.get_piece_size()]):
        piece, tab, score = line.rpartition("\t")
        if not tab:
            raise DataError("not a line 'piece<TAB>score' of a SentencePiece .vocab", f"{path}:{index + 1}", fix)
        expected, expected_score = processor.id_to_piece(index), processor.get_score(index)
        try:
            difference = abs(float(score) - expected_score)
        except ValueError as error:
            raise DataError(f"the score {score!r} is not a number", f"{path}:{index + 1}", fix) from error
        if piece != expected or not difference <= _SCORE_TOLERANCE * max(1.0, abs(expected_score)):
            raise DataError(
                f"{piece!r} with score {score} is {expected!r} with score {expected_score:g} in the model",
                f"{path}:{index + 1}",
                fix,
            )
    if len(lines) != processor.get_piece_size():
        raise DataError(f"{len(lines)} pieces, {processor.get_piece_size()} in the model", str(path), fix)
