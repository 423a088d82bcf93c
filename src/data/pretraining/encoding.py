"""Turn sentences into codes: token ids that also say whether the token starts a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from src.common.errors import ConfigError
from src.data.tokenization import Tokenizer

Segmenter = Literal["none", "spaces", "jieba"]
SEGMENTERS: tuple[str, ...] = get_args(Segmenter)


class SentenceEncoder:
    """Encodes sentences; see ``Symbols`` for codes.

    Args:
        tokenizer: The tokenizer of the model.
        segmenter: What knows the words of a text without spaces (Chinese): ``none`` (every ideograph is a word),
            ``spaces`` (the text is segmented already, words parted by blanks) or ``jieba``.

    Raises:
        ConfigError: The segmenter does not suit the tokenizer, or is not installed.
    """

    def __init__(self, tokenizer: Tokenizer, segmenter: Segmenter = "none") -> None:
        if segmenter != "none" and tokenizer.kind != "wordpiece":
            raise ConfigError(
                f"{segmenter} is for WordPiece vocabularies, SentencePiece marks its words itself",
                "--segmenter",
                "leave the option out",
            )
        self._tokenizer = tokenizer
        self._words = _splitter(segmenter)
        self._size = tokenizer.vocab_size
        # Text that spells a special symbol must not become one.
        special = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id}
        self._codes = {
            piece: self._code(index, piece)
            for index, piece in enumerate(tokenizer.ids_to_tokens(range(self._size)))
            if index not in special
        }

    def _code(self, index: int, piece: str) -> int:
        return index if self._tokenizer.is_start_piece(piece) else index + self._size

    def encode(self, sentence: str) -> list[int]:
        """Return the codes of a sentence; empty where nothing of it is left."""
        if self._words is None:
            return self._known(self._tokenizer.tokenize(sentence))
        result: list[int] = []
        for word in self._words(sentence):
            pieces = self._tokenizer.tokenize(word)
            codes = self._known(pieces)
            for index in range(1, len(pieces)):
                if codes[index] < self._size and is_ideograph(pieces[index]) and is_ideograph(pieces[index - 1]):
                    codes[index] += self._size
            result += codes
        return result

    def _known(self, pieces: list[str]) -> list[int]:
        codes = self._codes
        try:
            return [codes[piece] for piece in pieces]
        except KeyError:
            unknown = self._tokenizer.unk_id
            return [codes[piece] if piece in codes else self._code(unknown, piece) for piece in pieces]


def _splitter(segmenter: Segmenter) -> Callable[[str], list[str]] | None:
    if segmenter == "none":
        return None
    if segmenter == "spaces":
        return str.split
    try:
        import jieba  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise ConfigError(
            "jieba is not installed", "--segmenter", "pip install jieba, or segment the text and use --segmenter spaces"
        ) from error
    jieba.setLogLevel("WARNING")
    cut: Callable[[str], list[str]] = jieba.lcut
    return cut


def is_ideograph(piece: str) -> bool:
    """Tell whether a piece is one CJK ideograph."""
    return len(piece) == 1 and ("\u3400" <= piece <= "\u9fff" or "\uf900" <= piece <= "\ufaff" or piece >= "\U00020000")
