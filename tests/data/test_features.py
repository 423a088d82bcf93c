from __future__ import annotations

from pathlib import Path

import pytest

from src.common.errors import DataError
from src.data.features import Features, build_pair
from src.data.tokenization import Tokenizer, load_tokenizer

PAD, UNK, CLS, SEP, MASK, A, B, C = range(8)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"]), encoding="utf-8")
    return load_tokenizer(path)


def test_single_text(tokenizer: Tokenizer) -> None:
    assert build_pair([A, B], None, 8, tokenizer) == Features([CLS, A, B, SEP], [0, 0, 0, 0])
    assert build_pair([A, B, C], None, 4, tokenizer) == Features([CLS, A, B, SEP], [0, 0, 0, 0])


def test_pair(tokenizer: Tokenizer) -> None:
    assert build_pair([A, B], [C], 8, tokenizer) == Features([CLS, A, B, SEP, C, SEP], [0, 0, 0, 0, 1, 1])


@pytest.mark.parametrize(
    ("count_a", "count_b", "room", "kept_a", "kept_b"),
    [(5, 2, 7, 5, 2), (5, 2, 5, 3, 2), (2, 5, 5, 2, 3), (5, 5, 7, 4, 3), (5, 5, 8, 4, 4), (6, 1, 2, 1, 1)],
)
def test_longer_text_is_cut_and_b_on_ties(
    tokenizer: Tokenizer, count_a: int, count_b: int, room: int, kept_a: int, kept_b: int
) -> None:
    features = build_pair([A] * count_a, [B] * count_b, room + 3, tokenizer)
    assert features.input_ids == [CLS, *[A] * kept_a, SEP, *[B] * kept_b, SEP]
    assert features.segment_ids == [0] * (kept_a + 2) + [1] * (kept_b + 1)


def test_empty_texts(tokenizer: Tokenizer) -> None:
    assert build_pair([], None, 8, tokenizer) == Features([CLS, SEP], [0, 0])
    assert build_pair([A], [], 8, tokenizer) == Features([CLS, A, SEP], [0, 0, 0])
    assert build_pair([], [B], 8, tokenizer) == Features([CLS, SEP, B, SEP], [0, 0, 1, 1])


def test_never_longer_than_asked(tokenizer: Tokenizer) -> None:
    for limit in range(3, 12):
        for count_a in range(10):
            for count_b in range(10):
                features = build_pair([A] * count_a, [B] * count_b, limit, tokenizer)
                whole = count_a + count_b + (3 if count_b else 2)
                assert len(features.input_ids) == len(features.segment_ids) <= limit
                assert len(features.input_ids) == whole or whole > limit


def test_the_input_is_not_changed(tokenizer: Tokenizer) -> None:
    first, second = [A] * 5, [B] * 5
    build_pair(first, second, 6, tokenizer)
    assert (len(first), len(second)) == (5, 5)


def test_no_room_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="max_seq_length 1 leaves no room"):
        build_pair([A], None, 1, tokenizer)
    with pytest.raises(DataError, match="max_seq_length 2 leaves no room"):
        build_pair([A], [B], 2, tokenizer)
