from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mindspore as ms
import pytest

from src.data.tokenization import Tokenizer, load_tokenizer

WORDS = ["good", "bad", "film", "a", "the"]


@pytest.fixture
def pynative_mode() -> Iterator[None]:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return load_tokenizer(vocab_file_path=path)
