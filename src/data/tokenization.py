"""What every tokenizer offers, and the one place that chooses between SentencePiece and WordPiece."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from src.common.errors import DataError


class Piece(NamedTuple):
    """A piece of a text and its place in the ORIGINAL text.

    Attributes:
        text: The piece as in the vocabulary, or as in the normalised text where it is unknown.
        start: First character of the original text that belongs to it.
        end: The character after the last one. ``start == end`` for a piece that nothing in the text stands for.
    """

    text: str
    start: int
    end: int


class Tokenizer(ABC):
    """Turn text into pieces and pieces into ids.

    Args:
        pieces: The vocabulary; a piece's index is its id.
        special: Names of the five special symbols by role: ``pad``, ``unk``, ``cls``, ``sep``, ``mask``.
        do_lower_case: Whether text is lower-cased (and, by WordPiece, freed of accents).
        source: File of the vocabulary, named in errors.
        sha256: Checksum of that file.
    """

    kind: ClassVar[str]

    def __init__(
        self, pieces: Iterable[str], special: Mapping[str, str], do_lower_case: bool, source: Path, sha256: str
    ) -> None:
        self._pieces = list(pieces)
        self._ids = {piece: index for index, piece in enumerate(self._pieces)}
        self._source = source
        self._sha256 = sha256
        self.do_lower_case = do_lower_case
        missing = [symbol for symbol in special.values() if symbol not in self._ids]
        if missing:
            raise DataError(
                f"the vocabulary lacks {', '.join(missing)}",
                str(source),
                "use the vocabulary that belongs to the checkpoint, or train one with train_vocabulary.py",
            )
        self.pad_id = self._ids[special["pad"]]
        self.unk_id = self._ids[special["unk"]]
        self.cls_id = self._ids[special["cls"]]
        self.sep_id = self._ids[special["sep"]]
        self.mask_id = self._ids[special["mask"]]

    @property
    def vocab_size(self) -> int:
        """Return the number of pieces."""
        return len(self._pieces)

    @abstractmethod
    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of ``text``, without special symbols."""

    @abstractmethod
    def tokenize_with_offsets(self, text: str) -> list[Piece]:
        """Return the pieces of ``tokenize(text)`` with their places; takes time linear in the length of ``text``.

        A place holds the visible characters of the piece, combining marks included, and no white space around
        them. Starts and ends never decrease along the list.
        """

    @abstractmethod
    def is_start_piece(self, piece: str) -> bool:
        """Return whether ``piece`` starts a word, for whole-word masking."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of the pieces of ``text``, without special symbols."""
        return self.tokens_to_ids(self.tokenize(text))

    @abstractmethod
    def encode_continued(self, text: str) -> list[int]:
        """Return the ids of a text that stands directly behind a token, such as the mask.

        Its first piece starts a word only when the text begins with white space, or with what is always a word.
        """

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the id of each piece; a piece that the vocabulary lacks gets ``unk_id``."""
        return [self._ids.get(token, self.unk_id) for token in tokens]

    def ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the piece of each id.

        Raises:
            DataError: An id is outside the vocabulary.
        """
        tokens = []
        for index in ids:
            if not 0 <= index < len(self._pieces):
                raise DataError(
                    f"id {index} is outside the vocabulary of {len(self._pieces)} pieces",
                    str(self._source),
                    "use the vocabulary that the data was made with",
                )
            tokens.append(self._pieces[index])
        return tokens

    def fingerprint(self) -> dict[str, Any]:
        """Return what a manifest records, so that data and model are never used with another vocabulary."""
        return {
            "type": self.kind,
            "vocab_size": self.vocab_size,
            "sha256": self._sha256,
            "do_lower_case": self.do_lower_case,
            "file": self._source.name,
        }


def load_tokenizer(
    vocab_file_path: str | Path = "", spm_model_file: str | Path = "", do_lower_case: bool = True
) -> Tokenizer:
    """Load SentencePiece when a model is given, otherwise WordPiece from its ``vocab.txt``.

    Args:
        vocab_file_path: ``vocab.txt`` of a WordPiece model. With ``spm_model_file`` it is that model's ``.vocab``,
            which is not needed and only compared with the model.
        spm_model_file: SentencePiece model, for example ``30k-clean.model``.
        do_lower_case: Whether the model is uncased.

    Raises:
        DataError: A file is missing, damaged or of another kind, or the two do not belong together.
    """
    if spm_model_file:
        # Imported here because both tokenizers import this module's interface.
        from src.data.sentencepiece_tokenizer import SentencePieceTokenizer

        vocab = Path(vocab_file_path) if vocab_file_path else None
        return SentencePieceTokenizer(Path(spm_model_file), do_lower_case, vocab)
    if vocab_file_path:
        from src.data.wordpiece_tokenizer import WordPieceTokenizer

        return WordPieceTokenizer(Path(vocab_file_path), do_lower_case)
    raise DataError(
        "no vocabulary is given",
        "vocab_file_path, spm_model_file",
        "set spm_model_file (30k-clean.model of the English models) or vocab_file_path (vocab.txt of the Chinese ones)",
    )


def read_vocabulary_file(path: Path, role: str) -> bytes:
    """Return the content of a vocabulary file.

    Args:
        path: The file.
        role: The option that names it, for the error.

    Raises:
        DataError: It is missing, not a file, empty or not readable.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the file: {error.strerror or error}", str(path), f"check {role}") from error
    if not content:
        raise DataError("the file is empty", str(path), f"check {role}, or fetch the file again")
    return content


def split_vocabulary_lines(content: bytes, path: Path) -> list[str]:
    """Return the lines of a UTF-8 vocabulary, split at newlines only: pieces may hold other line separators.

    Raises:
        DataError: It is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError("the vocabulary is not UTF-8 text", f"{path}:{line}", "give the text vocabulary") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines
