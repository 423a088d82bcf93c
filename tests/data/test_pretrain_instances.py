from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from src.data.pretraining.encoding import SentenceEncoder
from src.data.pretraining.instances import Document, create_instances
from src.data.pretraining.settings import InstanceSettings, Symbols
from src.data.tokenization import load_tokenizer


@pytest.mark.shared
def test_the_references_sources_give_the_references_instances(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden" / "pretrain_instances_sample_text.json").read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(spm_model_file=shared_data / "albert_en" / "30k-clean.model")
    encoder, symbols = SentenceEncoder(tokenizer), Symbols.of(tokenizer)
    text = (shared_data / "corpus" / "sample_text.txt").read_text(encoding="utf-8")
    paragraphs: list[Document] = [[]]
    for line in text.split("\n"):
        if line.strip():
            paragraphs[-1] = [*paragraphs[-1], encoder.encode(line)]
        else:
            paragraphs.append([])
    documents = [document for document in paragraphs if document]
    config = golden["config"]
    chance = random.Random(config.pop("random_seed"))
    lengths = np.random.RandomState(config.pop("np_seed"))
    settings = InstanceSettings(**config)
    instances = list(create_instances(documents, settings, symbols, chance, lengths.random_sample))
    chance.shuffle(instances)
    assert len(instances) == len(golden["instances"]) == 36
    for instance, expected in zip(instances, golden["instances"], strict=True):
        assert instance.masked.ids == tokenizer.tokens_to_ids(expected["tokens"])
        assert instance.masked.labels == tokenizer.tokens_to_ids(expected["masked_lm_labels"])
        assert instance.masked.positions == expected["masked_lm_positions"]
        segments = [0] * instance.second_start + [1] * (len(instance.codes) - instance.second_start)
        assert segments == expected["segment_ids"]
        assert instance.label == expected["sentence_order_label"]
        assert [int(code < symbols.vocab_size) for code in instance.codes] == expected["token_boundary"]
