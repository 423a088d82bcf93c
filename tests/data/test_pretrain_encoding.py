from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import ConfigError
from src.data.pretraining.encoding import SentenceEncoder
from src.data.tokenization import Tokenizer, load_tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "南", "京", "大", "学", "the", "##re", "。", "[", "]", "cls"]
SIZE = len(PIECES)


@pytest.fixture
def wordpiece(tmp_path: Path) -> Tokenizer:
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return load_tokenizer(tmp_path / "vocab.txt")


def _starts(codes: list[int], size: int = SIZE) -> list[int]:
    return [int(code < size) for code in codes]


def test_codes_tell_pieces_and_word_bounds(wordpiece: Tokenizer) -> None:
    codes = SentenceEncoder(wordpiece).encode("there 南京")
    assert [code % SIZE for code in codes] == [9, 10, 5, 6]
    assert _starts(codes) == [1, 0, 1, 1]


def test_segmented_text_has_words_of_several_ideographs(wordpiece: Tokenizer) -> None:
    codes = SentenceEncoder(wordpiece, "spaces").encode("南京 大学。 there")
    assert [code % SIZE for code in codes] == wordpiece.encode("南京 大学。 there")
    assert _starts(codes) == [1, 0, 1, 0, 1, 1, 0]


def test_text_that_spells_a_special_symbol_does_not_become_one(wordpiece: Tokenizer) -> None:
    assert wordpiece.cls_id not in SentenceEncoder(wordpiece).encode("[CLS] the")


def test_unknown_pieces_keep_their_word_bounds(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(spm_model_file=tiny_model)
    encoder = SentenceEncoder(tokenizer)
    text = "the fox ☃ jumps"
    pieces, codes = tokenizer.tokenize(text), encoder.encode(text)
    assert [code % tokenizer.vocab_size for code in codes] == tokenizer.encode(text)
    assert tokenizer.unk_id in tokenizer.encode(text)
    assert _starts(codes, tokenizer.vocab_size) == [int(tokenizer.is_start_piece(piece)) for piece in pieces]


def test_a_segmenter_is_for_wordpiece_only(tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match="spaces is for WordPiece"):
        SentenceEncoder(load_tokenizer(spm_model_file=tiny_model), "spaces")


def test_jieba_that_is_not_installed_is_told(wordpiece: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jieba", None)
    with pytest.raises(ConfigError, match="jieba is not installed"):
        SentenceEncoder(wordpiece, "jieba")
