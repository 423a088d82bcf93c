from __future__ import annotations

import pickle
import random
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError
from src.data.tokenization import Piece, Tokenizer, load_tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, "un", "##aff", "##able", "runn", "##ing", "low", "lowest", "中", "国", ",", "!", "cafe", "i", "##i"]


def write_vocab(path: Path, pieces: list[str]) -> Path:
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    return load_tokenizer(write_vocab(tmp_path / "vocab.txt", PIECES))


def test_longest_pieces_win(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokenize("Unaffable running lowest") == ["un", "##aff", "##able", "runn", "##ing", "lowest"]
    assert tokenizer.encode("un!") == [5, 15]


def test_unsplittable_word_is_one_unknown(tokenizer: Tokenizer) -> None:
    text = "unaffablex un"
    assert tokenizer.tokenize_with_offsets(text) == [Piece("[UNK]", 0, 10), Piece("un", 11, 13)]


def test_word_of_more_than_200_characters_is_unknown(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokenize("i" * 200) == ["i", *["##i"] * 199]
    assert tokenizer.tokenize("i" * 201) == ["[UNK]"]


def test_ideographs_are_words(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokenize_with_offsets("un中国,low") == [
        Piece("un", 0, 2),
        Piece("中", 2, 3),
        Piece("国", 3, 4),
        Piece(",", 4, 5),
        Piece("low", 5, 8),
    ]


def test_offsets_through_accents_case_controls_and_spaces(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokenize_with_offsets("\u200b CAFE\u0301\u3000c\u200bafé") == [
        Piece("cafe", 2, 7),
        Piece("cafe", 8, 13),
    ]
    assert tokenizer.tokenize_with_offsets("İİ\u2028i\x85") == [Piece("i", 0, 1), Piece("##i", 1, 2), Piece("i", 3, 4)]


def test_cased_vocabulary_keeps_case_and_accents(tmp_path: Path) -> None:
    vocab = write_vocab(tmp_path / "vocab.txt", [*SPECIAL, "Café", "cafe"])
    assert load_tokenizer(vocab, do_lower_case=False).tokenize("Café cafe Cafe") == ["Café", "cafe", "[UNK]"]
    assert load_tokenizer(vocab, do_lower_case=True).tokenize("Café cafe Cafe") == ["cafe"] * 3


def test_empty_texts(tokenizer: Tokenizer) -> None:
    for text in ("", " \n", "\u0301", "\u200b", "\ufffd\0"):
        assert tokenizer.tokenize_with_offsets(text) == []


def test_text_cannot_spell_special_symbols(tokenizer: Tokenizer) -> None:
    special = set(range(5)) - {tokenizer.unk_id}
    assert not special & set(tokenizer.encode("[MASK] [CLS] [SEP] [PAD]"))


def test_start_pieces(tokenizer: Tokenizer) -> None:
    assert tokenizer.is_start_piece("un")
    assert tokenizer.is_start_piece("中")
    assert not tokenizer.is_start_piece("##able")


def test_fingerprint_and_pickle(tokenizer: Tokenizer) -> None:
    fingerprint = tokenizer.fingerprint()
    assert fingerprint["type"] == "wordpiece"
    assert fingerprint["vocab_size"] == len(PIECES)
    assert fingerprint["file"] == "vocab.txt"
    assert pickle.loads(pickle.dumps(tokenizer)).fingerprint() == fingerprint


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*PIECES, ""]).encode())
    tokenizer = load_tokenizer(path)
    assert tokenizer.vocab_size == len(PIECES)
    assert tokenizer.encode("low!") == [10, 15]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n".join([*PIECES, "un"]), r"vocab\.txt:20: 'un' is on line 6 already"),
        ("\n".join([*SPECIAL, "", "un"]), r"vocab\.txt:6: an empty line"),
        ("\n".join(PIECES[1:]), r"vocab\.txt: the vocabulary lacks \[PAD\] ->"),
        ("un\nlow\n", r"lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
        ("<pad>\t0\n<unk>\t0\n", r"vocab\.txt:1: a line 'piece<TAB>score' of a SentencePiece \.vocab"),
        ("", r"vocab\.txt: the file is empty"),
    ],
)
def test_wrong_vocabularies_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_tokenizer(path)


