"""Outputs of the reference implementations that are kept as files: of HF in the tree, of Google's code in ../shared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from src.data.sentencepiece_tokenizer import preprocess_text
from src.data.tokenization import load_tokenizer
from tests.parity.cases import Case, Outcome

FOLDER = Path(__file__).resolve().parents[1] / "goldens" / "model"


def stored_outcome(case: Case, weights: dict[str, np.ndarray]) -> Outcome:
    with np.load(FOLDER / f"{case.name}.npz") as stored:
        names = sorted(weights)
        ends = np.cumsum([weights[name].size for name in names])
        assert stored["gradients"].shape == (ends[-1],)
        parts = np.split(stored["gradients"], ends[:-1])
        return Outcome(
            hidden_states=list(stored["hidden_states"]),
            pooled=stored["pooled"] if "pooled" in stored.files else None,
            logits=stored["logits"],
            loss=stored["loss"],
            gradients={name: part.reshape(weights[name].shape) for name, part in zip(names, parts, strict=True)},
        )


def tokenization_mismatches(shared: Path) -> tuple[int, int]:
    """Return how many texts of ``golden/tokenization.json`` differ in any field, and of how many."""
    folder = shared / "albert_en"
    tokenizers = {
        lower: load_tokenizer(folder / "30k-clean.vocab", folder / "30k-clean.model", lower) for lower in (True, False)
    }
    rows = json.loads((shared / "golden/tokenization.json").read_text(encoding="utf-8"))
    wrong = 0
    for row in rows:
        tokenizer = tokenizers[row["lower"]]
        found = (
            preprocess_text(row["text"], do_lower_case=row["lower"]),
            tokenizer.tokenize(row["text"]),
            [piece.text for piece in tokenizer.tokenize_with_offsets(row["text"])],
            tokenizer.encode(row["text"]),
        )
        wrong += found != (row["preprocessed"], row["pieces"], row["pieces"], row["ids"])
    return wrong, len(rows)


def start_piece_mismatches(shared: Path) -> tuple[int, int]:
    """Return how many flags of ``golden/is_start_piece.json`` differ, and of how many."""
    tokenizer = load_tokenizer("", shared / "albert_en" / "30k-clean.model")
    flags = json.loads((shared / "golden/is_start_piece.json").read_text(encoding="utf-8"))
    pieces = tokenizer.ids_to_tokens(range(len(flags)))
    return sum(int(tokenizer.is_start_piece(p)) != flag for p, flag in zip(pieces, flags, strict=True)), len(flags)
