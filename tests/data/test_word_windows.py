from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.data.tokenization import Tokenizer, load_tokenizer
from src.data.word_windows import WordEncoder

_VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film", "a", "un", "##able", "call", "##s"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(_VOCAB) + "\n")
    return load_tokenizer(vocab_file_path=path)


def test_every_word_is_in_one_window(tokenizer: Tokenizer) -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        words = random.choice(["good", "unable", "calls", "film"], size=random.integers(1, 30)).tolist()
        tags = random.choice(["O", "B-X", "I-X"], size=len(words)).tolist()
        windows = WordEncoder(tokenizer, 7).encode(words, tags)
        labels = [label for window in windows for label in window.token_labels(range(len(words))) if label >= 0]
        assert labels == list(range(len(words)))
        assert all(len(window.input_ids) <= 7 for window in windows)
        assert sum(len(window.input_ids) - 2 for window in windows) == sum(len(tokenizer.encode(w)) for w in words)


def test_a_word_longer_than_a_window_is_counted(tokenizer: Tokenizer) -> None:
    encoder = WordEncoder(tokenizer, 3)
    assert [len(window.input_ids) for window in encoder.encode(["unable", "a"])] == [3, 3]
    assert encoder.cut_words == 1


def test_the_first_piece_of_a_word_has_its_label(tokenizer: Tokenizer) -> None:
    (window,) = WordEncoder(tokenizer, 12).encode(["unable", "\u0301", "film"])
    assert tokenizer.ids_to_tokens(window.input_ids) == ["[CLS]", "un", "##able", "[UNK]", "film", "[SEP]"]
    assert window.token_labels([5, 6, 7]) == [-100, 5, -100, 6, 7, -100]


def test_an_entity_moves_into_the_next_window_as_a_whole(tokenizer: Tokenizer) -> None:
    words, tags = ["a", "a", "a", "good", "film", "a"], ["O", "O", "O", "B-X", "I-X", "O"]
    assert [window.first_word for window in WordEncoder(tokenizer, 6).encode(words, tags)] == [0, 3]
    assert [window.first_word for window in WordEncoder(tokenizer, 6).encode(words)] == [0, 4]
    # Longer than half a window: it is cut rather than the window left nearly empty.
    long = ["O", "B-X", "I-X", "I-X", "I-X", "O"]
    assert [window.first_word for window in WordEncoder(tokenizer, 6).encode(words, long)] == [0, 4]