def test_other_encodings_and_binaries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("\n".join([*PIECES, "caf\xe9"]).encode("latin-1", "replace"))
    with pytest.raises(DataError, match=r"vocab\.txt:20: the vocabulary is not UTF-8"):
        load_tokenizer(path)
    path.write_bytes(b"\x0a\x0e\x0a\x05<pad>\x15\x00\x00\x00\x00\x18\x03")
    with pytest.raises(DataError, match=r"not a text vocabulary.*spm_model_file"):
        load_tokenizer(path)
    with pytest.raises(DataError, match=r"none\.txt: cannot read the file.*check vocab_file_path"):
        load_tokenizer(tmp_path / "none.txt")


# The Chinese vocabulary

NASTY = [
    range(0x20, 0x7F),
    range(0x300),
    range(0x300, 0x370),
    range(0x2000, 0x2070),
    [0x130, 0x3A3, 0xDF, 0x1E9E, 0x212A, 0xFB01],
    range(0xFF00, 0xFFEF),
    range(0x1F300, 0x1F600),
    range(0x4E00, 0x4F00),
    range(0x590, 0x700),
    range(0xAC00, 0xAC80),
    range(0x3040, 0x3100),
    range(0xF900, 0xFB00),
    range(0x20000, 0x20100),
    range(0xD800),
]


def nasty_texts(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    texts = []
    for _ in range(count):
        chars = [chr(chance.choice(chance.choice(NASTY))) for _ in range(chance.randrange(24))]
        # transformers drops private and unassigned characters; BERT and this project keep them.
        texts.append("".join(char for char in chars if unicodedata.category(char) not in ("Co", "Cn", "Cs")))
    return texts


def real_lines(shared_data: Path) -> list[str]:
    files = ("albert_zh/news_zh_1.txt", "chnsenticorp/dev.tsv", "corpus/wiki_00_sentences.txt")
    return [line for name in files for line in (shared_data / name).read_text(encoding="utf-8").split("\n")[:250]]


@pytest.mark.shared
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_equal_to_transformers(shared_data: Path, do_lower_case: bool) -> None:
    transformers: Any = pytest.importorskip("transformers")
    vocab = shared_data / "albert_zh/vocab.txt"
    peer = transformers.BertTokenizer(str(vocab), do_lower_case=do_lower_case)
    peer.wordpiece_tokenizer.max_input_chars_per_word = 200
    tokenizer = load_tokenizer(vocab, do_lower_case=do_lower_case)
    assert tokenizer.vocab_size == 21128
    for text in [*real_lines(shared_data), *nasty_texts(1, 2000)]:
        # transformers composes (NFC) first; BERT does not. It makes a difference only where accents are kept.
        content = text if do_lower_case else unicodedata.normalize("NFC", text)
        words = peer.basic_tokenizer.tokenize(content)
        expected = [piece for word in words for piece in peer.wordpiece_tokenizer.tokenize(word)]
        assert tokenizer.tokenize(content) == expected
        assert tokenizer.encode(content) == peer.convert_tokens_to_ids(expected)


@pytest.mark.shared
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_offsets_hold(shared_data: Path, do_lower_case: bool) -> None:
    tokenizer = load_tokenizer(shared_data / "albert_zh/vocab.txt", do_lower_case=do_lower_case)
    compared = 0
    for text in [*real_lines(shared_data)[:300], *nasty_texts(2, 2000)]:
        pieces = tokenizer.tokenize_with_offsets(text)
        for before, after in pairwise([Piece("", 0, 0), *pieces]):
            assert before.start <= after.start < after.end <= len(text)
            assert before.end <= after.end
        for piece in pieces:
            content = text[piece.start : piece.end]
            alone = tokenizer.tokenize(content)
            if len(content) == 1 and len(alone) == 1 and piece.text != "[UNK]" and "ς" not in piece.text:
                assert alone[0] in (piece.text.removeprefix("##"), "[UNK]")
                compared += 1
    assert compared > 2000
