from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import ConfigError
from src.data.pretraining.encoding import SentenceEncoder
from src.data.pretraining.instances import Document, Instance, create_instances
from src.data.pretraining.settings import InstanceSettings, Symbols, needed_predictions
from src.data.pretraining.statistics import PretrainStatistics
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


SIZE = 100
SYMBOLS = Symbols(SIZE, cls_id=2, sep_id=3, mask_id=4)


def _documents(seed: int, count: int = 6, sentences: int = 12) -> list[Document]:
    """Documents of codes; about a third of the tokens continue a word."""
    chance = random.Random(seed)

    def sentence() -> list[int]:
        codes = [chance.randint(5, SIZE - 1) for _ in range(chance.randint(2, 14))]
        return [codes[0]] + [code + SIZE * (chance.random() < 0.3) for code in codes[1:]]

    return [[sentence() for _ in range(sentences)] for _ in range(count)]


def _make(settings: InstanceSettings, seed: int = 0, count: int = 6, sentences: int = 12) -> list[Instance]:
    lengths = random.Random(seed + 1)
    documents = _documents(seed, count, sentences)
    return list(create_instances(documents, settings, SYMBOLS, random.Random(seed), lengths.random))


def _words(instance: Instance) -> list[set[int]]:
    words: list[set[int]] = []
    for index, code in enumerate(instance.codes):
        if code not in (SYMBOLS.cls_id, SYMBOLS.sep_id):
            words[-1].add(index) if code >= SIZE and words else words.append({index})
    return words


@pytest.mark.parametrize("permutation", [False, True])
@pytest.mark.parametrize("whole_words", [False, True])
def test_every_instance_keeps_the_rules(whole_words: bool, permutation: bool) -> None:
    settings = InstanceSettings(
        max_seq_length=40,
        max_predictions_per_seq=5,
        short_seq_prob=0.3,
        dupe_factor=5,
        do_whole_word_mask=whole_words,
        do_permutation=permutation,
    )
    instances = _make(settings)
    assert len(instances) > 50
    split_words = 0
    for instance in instances:
        masked, ids = instance.masked, [code % SIZE for code in instance.codes]
        assert len(ids) <= 40
        assert (ids[0], ids[-1], ids[instance.second_start - 1]) == (2, 3, 3)
        assert 1 <= len(masked.positions) <= settings.prediction_slots
        assert masked.positions == sorted(set(masked.positions))
        assert masked.labels == [ids[position] for position in masked.positions]
        assert not {0, instance.second_start - 1, len(ids) - 1} & set(masked.positions)
        untouched = set(range(len(ids))) - set(masked.positions)
        assert all(masked.ids[position] == ids[position] for position in untouched)
        chosen = set(masked.positions)
        split_words += sum(0 < len(word & chosen) < len(word) for word in _words(instance))
    assert (split_words == 0) is whole_words


def test_the_order_label_tells_where_the_second_segment_comes_from() -> None:
    settings = InstanceSettings(max_seq_length=64, dupe_factor=4, short_seq_prob=0)
    documents = _documents(0)
    texts = [[code for sentence in document for code in sentence] for document in documents]

    def is_run(codes: list[int]) -> bool:
        return any(codes == text[i : i + len(codes)] for text in texts for i in range(len(text)))

    kinds = set()
    for instance in _make(settings):
        first = instance.codes[1 : instance.second_start - 1]
        second = instance.codes[instance.second_start : -1]
        if len(instance.codes) == 64:
            continue  # cut at random ends
        kinds.add(instance.order)
        assert instance.label == (instance.order != "in order")
        if instance.order == "in order":
            assert is_run(first + second)
        elif instance.order == "swapped":
            assert is_run(second + first)
            assert not is_run(first + second)
        else:
            assert not is_run(first + second)
    assert {"in order", "swapped"} <= kinds


def test_random_next_sentence_draws_negatives_from_other_documents() -> None:
    instances = _make(InstanceSettings(max_seq_length=64, dupe_factor=10, random_next_sentence=True))
    orders = Counter(instance.order for instance in instances)
    assert orders["swapped"] == 0
    assert 0.4 < orders["random"] / len(instances) < 0.65


def test_shares_are_those_of_the_reference() -> None:
    instances = _make(InstanceSettings(max_seq_length=128, max_predictions_per_seq=20, dupe_factor=30), count=20)
    statistics = PretrainStatistics()
    for instance in instances:
        statistics.count(instance, SYMBOLS.mask_id)
    assert statistics.symbol / statistics.masked == pytest.approx(0.8, abs=0.02)
    assert statistics.kept / statistics.masked == pytest.approx(0.1, abs=0.015)
    drawn = sum(statistics.drawn_ngrams.values())
    for length, share in ((1, 6 / 11), (2, 3 / 11), (3, 2 / 11)):
        assert statistics.drawn_ngrams[str(length)] / drawn == pytest.approx(share, abs=0.02)
    assert statistics.orders["in order"] / statistics.instances == pytest.approx(0.5, abs=0.07)
    assert statistics.masked / statistics.tokens == pytest.approx(0.15, abs=0.01)


def test_favor_shorter_ngram_false_turns_the_shares_round() -> None:
    settings = InstanceSettings(max_seq_length=128, favor_shorter_ngram=False, dupe_factor=20)
    drawn = Counter(length for instance in _make(settings) for length in instance.masked.drawn_ngrams)
    assert drawn[3] / sum(drawn.values()) == pytest.approx(6 / 11, abs=0.03)


def test_passes_differ_and_the_seed_decides() -> None:
    settings = InstanceSettings(max_seq_length=64, dupe_factor=2)
    one, two = _make(settings), _make(settings, seed=0)
    assert one == two
    assert _make(settings, seed=1) != one
    half = len(one) // 2
    assert one[:half] != one[half : 2 * half]


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"max_seq_length": 4}, "max_seq_length"),
        ({"max_predictions_per_seq": 0}, "max_predictions_per_seq"),
        ({"masked_lm_prob": 0.0}, "masked_lm_prob"),
        ({"short_seq_prob": 1.5}, "short_seq_prob"),
        ({"dupe_factor": 0}, "dupe_factor"),
        ({"ngram": 0}, "ngram"),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, float], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        InstanceSettings(**changed)  # type: ignore[arg-type]


def test_the_shortest_records_work() -> None:
    instances = _make(InstanceSettings(max_seq_length=5, max_predictions_per_seq=1, short_seq_prob=1.0))
    assert {len(instance.codes) for instance in instances} == {5}


@pytest.mark.parametrize(("length", "share", "needed"), [(512, 0.15, 77), (128, 0.15, 20), (5, 0.01, 1)])
def test_needed_predictions(length: int, share: float, needed: int) -> None:
    assert needed_predictions(length, share) == needed
