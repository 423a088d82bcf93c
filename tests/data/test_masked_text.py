from __future__ import annotations

from pathlib import Path

import pytest

from src.data.masked_text import encode_masked, fill
from src.data.tokenization import Tokenizer, load_tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "##ly", "##s", ".", "京", "a", "##a", "un"]


@pytest.fixture
def wordpiece(tmp_path: Path) -> Tokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return load_tokenizer(path)


@pytest.fixture
def english(shared_data: Path) -> Tokenizer:
    return load_tokenizer("", shared_data / "albert_en" / "30k-clean.model")


def pieces_of(text: str, tokenizer: Tokenizer) -> list[str]:
    """Return the pieces after checking the frame and the places of the masks."""
    encoded = encode_masked(text, tokenizer)
    ids = encoded.input_ids
    assert (ids[0], ids[-1]) == (tokenizer.cls_id, tokenizer.sep_id)
    assert encoded.positions == [place for place, index in enumerate(ids) if index == tokenizer.mask_id]
    return tokenizer.ids_to_tokens(ids[1:-1])


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the [MASK] film.", ["the", "[MASK]", "film", "."]),
        # Without a blank letters go on the word that the mask begins; punctuation and ideographs are words.
        ("un[MASK]ly.", ["un", "[MASK]", "##ly", "."]),
        ("[MASK] a", ["[MASK]", "a"]),
        ("[MASK]a.a", ["[MASK]", "##a", ".", "a"]),
        ("[MASK].", ["[MASK]", "."]),
        ("[MASK]京京", ["[MASK]", "京", "京"]),
        ("[MASK][MASK]s", ["[MASK]", "[MASK]", "##s"]),
        ("[MASK]", ["[MASK]"]),
        ("[MASK]\tthe", ["[MASK]", "the"]),
        # As a word or as the inside of one it is not in the vocabulary; what follows is untouched.
        ("[MASK]the film", ["[MASK]", "[UNK]", "film"]),
        ("[MASK]À the", ["[MASK]", "##a", "the"]),
    ],
)
def test_wordpiece(wordpiece: Tokenizer, text: str, pieces: list[str]) -> None:
    assert pieces_of(text, wordpiece) == pieces


@pytest.mark.shared
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The [MASK] was wonderful.", ["▁the", "[MASK]", "▁was", "▁wonderful", "."]),
        ("A warm [MASK].", ["▁a", "▁warm", "[MASK]", "."]),
        ("un[MASK]able to", ["▁un", "[MASK]", "able", "▁to"]),
        ("([MASK]) end", ["▁", "(", "[MASK]", ")", "▁end"]),
        ("in [MASK]2010, it", ["▁in", "[MASK]", "2010", ",", "▁it"]),
        ("[MASK]☃ snow", ["[MASK]", "<unk>", "▁snow"]),
        ("[MASK] [MASK]", ["[MASK]", "[MASK]"]),
        # What spells another control symbol is text.
        ("[MASK] <pad>", ["[MASK]", "▁", "<unk>", "pad", "<unk>"]),
    ],
)
def test_sentencepiece(english: Tokenizer, text: str, pieces: list[str]) -> None:
    assert pieces_of(text, english) == pieces


@pytest.mark.shared
@pytest.mark.parametrize(
    "text",
    ["The film was wonderful, and so it ended.", 'It\'s a "great" (or good) film of 2010, unbelievably so!'],
)
def test_a_mask_changes_no_piece_behind_it(english: Tokenizer, text: str) -> None:
    """Pieces of the whole text from some word on are those behind a mask that stands in front of that word."""
    whole = english.tokenize(text)
    for place, char in enumerate(text):
        if char == " ":
            behind = english.ids_to_tokens(english.encode_continued(text[place:]))
            assert whole[-len(behind) :] == behind


@pytest.mark.parametrize(
    ("text", "pieces", "filled"),
    [
        ("the [MASK].", ["film"], "the film."),
        ("the film[MASK] a", ["##s"], "the films a"),
        ("the film [MASK] a", ["##s"], "the films a"),
        ("[MASK] [MASK]", ["a", "film"], "a film"),
        ("京[MASK]京", ["京"], "京京京"),
    ],
)
def test_fill_wordpiece(wordpiece: Tokenizer, text: str, pieces: list[str], filled: str) -> None:
    assert fill(text, pieces, wordpiece) == filled


@pytest.mark.shared
@pytest.mark.parametrize(
    ("text", "pieces", "filled"),
    [
        ("The [MASK] was.", ["▁film"], "The film was."),
        ("The[MASK] was.", ["▁film"], "The film was."),
        ("The [MASK] was.", ["s"], "Thes was."),
        ("[MASK] was.", ["▁film"], "film was."),
        ("[MASK][MASK].", ["▁un", "able"], "unable."),
        ("A [MASK] b", [","], "A, b"),
    ],
)
def test_fill_sentencepiece(english: Tokenizer, text: str, pieces: list[str], filled: str) -> None:
    assert fill(text, pieces, english) == filled
