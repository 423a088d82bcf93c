from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest

from src.common.errors import CheckpointError, DataError
from src.data.masked_text import encode_masked
from src.data.tokenization import Tokenizer, load_tokenizer
from src.model.fill_mask import AlbertFillMask
from src.model.heads import AlbertCLSModel, AlbertInference
from src.predict.mask_filler import MaskFiller
from src.predict.model import checkpoint_model
from src.predict.texts import GivenText
from src.tasks.assets import TaskDescription, pretraining_description
from tests.tasks.pretrain_runs import LENGTH, SPECIAL, WORDS, make_run, network_of, write_vocabulary

TEXTS = [
    "the [MASK] film.",
    "[MASK]",
    "a [MASK][MASK] good [MASK]",
    "un[MASK]ly bad " + "film " * 9,
    "bad [MASK]s. the film",
]


@pytest.fixture(autouse=True)
def pynative_mode() -> Iterator[None]:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    return write_vocabulary(tmp_path / "vocab.txt")


@pytest.fixture
def tokenizer(vocabulary: Path) -> Tokenizer:
    return load_tokenizer(vocabulary)


def description_of(buckets: tuple[int, ...] = (), vocab_size: int = 14) -> TaskDescription:
    return pretraining_description(network_of(vocab_size), LENGTH, buckets, do_lower_case=True, tokenizer_sha256="")


def given(*texts: str) -> list[GivenText]:
    return [GivenText(text, f"texts.txt:{number}") for number, text in enumerate(texts, start=1)]


def best_weights(run: Path) -> Path:
    return run / "checkpoints" / "checkpoint_albert-best.ckpt"


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
@pytest.mark.parametrize("buckets", [(), (8, 16)])
def test_equals_one_text_at_a_time(
    vocabulary: Path, tokenizer: Tokenizer, tmp_path: Path, batch_size: int, buckets: tuple[int, ...]
) -> None:
    network = make_run(tmp_path / "run", vocabulary)
    network.set_train(False)
    filler = MaskFiller(checkpoint_model(description_of(buckets), tokenizer, best_weights(tmp_path / "run")), 20)
    records = list(filler.predict(given(*TEXTS), batch_size))
    for text, record in zip(TEXTS, records, strict=True):
        encoded = encode_masked(text, tokenizer)
        rows = [np.array([values], np.int32) for values in (encoded.input_ids, encoded.positions)]
        inputs = (rows[0], np.ones_like(rows[0]), np.zeros_like(rows[0]), rows[1])
        logits = network.albert(*(ms.Tensor(values) for values in inputs))[0].asnumpy().astype(np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        assert record["text"] == text
        for candidates, expected in zip(record["masks"], shares, strict=True):
            # Every token that can be offered, best first, with its share of the whole vocabulary.
            assert sorted(found["token"] for found in candidates) == sorted(WORDS)
            order = [found["id"] for found in candidates]
            assert order == sorted(range(5, 14), key=lambda index: -expected[index])
            assert [found["probability"] for found in candidates] == pytest.approx(expected[order].tolist(), abs=1e-5)


def test_texts_of_several_masks(vocabulary: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    make_run(tmp_path / "run", vocabulary)
    filler = MaskFiller(checkpoint_model(description_of(), tokenizer, best_weights(tmp_path / "run")), 3)
    (record,) = filler.predict(given("a [MASK] film, [MASK]"), 4)
    first, second = record["masks"]
    assert [len(first), len(second)] == [3, 3]
    # A candidate stands beside the best token of the other mask.
    assert first[0]["text"] == second[0]["text"] == record["filled"]
    assert len({found["text"] for found in (*first, *second)}) == 5


def test_special_symbols_and_nameless_rows_are_not_offered(tmp_path: Path) -> None:
    run, few = tmp_path / "run", tmp_path / "few.txt"
    make_run(run, write_vocabulary(tmp_path / "all.txt"))
    tokenizer = load_tokenizer(write_vocabulary(few, WORDS[:-2]))
    filler = MaskFiller(checkpoint_model(description_of(), tokenizer, best_weights(run)), 100)
    (record,) = filler.predict(given("[MASK]"), 1)
    offered = [found["token"] for found in record["masks"][0]]
    assert sorted(offered) == sorted(WORDS[:-2])
    assert not set(offered) & set(SPECIAL)
    assert sum(found["probability"] for found in record["masks"][0]) < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a good film", r"texts\.txt:2: the text has no \[MASK\]"),
        ("a [mask] film", r"texts\.txt:2: the text has no \[MASK\]"),
        ("film " * 14 + "[MASK]", r"texts\.txt:2: the text has 17 tokens .* trained on 16 -> leave out"),
    ],
)
def test_texts_that_cannot_be_filled(
    vocabulary: Path, tokenizer: Tokenizer, tmp_path: Path, text: str, message: str
) -> None:
    make_run(tmp_path / "run", vocabulary)
    filler = MaskFiller(checkpoint_model(description_of((8, 16)), tokenizer, best_weights(tmp_path / "run")))
    with pytest.raises(DataError, match=message):
        list(filler.predict(given("[MASK]", text), 4))
    # The longest that fits.
    assert len(list(filler.predict(given("film " * 13 + "[MASK]"), 4))) == 1


def test_no_texts(vocabulary: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    make_run(tmp_path / "run", vocabulary)
    assert (
        list(MaskFiller(checkpoint_model(description_of(), tokenizer, best_weights(tmp_path / "run"))).predict([], 4))
        == []
    )


def test_weights_without_the_language_model(tokenizer: Tokenizer, tmp_path: Path) -> None:
    ms.save_checkpoint(AlbertInference(AlbertCLSModel(network_of(14), 2)), str(tmp_path / "fine.ckpt"))
    with pytest.raises(CheckpointError, match="cls1"):
        checkpoint_model(description_of(), tokenizer, tmp_path / "fine.ckpt")


def test_parameters_are_named_as_in_a_checkpoint_of_pre_training(vocabulary: Path, tmp_path: Path) -> None:
    network = make_run(tmp_path / "run", vocabulary)
    names = [item.name for item in network.get_parameters()]
    again = [item.name for item in AlbertFillMask(network.albert).get_parameters()]
    stored: dict[str, Any] = ms.load_checkpoint(str(best_weights(tmp_path / "run")))
    assert sorted(names) == sorted(again) == sorted(stored)
    assert {"albert.cls1.output_bias", "albert.cls2.dense.weight", "albert.albert.dense.bias"} <= set(names)
