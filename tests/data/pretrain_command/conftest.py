from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.data.pretrain_command.support import LENGTH, contents_of, run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of 60 documents, a sentence a line."""
    chance = random.Random(0)
    words = ["fox", "dog", "lazy", "quick", "jumps", "over", "nobody", "minded", "young", "cost", "red", "was", "in"]

    def document() -> str:
        return "\n".join(" ".join(chance.choices(words, k=chance.randint(3, 12))) + "." for _ in range(20))

    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n\n".join(document() for _ in range(60)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def arguments(corpus: Path, tiny_model: Path) -> dict[str, Any]:
    """Options for about 9 shards in one process."""
    return {
        "input": corpus,
        "spm_model_file": tiny_model,
        "max_seq_length": LENGTH,
        "dupe_factor": 2,
        "block_mb": 0.006,
        "num_workers": 1,
    }


@pytest.fixture
def whole(arguments: dict[str, Any], tmp_path: Path) -> dict[str, bytes]:
    """The files of an undisturbed run."""
    assert run(arguments, output_dir=tmp_path / "whole") == 0
    contents = contents_of(tmp_path / "whole")
    assert len(contents) > 7
    return contents
