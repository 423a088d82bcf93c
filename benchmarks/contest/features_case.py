"""The making of SQuAD features, as both sides see it."""

from __future__ import annotations

from dataclasses import dataclass

PEER_QUESTIONS, PEER_TOKENIZER = "questions.json", "tokenizer"


@dataclass(frozen=True)
class FeaturesCase:
    """Features of all questions of a file, without reading it.

    Attributes:
        squad_json: The file, for ours.
        spm_model_file: SentencePiece model, for ours.
        folder: Where the same questions and a tokenizer are for the peer.
        cores: Cores that the peer's tokenizer may use; ours uses one.
        max_seq_length: Most tokens of a window with its question.
        max_query_length: Most tokens of a question.
        doc_stride: Tokens between two windows; of the peer those that they share.
        target: Largest ratio that is aimed at.
    """

    squad_json: str
    spm_model_file: str
    folder: str
    cores: int
    max_seq_length: int = 384
    max_query_length: int = 64
    doc_stride: int = 128
    target: float | None = 1.0

    @property
    def name(self) -> str:
        """Name it in a table."""
        cores = "one core" if self.cores == 1 else f"{self.cores} cores for the peer"
        return f"{self.max_seq_length}/{self.max_query_length}/{self.doc_stride}, {cores}"
