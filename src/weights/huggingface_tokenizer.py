"""The tokenizer's files in a folder of HF transformers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common.errors import CheckpointError
from src.common.json_files import object_or_empty
from src.data.tokenization import Tokenizer, load_tokenizer

SPM_MODEL = "spiece.model"
VOCABULARY = "vocab.txt"
_CONFIG = "tokenizer_config.json"
_SENTENCEPIECE_TOKENS = {"unk_token": "<unk>", "pad_token": "<pad>"}
_WORDPIECE_TOKENS = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
_COMMON_TOKENS = {"cls_token": "[CLS]", "sep_token": "[SEP]"}


@dataclass(frozen=True)
class TokenizerFiles:
    """Where a tokenizer is; one of the two files is set.

    Attributes:
        spm_model: The SentencePiece model.
        vocabulary: ``vocab.txt`` of a WordPiece tokenizer.
        do_lower_case: Whether text is lower-cased.
    """

    spm_model: Path | None = None
    vocabulary: Path | None = None
    do_lower_case: bool = True

    @property
    def file(self) -> Path | None:
        """Return the file that is set."""
        return self.spm_model or self.vocabulary

    def load(self) -> Tokenizer:
        """Return the tokenizer; raise ``DataError`` when a file is missing or damaged."""
        return load_tokenizer(self.vocabulary or "", self.spm_model or "", self.do_lower_case)


def find_tokenizer(folder: Path) -> TokenizerFiles | None:
    """Return the tokenizer of a folder of HF transformers, ``None`` when there is none."""
    spm_model, vocabulary = folder / SPM_MODEL, folder / VOCABULARY
    lower = object_or_empty(folder / _CONFIG).get("do_lower_case", True)
    if spm_model.is_file():
        return TokenizerFiles(spm_model=spm_model, do_lower_case=lower is not False)
    if vocabulary.is_file():
        return TokenizerFiles(vocabulary=vocabulary, do_lower_case=lower is not False)
    return None


def check_vocabulary_size(tokenizer: Tokenizer, vocab_size: int, where: str) -> None:
    """Raise ``CheckpointError`` when a tokenizer has ids that the network's table lacks."""
    if tokenizer.vocab_size > vocab_size:
        what = f"the vocabulary has {tokenizer.vocab_size} entries, the network {vocab_size}"
        raise CheckpointError(what, where, "give the vocabulary that belongs to the weights")


def tokenizer_contents(files: TokenizerFiles, longest: int) -> dict[str, bytes]:
    """Return the files that HF's tokenizer needs, by name.

    SentencePiece becomes an ``AlbertTokenizer``, WordPiece a ``BertTokenizer``, which HF takes for Chinese ALBERTs.

    Args:
        files: The tokenizer.
        longest: Most tokens of a sequence.
    """
    is_sentencepiece = files.spm_model is not None
    tokens: dict[str, Any] = {**_COMMON_TOKENS, **(_SENTENCEPIECE_TOKENS if is_sentencepiece else _WORDPIECE_TOKENS)}
    # The blank before a mask belongs to it, as in HF's own files of ALBERT.
    mask = {"content": "[MASK]", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
    tokens["mask_token"] = mask if is_sentencepiece else "[MASK]"
    if is_sentencepiece:
        tokens |= {"bos_token": "[CLS]", "eos_token": "[SEP]"}
        kind: dict[str, Any] = {"tokenizer_class": "AlbertTokenizer", "remove_space": True, "keep_accents": False}
    else:
        kind = {"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": True, "strip_accents": None}
    settings = {**kind, "do_lower_case": files.do_lower_case, "model_max_length": longest, **tokens}
    # In the settings an object needs a mark to be read as a token; in the map of tokens every object is one.
    settings["mask_token"] = {"__type": "AddedToken", **mask} if is_sentencepiece else "[MASK]"
    source = files.spm_model or files.vocabulary
    content = source.read_bytes() if source is not None else b""
    return {
        SPM_MODEL if is_sentencepiece else VOCABULARY: content,
        _CONFIG: _json(settings),
        "special_tokens_map.json": _json(tokens),
    }


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
