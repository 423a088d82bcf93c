from __future__ import annotations

from pathlib import Path

import pytest

from src.data.vocabulary import VocabularySettings, train_vocabulary
from tests.data.squad_samples import answer, document, question, write


@pytest.fixture
def squad_file(tmp_path: Path) -> Path:
    rows = [question("1", answer("fox", 2)), question("2", answer("dog", 20))]
    return write(tmp_path / "dev.json", document(("a fox and then it is dog " * 9, rows)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    lines = ["a fox and then it is a lazy dog", "what jumped over the dogs in no time, what is it?"]
    (tmp_path / "text.txt").write_text("\n".join(lines * 20), encoding="utf-8")
    settings = VocabularySettings(vocab_size=40, character_coverage=1.0)
    return train_vocabulary([str(tmp_path / "text.txt")], tmp_path / "tiny", settings).model_file
