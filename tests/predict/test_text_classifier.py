from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import CheckpointError, DataError
from src.config.sections import NetworkConfig
from src.data.features import build_pair
from src.data.tokenization import Tokenizer
from src.evaluate.predictions import softmax
from src.model.heads import AlbertCLSModel, AlbertInference
from src.predict.model import checkpoint_model
from src.predict.text_classifier import TextClassifier
from src.predict.texts import GivenText
from src.tasks.assets import TaskDescription

pytestmark = pytest.mark.usefixtures("pynative_mode")

NETWORK = NetworkConfig(
    seq_length=8,
    vocab_size=10,
    embedding_size=4,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=8,
    initializer_range=0.5,
)
TEXTS = [
    GivenText("a good film", ""),
    GivenText("bad", ""),
    GivenText("the film", "", "a bad film"),
    GivenText("good " * 40, ""),
    GivenText("bad film bad", "", "the " * 9),
]


def description_of(labels: tuple[str, ...], buckets: tuple[int, ...] = (4, 8)) -> TaskDescription:
    kind = "classification" if labels else "regression"
    return TaskDescription(kind, "", labels, 8, buckets, NETWORK.model_dump(), "", "vocab.txt", do_lower_case=True)


def saved_network(outputs: int, path: Path) -> AlbertInference:
    network = AlbertInference(AlbertCLSModel(NETWORK, outputs))
    network.set_train(False)
    ms.save_checkpoint(network, str(path))
    return network


def logits_of(network: AlbertInference, tokenizer: Tokenizer, pair: GivenText) -> np.ndarray:
    """Run one text alone, without padding."""
    second = None if pair.text_b is None else tokenizer.encode(pair.text_b)
    features = build_pair(tokenizer.encode(pair.text), second, 8, tokenizer)
    ids, segments = (Tensor([values], ms.int32) for values in (features.input_ids, features.segment_ids))
    return network(ids, Tensor(np.ones(ids.shape, np.int32)), segments).asnumpy()[0]


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_classification_equals_one_text_at_a_time(tokenizer: Tokenizer, tmp_path: Path, batch_size: int) -> None:
    labels = ("no", "perhaps", "yes")
    network = saved_network(3, tmp_path / "net.ckpt")
    classifier = TextClassifier(checkpoint_model(description_of(labels), tokenizer, tmp_path / "net.ckpt"))
    records = list(classifier.predict(TEXTS, batch_size))
    for pair, record in zip(TEXTS, records, strict=True):
        assert (record["text"], record.get("text_b")) == (pair.text, pair.text_b)
        shares = softmax(logits_of(network, tokenizer, pair))
        assert list(record["probabilities"].values()) == pytest.approx(shares.tolist(), abs=1e-6)
        assert record["label"] == labels[int(shares.argmax())]
        assert record["probability"] == record["probabilities"][record["label"]]
        assert "index" not in record


def test_regression(tokenizer: Tokenizer, tmp_path: Path) -> None:
    network = saved_network(1, tmp_path / "net.ckpt")
    classifier = TextClassifier(checkpoint_model(description_of(()), tokenizer, tmp_path / "net.ckpt"))
    for pair, record in zip(TEXTS, classifier.predict(TEXTS, 2), strict=True):
        assert record["score"] == pytest.approx(float(logits_of(network, tokenizer, pair)[0]), abs=1e-5)
        assert set(record) == {"text", "score"} | ({"text_b"} if pair.text_b else set())


def test_no_texts(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved_network(1, tmp_path / "net.ckpt")
    assert (
        list(TextClassifier(checkpoint_model(description_of(()), tokenizer, tmp_path / "net.ckpt")).predict([], 4))
        == []
    )


def test_weights_of_another_head(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved_network(2, tmp_path / "net.ckpt")
    with pytest.raises(CheckpointError, match="dense_1"):
        TextClassifier(checkpoint_model(description_of(("a", "b", "c")), tokenizer, tmp_path / "net.ckpt"))


def test_cut_texts_are_counted(tokenizer: Tokenizer, tmp_path: Path) -> None:
    saved_network(1, tmp_path / "net.ckpt")
    classifier = TextClassifier(checkpoint_model(description_of(()), tokenizer, tmp_path / "net.ckpt"))
    list(classifier.predict([GivenText("the good film a bad film", "")], 1))  # 6 tokens and 2 special ones: just fits
    assert classifier.notes() == []
    list(classifier.predict(TEXTS, 2))
    assert classifier.notes() == ["2 texts were cut to 8 tokens"]


@pytest.mark.parametrize(
    ("pairs", "text", "message"),
    [
        (True, GivenText("good", ""), "trained on pairs of texts, and this is a single text"),
        (False, GivenText("good", "", "bad"), "trained on single texts, and this is a pair"),
    ],
)
def test_pairs_and_single_texts_are_told_apart(
    tokenizer: Tokenizer, tmp_path: Path, pairs: bool, text: GivenText, message: str
) -> None:
    saved_network(1, tmp_path / "net.ckpt")
    description = replace(description_of(()), pairs=pairs)
    with pytest.raises(DataError, match=message):
        list(TextClassifier(checkpoint_model(description, tokenizer, tmp_path / "net.ckpt")).predict([text], 1))
