"""What Hugging Face's ``run_qa.py`` does to questions before it predicts; needs ``transformers`` alone."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SETTINGS = {
    "tokenizer_class": "AlbertTokenizer",
    "do_lower_case": True,
    "keep_accents": False,
    **dict.fromkeys(("bos_token", "cls_token"), "[CLS]"),
    **dict.fromkeys(("eos_token", "sep_token"), "[SEP]"),
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "[MASK]",
}


def write_tokenizer_folder(spm_model_file: Path, folder: Path) -> Path:
    """Write a folder that transformers reads the fast ALBERT tokenizer from; return it.

    A file by its name would do in transformers 4; version 5 then takes a vocabulary of five tokens without a word.
    """
    (folder / "spiece.model").write_bytes(spm_model_file.read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps(_SETTINGS), encoding="utf-8")
    return folder


def load_fast_tokenizer(folder: Path, cores: int) -> Any:
    """Return the fast tokenizer of a folder; it will use ``cores`` threads.

    Raises:
        ImportError: transformers, or what it reads SentencePiece models with, is not installed.
    """
    # Read when the first texts are tokenized. Transformers would also tell that it finds no framework.
    os.environ.update(
        TOKENIZERS_PARALLELISM="true" if cores > 1 else "false",
        RAYON_NUM_THREADS=str(cores),
        TRANSFORMERS_VERBOSITY="error",
    )
    # Without them transformers 5 fails over the next format that it tries, which names none of them.
    importlib.import_module("sentencepiece")
    importlib.import_module("google.protobuf")
    return importlib.import_module("transformers").AlbertTokenizerFast.from_pretrained(str(folder))


def make_windows(
    tokenizer: Any,
    questions: Sequence[tuple[str, str]],
    contexts: Sequence[str],
    max_seq_length: int,
    doc_stride: int,
) -> int:
    """Make the windows and the maps to characters that prediction needs; return the number of windows.

    Args:
        tokenizer: A fast tokenizer.
        questions: Id and text of each question.
        contexts: The passage of each question.
        max_seq_length: Most tokens of a window with its question.
        doc_stride: Tokens that two windows SHARE; for ours it is the distance of their begins.
    """
    encoded = tokenizer(
        [text.lstrip() for _, text in questions],
        list(contexts),
        truncation="only_second",
        max_length=max_seq_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    samples = encoded.pop("overflow_to_sample_mapping")
    names = [questions[sample][0] for sample in samples]
    for index, offsets in enumerate(encoded["offset_mapping"]):
        part = encoded.sequence_ids(index)
        encoded["offset_mapping"][index] = [
            place if part[position] == 1 else None for position, place in enumerate(offsets)
        ]
    return len(names)
