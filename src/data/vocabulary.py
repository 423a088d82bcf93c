"""Train an ALBERT vocabulary: SentencePiece unigram with the settings of the released 30,000 pieces."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from src.common.errors import AlbertError, DataError, OutputError
from src.common.files import atomic_path
from src.common.wording import counted
from src.data.pretraining.documents import extracted_form, read_documents
from src.data.pretraining.sources import LineReader, find_text_files
from src.data.sentencepiece_tokenizer import SPECIAL_SYMBOLS, preprocess_text

DEFAULT_VOCAB_SIZE = 30000
DEFAULT_INPUT_SENTENCE_SIZE = 10_000_000
DEFAULT_CHARACTER_COVERAGE = 0.99995
USER_SYMBOLS = ("(", ")", '"', "-", ".", "–", "£", "€")
SPECIAL_COUNT = len(SPECIAL_SYMBOLS) + len(USER_SYMBOLS)
# SentencePiece refuses to sample fewer lines.
SMALLEST_SAMPLE = 101
# A constant, not the number of cores: the parts of the text are summed per thread, so it may touch the last digits.
_THREADS = 16
# SentencePiece leaves out longer lines without a word; a paragraph on one line must count.
_MAX_LINE_BYTES = 1 << 30
# Of a longer document the parts are read one after the other.
_DOCUMENT_BYTES = 1 << 20
# NUL and U+2585 are reserved: SentencePiece leaves out lines that hold them.
_RESERVED = str.maketrans({"\0": " ", "▅": " "})
_TOO_HIGH = re.compile(r"Vocabulary size too high \(\d+\)\. Please set it to a value <= (\d+)")
_TOO_LOW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")
_QUIET, _VERBOSE = 2, 0


@dataclass(frozen=True)
class VocabularySettings:
    """What a vocabulary is trained with.

    Attributes:
        vocab_size: Number of pieces, special symbols included.
        do_lower_case: Whether the model will be uncased.
        input_sentence_size: Lines to sample from larger texts.
        character_coverage: Share of the text's characters that get a piece of their own.
        verbose: Whether SentencePiece shows its log on stderr.
    """

    vocab_size: int = DEFAULT_VOCAB_SIZE
    do_lower_case: bool = True
    input_sentence_size: int = DEFAULT_INPUT_SENTENCE_SIZE
    character_coverage: float = DEFAULT_CHARACTER_COVERAGE
    verbose: bool = False


@dataclass
class Vocabulary:
    """A trained vocabulary, where it was written, and what it was trained on."""

    model_file: Path
    vocab_file: Path
    vocab_size: int
    sha256: str
    files: int
    lines: int
    characters: int
    elapsed_s: float

    def summary(self) -> str:
        """Return the line that the command ends with."""
        return (
            f"{self.vocab_size:,} pieces from {self.lines:,} lines ({self.characters:,} characters) of "
            f"{counted(self.files, 'file')} in {self.elapsed_s:.1f} s: {self.model_file}, {self.vocab_file}"
        )


def train_vocabulary(
    inputs: Sequence[str], output_prefix: Path, settings: VocabularySettings, *, overwrite: bool = False
) -> Vocabulary:
    """Train on text files and write ``<output_prefix>.model`` and ``.vocab``, each as a whole.

    The same texts and settings give the same bytes.

    Args:
        inputs: Files, folders or glob patterns; UTF-8 text, one sentence or paragraph a line, or what WikiExtractor
            writes; ``.gz`` allowed.
        output_prefix: Path of the output without its suffix.
        settings: See ``VocabularySettings``.
        overwrite: Whether existing output is replaced.

    Raises:
        DataError: A pattern matches nothing, a file cannot be read, or ``vocab_size`` does not suit the text.
        OutputError: The output exists, or cannot be written.
    """
    started = time.monotonic()
    model_file = output_prefix.with_name(f"{output_prefix.name}.model")
    vocab_file = output_prefix.with_name(f"{output_prefix.name}.vocab")
    for path in (model_file, vocab_file):
        if path.exists() and not overwrite:
            raise OutputError("the file exists", str(path), "choose another --output_prefix, or --overwrite true")
    corpus = _Corpus(find_text_files(inputs), settings.do_lower_case)
    content = _fit(corpus, settings)
    # Both are written before either takes its place, the model last: it never stands without its .vocab.
    with atomic_path(model_file) as new_model, atomic_path(vocab_file) as new_vocab:
        new_model.write_bytes(content)
        new_vocab.write_text(_vocab_text(content), encoding="utf-8")
    return Vocabulary(
        model_file,
        vocab_file,
        settings.vocab_size,
        hashlib.sha256(content).hexdigest(),
        len(corpus.files),
        corpus.lines,
        corpus.characters,
        time.monotonic() - started,
    )


def _vocab_text(model: bytes) -> str:
    """Return the lines ``piece<TAB>score`` of a serialised model."""
    processor = SentencePieceProcessor(model_proto=model)
    ids = range(processor.get_piece_size())
    return "".join(f"{processor.id_to_piece(index)}\t{processor.get_score(index):g}\n" for index in ids)


@dataclass
class _Corpus:
    """The preprocessed lines of text files; counts what it reads and keeps the error that ended it."""

    files: list[Path]
    do_lower_case: bool
    lines: int = 0
    characters: int = 0
    error: BaseException | None = None

    def read(self) -> Iterator[str]:
        """Yield the lines that are not empty."""
        self.lines = self.characters = 0
        try:
            for path in self.files:
                for raw in _lines_of(path):
                    line = preprocess_text(raw.translate(_RESERVED), do_lower_case=self.do_lower_case)
                    if line:
                        self.lines += 1
                        self.characters += len(line)
                        yield line
        except (AlbertError, KeyboardInterrupt) as error:
            # SentencePiece turns what its source raises into text; the caller wants the error itself.
            self.error = error
            raise


def _lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of the text in a file: of what WikiExtractor wrote without its marks and repeated titles."""
    first = next(
        ((number, line.strip()) for number, line in enumerate(_text_lines(path), start=1) if line.strip()), None
    )
    form = None if first is None else extracted_form(first[1], path, first[0])
    if form is None:
        yield from _text_lines(path)
        return
    for document in read_documents(LineReader(path), form, _DOCUMENT_BYTES):
        yield from document.lines


