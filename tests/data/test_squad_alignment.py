from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.data.squad_alignment import ContextTokens, align_context
from src.data.tokenization import Tokenizer, load_tokenizer
from tests.data.squad_samples import HARD_TEXTS

ZH_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "北", "京", "是", "首", "都", "。", "20", "##08", "年", ","]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return load_tokenizer(spm_model_file=tiny_model)


@pytest.fixture
def chinese(tmp_path: Path) -> Tokenizer:
    (tmp_path / "vocab.txt").write_text("\n".join(ZH_PIECES) + "\n", encoding="utf-8")
    return load_tokenizer(tmp_path / "vocab.txt")


def expected_span(pieces: list[tuple[int, int]], begin: int, end: int) -> tuple[int, int] | None:
    """Return first and last of the pieces that share a character with ``begin`` to ``end``."""
    hit = [index for index, (start, stop) in enumerate(pieces) if max(start, begin) < min(stop, end)]
    return (hit[0], hit[-1]) if hit else None


def check_maps(tokenizer: Tokenizer, text: str) -> int:
    """Check order, white space and all spans of a text; return the number of spans with tokens."""
    tokens = align_context(text, tokenizer)
    pieces = tokenizer.tokenize_with_offsets(text)
    assert tokens.ids.tolist() == tokenizer.encode(text)
    assert len(tokens.ids) == len(tokens.starts) == len(tokens.ends) == len(pieces)
    for values in (tokens.starts, tokens.ends):
        assert (np.diff(values) >= 0).all()
    assert (tokens.starts <= tokens.ends).all()
    last = 0
    for piece, start, end in zip(pieces, tokens.starts.tolist(), tokens.ends.tolist(), strict=True):
        # All that stands between two pieces is white space or has no piece of its own.
        assert start == piece.start or (piece.text[0] == "▁" and last <= start < piece.start)
        assert end == max(piece.end - 1, start)
        last = piece.end
    return sum(check_span(tokens, text, [piece[1:] for piece in pieces], *span) for span in spans_of(text))


def spans_of(text: str) -> list[tuple[int, int]]:
    """Return all parts of a text that do not begin or end with white space."""
    solid = [index for index, char in enumerate(text) if not char.isspace()]
    return [(begin, end + 1) for begin in solid for end in solid if end >= begin]


def check_span(tokens: ContextTokens, text: str, pieces: list[tuple[int, int]], begin: int, end: int) -> bool:
    found = tokens.span(begin, end)
    assert found == expected_span(pieces, begin, end), text[begin:end]
    if found is None:
        return False
    held = range(tokens.starts[found[0]], tokens.ends[found[1]] + 1)
    with_token = [place for place in range(begin, end) if any(start <= place < stop for start, stop in pieces)]
    assert set(with_token) <= set(held)
    return True


@pytest.mark.parametrize("text", [text for text, _ in HARD_TEXTS])
def test_maps_and_spans_hold_on_hard_text(tokenizer: Tokenizer, text: str) -> None:
    assert check_maps(tokenizer, text) > 100


def test_maps_and_spans_hold_on_nasty_text(tokenizer: Tokenizer, nasty_texts: Callable[..., list[str]]) -> None:
    assert sum(check_maps(tokenizer, text) for text in nasty_texts(41, 400, 16)) > 3000


@pytest.mark.parametrize(("text", "phrases"), HARD_TEXTS)
def test_the_tokens_of_a_phrase_cover_it(tokenizer: Tokenizer, text: str, phrases: tuple[str, ...]) -> None:
    tokens = align_context(text, tokenizer)
    for phrase in phrases:
        begin = text.index(phrase)
        found = tokens.span(begin, begin + len(phrase))
        assert found is not None
        assert phrase in text[tokens.starts[found[0]] : tokens.ends[found[1]] + 1]


