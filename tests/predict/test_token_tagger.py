from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.common.errors import DataError
from src.data.tokenization import Tokenizer
from src.evaluate.entity_f1 import entities_of
from src.evaluate.predictions import softmax
from src.model.heads import AlbertInference, AlbertNERModel
from src.predict.model import LoadedModel, checkpoint_model
from src.predict.texts import GivenText
from src.predict.token_tagger import GivenWords, TokenTagger, words_of
from src.tasks.assets import TaskDescription
from tests.predict.test_text_classifier import NETWORK

pytestmark = pytest.mark.usefixtures("pynative_mode")

LABELS = ("O", "B-PER", "I-PER", "B-LOC")
SENTENCES = [
    ("the", "film"),
    ("good",),
    ("a", "bad", "film", "the", "good", "film", "a", "good", "bad", "film"),
    ("badgood", "film"),
]


def model_of(tokenizer: Tokenizer, folder: Path, labels: tuple[str, ...] = LABELS) -> LoadedModel:
    ms.set_seed(3)
    network = AlbertInference(AlbertNERModel(NETWORK, len(labels)))
    ms.save_checkpoint(network, str(folder / "ner.ckpt"))
    description = TaskDescription(
        "token_classification", "", labels, 8, (4, 8), NETWORK.model_dump(), "", "vocab.txt", do_lower_case=True
    )
    return checkpoint_model(description, tokenizer, folder / "ner.ckpt")


def shares_alone(model: LoadedModel, words: tuple[str, ...]) -> np.ndarray:
    """Run one short sentence of one-piece words alone, without padding."""
    tokenizer = model.tokenizer
    ids = [tokenizer.cls_id, *(tokenizer.encode(word)[0] for word in words), tokenizer.sep_id]
    inputs = [ms.Tensor([values], ms.int32) for values in (ids, [1] * len(ids), [0] * len(ids))]
    return softmax(model.network(*inputs).asnumpy()[0, 1:-1])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_every_word_has_a_tag_also_in_long_sentences(tokenizer: Tokenizer, tmp_path: Path, batch_size: int) -> None:
    model = model_of(tokenizer, tmp_path)
    items = [GivenWords(words, "here") for words in SENTENCES]
    records = list(TokenTagger(model).predict(items, batch_size))
    for words, record in zip(SENTENCES, records, strict=True):
        assert record["words"] == list(words)
        assert len(record["tags"]) == len(record["probabilities"]) == len(words)
        expected = [(found.type, [found.start, found.end + 1]) for found in entities_of(record["tags"])]
        assert [(found["type"], found["words"]) for found in record["entities"]] == expected
    for place in (0, 1):
        shares = shares_alone(model, SENTENCES[place])
        assert records[place]["tags"] == [LABELS[index] for index in shares.argmax(axis=1)]
        assert records[place]["probabilities"] == pytest.approx(shares.max(axis=1).tolist(), abs=1e-6)
    # Ten words in windows of six tokens between the special ones.
    first, second = SENTENCES[2][:6], SENTENCES[2][6:]
    shares = np.concatenate([shares_alone(model, first), shares_alone(model, second)])
    assert records[2]["probabilities"] == pytest.approx(shares.max(axis=1).tolist(), abs=1e-6)


def test_entities_have_their_place_in_the_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tagger = TokenTagger(model_of(tokenizer, tmp_path, ("B-X", "B-Y")))
    text = "A  good film, bad!"
    (record,) = tagger.predict([tagger.parse({"text": text, "id": 7}, "here")], 4)
    assert (record["id"], record["text"]) == (7, text)
    assert record["words"] == ["A", "good", "film", ",", "bad", "!"]
    # With these labels every word is an entity.
    assert [found["text"] for found in record["entities"]] == record["words"]
    for found, share in zip(record["entities"], record["probabilities"], strict=True):
        assert text[found["start"] : found["end"]] == found["text"]
        assert found["probability"] == pytest.approx(share)


def test_labels_that_are_no_entity_tags(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tagger = TokenTagger(model_of(tokenizer, tmp_path, ("NOUN", "VERB")))
    (record,) = tagger.predict([GivenWords(("good", "film"), "here")], 1)
    assert "entities" not in record
    assert set(record["tags"]) <= {"NOUN", "VERB"}


def test_words_of_a_text() -> None:
    found = words_of(GivenText("Dr. Müller's\u200b 北京-trip", "here"))
    assert found.words == ("Dr", ".", "Müller", "'", "s", "北", "京", "-", "trip")
    assert found.text is not None
    assert [found.text[start:end] for start, end in found.places] == list(found.words)


def test_words_are_taken_as_they_are(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tagger = TokenTagger(model_of(tokenizer, tmp_path))
    item = tagger.parse({"words": ["do", "n't", "U.S."], "id": "a"}, "here")
    assert item == GivenWords(("do", "n't", "U.S."), "here", id="a")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "a", "words": ["a"]}, "text and words exclude each other"),
        ({"words": []}, "words is no list of words"),
        ({"words": "a b"}, "words is no list of words"),
        ({"words": ["a", 3]}, "words holds what is no text"),
        ({"words": ["a", " "]}, "a word is empty"),
        ({"text": " "}, "text is empty"),
        ({"text": "\u200b"}, "the text has no words"),
        ({}, "the key 'text' is missing"),
        ({"word": ["a"]}, "unknown key 'word' -> did you mean 'words'"),
        ({"text": "\ud800"}, "which is no character"),
    ],
)
def test_bad_records(tokenizer: Tokenizer, tmp_path: Path, record: dict[str, object], message: str) -> None:
    tagger = TokenTagger(model_of(tokenizer, tmp_path))
    with pytest.raises(DataError, match=message) as caught:
        tagger.parse(record, "q.jsonl:3")
    assert "q.jsonl:3" in str(caught.value)


def test_cut_words_are_told(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tagger = TokenTagger(model_of(tokenizer, tmp_path))
    assert list(tagger.predict([], 1)) == []
    list(tagger.predict([GivenWords(("-" * 20,), "here")], 1))
    assert tagger.notes() == ["1 word has more tokens than the network sees, and was cut"]
