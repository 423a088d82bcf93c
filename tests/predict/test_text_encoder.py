from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.common.errors import ConfigError
from src.data.features import build_pair
from src.data.tokenization import Tokenizer
from src.model.heads import AlbertCLSModel, AlbertInference
from src.predict.model import LoadedModel, checkpoint_model
from src.predict.options import POOLINGS
from src.predict.text_encoder import TextEncoder
from src.predict.texts import GivenText
from tests.predict.test_text_classifier import NETWORK, TEXTS, description_of

pytestmark = pytest.mark.usefixtures("pynative_mode")


@pytest.fixture
def network(tmp_path: Path) -> AlbertInference:
    network = AlbertInference(AlbertCLSModel(NETWORK, 2))
    network.set_train(False)
    ms.save_checkpoint(network, str(tmp_path / "net.ckpt"))
    return network


@pytest.fixture
def model(network: AlbertInference, tokenizer: Tokenizer, tmp_path: Path) -> LoadedModel:
    return checkpoint_model(description_of(("a", "b")), tokenizer, tmp_path / "net.ckpt", encoder=True)


def outputs_alone(network: AlbertInference, tokenizer: Tokenizer, given: GivenText) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs [T, D] and [D] of the backbone for one text without padding."""
    second = None if given.text_b is None else tokenizer.encode(given.text_b)
    features = build_pair(tokenizer.encode(given.text), second, 8, tokenizer)
    ids, segments = (ms.Tensor([values], ms.int32) for values in (features.input_ids, features.segment_ids))
    backbone = network.albert.albert
    sequence, pooled = backbone(ids, segments, ms.Tensor(np.ones(ids.shape, np.int32)))
    return sequence.asnumpy()[0], pooled.asnumpy()[0]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_vectors_are_those_of_one_text_at_a_time(
    network: AlbertInference, model: LoadedModel, tokenizer: Tokenizer, pooling: str, batch_size: int
) -> None:
    for given, record in zip(TEXTS, TextEncoder(model, pooling).predict(TEXTS, batch_size), strict=True):
        sequence, pooled = outputs_alone(network, tokenizer, given)
        expected = {"mean": sequence.mean(axis=0), "cls": sequence[0], "pooler": pooled}[pooling]
        assert record["vector"] == pytest.approx(expected.tolist(), abs=2e-6)
        assert (record["text"], record.get("text_b")) == (given.text, given.text_b)


def test_the_default_is_the_mean(model: LoadedModel) -> None:
    first, second = (list(encoder.predict(TEXTS, 4)) for encoder in (TextEncoder(model), TextEncoder(model, "mean")))
    assert first == second


def test_records_notes_and_refusals(model: LoadedModel) -> None:
    encoder = TextEncoder(model)
    item = encoder.parse({"text": "good", "text_b": "bad", "id": "x"}, "here")
    (record,) = encoder.predict([item], 1)
    assert (record["id"], record["text_b"], len(record["vector"])) == ("x", "bad", NETWORK.hidden_size)
    assert list(encoder.predict([], 1)) == []
    assert encoder.notes() == []
    list(encoder.predict([GivenText("good " * 40, "")], 1))
    assert encoder.notes() == ["1 text was cut to 8 tokens"]
    with pytest.raises(ConfigError, match="'max' is no pooling"):
        TextEncoder(model, "max")
