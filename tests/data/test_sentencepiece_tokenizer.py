from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import sentencepiece

from src.data.sentencepiece_tokenizer import preprocess_aligned, preprocess_text
from src.data.tokenization import Piece, Tokenizer, load_tokenizer
from tests.parity.goldens import start_piece_mismatches, tokenization_mismatches

NastyTexts = Callable[..., list[str]]


def check_offsets(tokenizer: Tokenizer, text: str) -> None:
    pieces = tokenizer.tokenize_with_offsets(text)
    assert [piece.text for piece in pieces] == tokenizer.tokenize(text)
    for piece in pieces:
        assert 0 <= piece.start <= piece.end <= len(text)
    for before, after in pairwise(pieces):
        assert before.start <= after.start
        assert before.end <= after.end


def bare(pieces: list[str]) -> str:
    # A sigma is final or not by its neighbours, which a slice has lost.
    return "".join(pieces).replace("▁", "").replace("ς", "σ")


def check_slices(tokenizer: Tokenizer, text: str) -> int:
    """Compare every piece that shares no character with its neighbours to what its slice tokenizes to."""
    pieces = tokenizer.tokenize_with_offsets(text)
    bounds = [Piece("", 0, 0), *pieces, Piece("", len(text), len(text))]
    compared = 0
    for before, piece, after in zip(bounds, pieces, bounds[2:], strict=False):
        if before.end <= piece.start and piece.end <= after.start:
            assert bare(tokenizer.tokenize(text[piece.start : piece.end])) == bare([piece.text])
            compared += 1
    return compared


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def tokenizer(tiny_model: Path, request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(spm_model_file=tiny_model, do_lower_case=request.param)


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def english(shared_data: Path, request: pytest.FixtureRequest) -> Tokenizer:
    return load_tokenizer(spm_model_file=shared_data / "albert_en/30k-clean.model", do_lower_case=request.param)


# Preprocessing


@pytest.mark.parametrize(
    ("text", "lowered", "spans"),
    [
        ("  a \t\u00a0 b\n", "a b", [(2, 3), (3, 7), (7, 8)]),
        ("e\u0301x", "ex", [(0, 2), (2, 3)]),
        ("éx", "ex", [(0, 1), (1, 2)]),
        ("ﬁN", "fin", [(0, 1), (0, 1), (1, 2)]),
        ("½a", "1⁄2a", [(0, 1), (0, 1), (0, 1), (1, 2)]),
        ("ＡＢ", "ab", [(0, 1), (1, 2)]),
        ("İx", "ix", [(0, 1), (1, 2)]),
        ("\u0301a", "a", [(1, 2)]),
        ("a \u0301b", "a b", [(0, 1), (1, 3), (3, 4)]),
        ("a´b", "a b", [(0, 1), (1, 2), (2, 3)]),
        ("ΟΔΟΣ ΣΑ", "οδος σα", [(i, i + 1) for i in range(7)]),
        ("가", "\u1100\u1161", [(0, 1), (0, 1)]),
        ("a\u0301\u0302\u0303", "a", [(0, 4)]),
        ("", "", []),
        (" \u3000 ", "", []),
    ],
)
def test_preprocessing_keeps_the_place_of_every_character(
    text: str, lowered: str, spans: list[tuple[int, int]]
) -> None:
    aligned = preprocess_aligned(text, do_lower_case=True)
    assert aligned.text == lowered == preprocess_text(text, do_lower_case=True)
    assert list(zip(aligned.starts, aligned.ends, strict=True)) == spans


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_both_forms_of_preprocessing_agree(do_lower_case: bool, nasty_texts: NastyTexts) -> None:
    for text in nasty_texts(1, 3000):
        aligned = preprocess_aligned(text, do_lower_case=do_lower_case)
        assert aligned.text == preprocess_text(text, do_lower_case=do_lower_case)
        assert len(aligned.starts) == len(aligned.ends) == len(aligned.text)
        assert aligned.starts == sorted(aligned.starts)
        assert aligned.ends == sorted(aligned.ends)


def test_every_character_alone_is_preprocessed_alike() -> None:
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.category(char) not in ("Cn", "Co", "Lo"):
            assert preprocess_aligned(char, do_lower_case=True).text == preprocess_text(char, do_lower_case=True)


# SentencePiece on a vocabulary of the tests


def test_offsets_hold_on_nasty_text(tokenizer: Tokenizer, nasty_texts: NastyTexts) -> None:
    compared = 0
    for text in nasty_texts(2, 3000):
        check_offsets(tokenizer, text)
        compared += check_slices(tokenizer, text)
    assert compared > 10000


def test_digit_comma_pieces_are_split(tokenizer: Tokenizer, tiny_model: Path) -> None:
    text = "in 2010, 2011, or 2012, £5,1,"
    raw = sentencepiece.SentencePieceProcessor(model_file=str(tiny_model)).encode(text, out_type=str)
    assert any(piece[-1] == "," and piece[-2:-1].isdigit() for piece in raw), "the vocabulary shows nothing here"
    pieces = tokenizer.tokenize_with_offsets(text)
    assert not [piece for piece in pieces if len(piece.text) > 1 and piece.text[-1] == ","]
    commas = [piece for piece in pieces if piece.text == ","]
    assert [text[piece.start : piece.end] for piece in commas] == [","] * 5
    assert "".join(text[piece.start : piece.end] for piece in pieces if piece.text != "▁") == text.replace(" ", "")


def test_word_mark_alone_has_the_place_of_its_space(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.tokenize_with_offsets("  漢  漢")
    assert pieces == [Piece("▁", 2, 2), Piece("漢", 2, 3), Piece("▁", 3, 5), Piece("漢", 5, 6)]


def test_empty_and_blank_texts_have_no_pieces(tokenizer: Tokenizer) -> None:
    for text in ("", " \n\t\u00a0", "\u0301", "\u200b", "\ud800"):
        assert tokenizer.tokenize(text) == []
        assert tokenizer.tokenize_with_offsets(text) == []
        assert tokenizer.encode(text) == []


def test_text_cannot_spell_control_symbols(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(spm_model_file=tiny_model, do_lower_case=False)
    control = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id}
    for text in ("[MASK] [CLS]a[SEP] <pad>", "[MASK]", "[CLS]", "[SEP]", "<pad>"):
        assert not control & set(tokenizer.encode(text))


def test_offsets_take_linear_time(tokenizer: Tokenizer) -> None:
    text = "the lazy dog; ﬁne ½ cafe\u0301 漢字 \u00a0 2010, " * 8000
    started = time.monotonic()
    pieces = tokenizer.tokenize_with_offsets(text)
    assert time.monotonic() - started < 30, "quadratic work on 300,000 characters takes minutes"
    assert text[pieces[-1].start : pieces[-1].end] == ","


@pytest.mark.parametrize(
    ("piece", "starts"),
    [("▁a", True), ("<unk>", True), (",", True), ("'", True), ("é", True), ("7", True), ("a", False), ("--", False)],
)
def test_start_pieces(tokenizer: Tokenizer, piece: str, starts: bool) -> None:
    assert tokenizer.is_start_piece(piece) is starts


# The released English vocabulary


@pytest.mark.shared
def test_golden_pieces_and_ids(shared_data: Path) -> None:
    assert tokenization_mismatches(shared_data) == (0, 44)


@pytest.mark.shared
def test_golden_start_pieces(english: Tokenizer, shared_data: Path) -> None:
    assert start_piece_mismatches(shared_data) == (0, 30000)
    assert sum(english.is_start_piece(piece) for piece in english.ids_to_tokens(range(30000))) == 23242


@pytest.mark.shared
def test_english_offsets_hold_on_nasty_text(english: Tokenizer, nasty_texts: NastyTexts) -> None:
    compared = 0
    for text in nasty_texts(3, 3000):
        check_offsets(english, text)
        compared += check_slices(english, text)
    assert compared > 10000


@pytest.mark.shared
def test_english_offsets_by_hand(shared_data: Path) -> None:
    tokenizer = load_tokenizer(spm_model_file=shared_data / "albert_en/30k-clean.model")

    def slices(text: str) -> list[tuple[str, str]]:
        return [(piece.text, text[piece.start : piece.end]) for piece in tokenizer.tokenize_with_offsets(text)]

    assert slices("İstanbul in 2010,\u00a0 cafe\u0301") == [
        ("▁istanbul", "İstanbul"),
        ("▁in", "in"),
        ("▁2010", "2010"),
        (",", ","),
        ("▁cafe", "cafe\u0301"),
    ]
    assert slices("text… ½ ﬁne") == [
        ("▁text", "text"),
        *[(".", "…")] * 3,
        ("▁1", "½"),
        ("⁄", "½"),
        ("2", "½"),
        ("▁fine", "ﬁne"),
    ]
    assert slices("“ｆｕｌｌ” שלום 👍") == [
        ("▁", ""),
        ("“", "“"),
        ("full", "ｆｕｌｌ"),
        ("”", "”"),
        ("▁", " "),
        ("שלום", "שלום"),
        ("▁", " "),
        ("👍", "👍"),
    ]


@pytest.mark.shared
def test_offsets_equal_the_references_squad_alignment(shared_data: Path) -> None:
    """Google's code aligns by longest common subsequence; its start counts the space before a word."""
    tokenizer = load_tokenizer(spm_model_file=shared_data / "albert_en/30k-clean.model")
    sample = json.loads((shared_data / "golden/squad_sample/dev-v2.0.json").read_text(encoding="utf-8"))
    golden = json.loads((shared_data / "golden/squad_dev_v2_384.json").read_text(encoding="utf-8"))
    contexts = [row["context"] for article in sample["data"] for row in article["paragraphs"] for _ in row["qas"]]
    for feature in golden["features"]:
        context = contexts[feature["example_index"]]
        pieces = tokenizer.tokenize_with_offsets(context)
        starts = [
            piece.start - 1 if len(piece.text) > 1 and piece.text[0] == "▁" and piece.start else piece.start
            for piece in pieces
        ]
        assert starts == feature["tok_start_to_orig_index"]
        assert [piece.end - 1 for piece in pieces] == feature["tok_end_to_orig_index"]