def test_characters_without_a_token_have_no_span(tokenizer: Tokenizer) -> None:
    tokens = align_context("\u0301 b\u0301 c", tokenizer)
    assert tokens.span(0, 1) is None
    assert tokens.span(0, 3) == tokens.span(2, 3) == tokens.span(2, 4) == tokens.span(3, 4)
    assert tokens.span(4, 6) is not None
    assert align_context("\u0301\u0302", tokenizer).span(0, 2) is None


def test_text_cannot_spell_control_symbols(tiny_model: Path) -> None:
    cased = load_tokenizer(spm_model_file=tiny_model, do_lower_case=False)
    control = {cased.pad_id, cased.cls_id, cased.sep_id, cased.mask_id}
    for text in ("[MASK] [CLS]a[SEP] <pad>", "[MASK]", "<pad>"):
        assert not control & set(align_context(text, cased).ids.tolist())


def test_word_pieces_keep_the_white_space_out(chinese: Tokenizer) -> None:
    tokens = align_context("北京 是\t首都。2008年", chinese)
    assert tokens.ids.tolist() == [5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert tokens.starts.tolist() == [0, 1, 3, 5, 6, 7, 8, 10, 12]
    assert tokens.ends.tolist() == [0, 1, 3, 5, 6, 7, 9, 11, 12]
    assert tokens.span(3, 7) == (2, 4)
    assert tokens.span(11, 13) == (7, 8)


@pytest.mark.parametrize("text", [text for text, _ in HARD_TEXTS])
def test_maps_and_spans_of_word_pieces_hold_on_hard_text(chinese: Tokenizer, text: str) -> None:
    assert check_maps(chinese, text) > 100


@pytest.mark.shared
@pytest.mark.parametrize(
    ("text", "maps"),
    [
        ("Norman's bar", [("▁norman", 0, 5), ("'", 6, 6), ("s", 7, 7), ("▁bar", 8, 11)]),
        ("  “Foo  bar", [("▁", 0, 1), ("“", 2, 2), ("fo", 3, 4), ("o", 5, 5), ("▁bar", 6, 10)]),
        ("\n The end", [("▁the", 0, 4), ("▁end", 5, 8)]),
        ("½ cup", [("▁1", 0, 0), ("⁄", 0, 0), ("2", 0, 0), ("▁cup", 1, 4)]),
        (
            "It is ½½ full",
            [
                *(("▁it", 0, 1), ("▁is", 2, 4), ("▁1", 5, 6), ("⁄", 6, 6)),
                ("21", 6, 7),
                ("⁄", 7, 7),
                ("2", 7, 7),
                ("▁full", 8, 12),
            ],
        ),
        ("one…. End", [("▁one", 0, 2), *[(".", 3, 3)] * 3, (".", 4, 4), ("▁end", 5, 8)]),
        ("a\u200bb\u00a0c", [("▁a", 0, 0), ("▁b", 1, 2), ("▁c", 3, 4)]),
        ("cafe\u0301 a´b", [("▁cafe", 0, 4), ("▁a", 5, 6), ("▁b", 7, 8)]),
        ("the ﬁnest", [("▁the", 0, 2), ("▁finest", 3, 8)]),
        ("it’s 漢字", [("▁it", 0, 1), ("’", 2, 2), ("s", 3, 3), ("▁", 4, 4), ("漢字", 5, 6)]),
    ],
)
def test_english_maps_by_hand(shared_data: Path, text: str, maps: list[tuple[str, int, int]]) -> None:
    english = load_tokenizer(spm_model_file=shared_data / "albert_en/30k-clean.model")
    tokens = align_context(text, english)
    assert list(zip(english.tokenize(text), tokens.starts.tolist(), tokens.ends.tolist(), strict=True)) == maps


@pytest.mark.shared
@pytest.mark.parametrize("do_lower_case", [True, False])
def test_english_maps_hold_on_hard_text(shared_data: Path, do_lower_case: bool) -> None:
    english = load_tokenizer(spm_model_file=shared_data / "albert_en/30k-clean.model", do_lower_case=do_lower_case)
    for text, _ in HARD_TEXTS:
        assert check_maps(english, text) > 100