def _text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, gzip-compressed or not, or raise ``DataError`` with the line at fault."""
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, start=1):
                yield raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8") if number == 1 else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8 text", f"{path}:{number}", "convert the file to UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"damaged gzip file after line {number}: {error}", str(path), "fetch it again") from error
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror or error}", str(path)) from error


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    """Open a file for reading bytes, through gzip where its name ends in ``.gz``."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _fit(corpus: _Corpus, settings: VocabularySettings) -> bytes:
    """Return the serialised model, or raise ``DataError`` that names the sizes which the text allows."""
    where = f"vocab_size {settings.vocab_size}"
    if settings.vocab_size <= SPECIAL_COUNT:
        raise DataError(
            f"too small: the special symbols alone need {SPECIAL_COUNT}", where, "use a larger --vocab_size"
        )
    try:
        return _fit_size(corpus, settings, settings.vocab_size)
    except RuntimeError as error:
        message = str(error)
        if corpus.error is None and not corpus.lines:
            raise DataError("there is no text", ", ".join(map(str, corpus.files)), "give files with text") from error
        if too_low := _TOO_LOW.search(message):
            raise DataError(
                f"too small: the text's characters and the special symbols alone need {too_low[1]}",
                where,
                "use a larger --vocab_size or a smaller --character_coverage",
            ) from error
        if too_high := _TOO_HIGH.search(message):
            largest = _largest_size(corpus, settings, int(too_high[1]))
            raise DataError(
                f"too large for this text: the largest possible size is {largest}",
                where,
                "use a smaller --vocab_size or more text",
            ) from error
        raise DataError(f"SentencePiece cannot train: {message}", where) from error


def _largest_size(corpus: _Corpus, settings: VocabularySettings, bound: int) -> int:
    """Return the largest size that can be trained.

    SentencePiece names a bound, but at that size it may prune more and stop lower; so the size is tried.
    """
    while True:
        try:
            _fit_size(corpus, settings, bound)
        except RuntimeError as error:
            lower = _TOO_HIGH.search(str(error))
            if lower is None or int(lower[1]) >= bound:
                return bound
            bound = int(lower[1])
        else:
            return bound


def _fit_size(corpus: _Corpus, settings: VocabularySettings, vocab_size: int) -> bytes:
    """Train once; raise ``RuntimeError`` with the message of SentencePiece when it refuses."""
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=corpus.read(),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            normalization_rule_name="nmt_nfkc",
            add_dummy_prefix=True,
            remove_extra_whitespaces=True,
            character_coverage=settings.character_coverage,
            input_sentence_size=settings.input_sentence_size,
            shuffle_input_sentence=True,
            max_sentence_length=_MAX_LINE_BYTES,
            max_sentencepiece_length=16,
            split_by_number=True,
            pad_id=0,
            pad_piece=SPECIAL_SYMBOLS["pad"],
            unk_id=1,
            unk_piece=SPECIAL_SYMBOLS["unk"],
            bos_id=-1,
            eos_id=-1,
            control_symbols=[SPECIAL_SYMBOLS[role] for role in ("cls", "sep", "mask")],
            user_defined_symbols=list(USER_SYMBOLS),
            num_threads=_THREADS,
            minloglevel=_VERBOSE if settings.verbose else _QUIET,
        )
    except RuntimeError:
        if corpus.error is not None:
            raise corpus.error from None
        raise
    return model.getvalue()
