from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from src.data.vocabulary import VocabularySettings, train_vocabulary

CORPUS = """The quick brown fox jumps over the lazy dog, and in 2010, 2011, or 2012, nobody minded it.
Was it 2010, or 2011, or 2012, when the fox (a red one) jumped? In 1999, the dog was "young" - and quick.
Nobody minded the lazy dog. It cost £5 or €7, they said; I paid 1,000, not 2,000, for the dog.
Ünïcödé words: café, naïve, façade. Greek: λόγος, Σίσυφος. Russian: собака. 日本語 text. שלום. 한국어.
"""

# Code points that tokenizers trip over: controls, combining marks, spaces, joiners, ligatures, full-width forms,
# length-changing lower case, emoji, ideographs, Hebrew and Arabic, Hangul, surrogates, and anything.
NASTY = [
    range(0x20, 0x7F),
    range(0x300),
    range(0x300, 0x370),
    range(0x2000, 0x2070),
    [0x20, 0x20, 0x9, 0xA, 0xA0, 0x3000, 0x2028, 0x85, 0x1C],
    [0x130, 0x3A3, 0xDF, 0x1E9E, 0xB4, 0xA8, 0xFDFA, 0x2581, 0x2585, 0xFFFD, 0xFEFF],
    [*range(0xBC, 0xBF), *range(0x2150, 0x2190), *range(0xFB00, 0xFB07)],
    range(0xFF00, 0xFFEF),
    [*range(0x1F300, 0x1F600), 0x200D, 0xFE0F],
    range(0x4E00, 0x4F00),
    range(0x590, 0x700),
    [*range(0x1100, 0x1200), *range(0xAC00, 0xAC80)],
    range(0xD800, 0xE000),
    range(0x30, 0x3A),
    [ord(","), ord("."), ord("1")],
    range(0x110000),
]


@pytest.fixture(scope="session")
def nasty_texts() -> Callable[..., list[str]]:
    """Return a maker of random texts: nasty_texts(seed, count, longest=24)."""

    def make(seed: int, count: int, longest: int = 24) -> list[str]:
        chance = random.Random(seed)
        return [
            "".join(chr(chance.choice(chance.choice(NASTY))) for _ in range(chance.randrange(longest)))
            for _ in range(count)
        ]

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SentencePiece model of 210 pieces, tiny.vocab beside it."""
    folder = tmp_path_factory.mktemp("vocabulary")
    chance = random.Random(0)
    syllables = ["ka", "lo", "mi", "ther", "ing", "un", "der", "st", "or", "an"]
    words = ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(300)]
    lines = [f"{' '.join(chance.choices(words, k=8))} in {chance.randint(2010, 2014)}, it was" for _ in range(400)]
    (folder / "corpus.txt").write_text(CORPUS * 5 + "\n".join(lines), encoding="utf-8")
    settings = VocabularySettings(vocab_size=210, character_coverage=1.0)
    return train_vocabulary([str(folder / "corpus.txt")], folder / "tiny", settings).model_file
