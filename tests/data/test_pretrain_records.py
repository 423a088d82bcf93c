from __future__ import annotations

import numpy as np
import pytest

from src.data.example_proto import encode_example
from src.data.pretraining.instances import Instance
from src.data.pretraining.masking import MaskedTokens
from src.data.pretraining.records import RecordCodec, columns_of, schema_json
from src.data.pretraining.settings import InstanceSettings

LENGTH, SLOTS = 12, 4


def _padded(values: list[int], width: int) -> np.ndarray:
    return np.array(values + [0] * (width - len(values)), np.int64)


@pytest.mark.parametrize("vocab_size", [130, 30_000, 100_000])
@pytest.mark.parametrize("boundary", [False, True])
def test_records_are_the_bytes_of_the_general_encoder(vocab_size: int, boundary: bool) -> None:
    high = vocab_size - 1
    masked = MaskedTokens([2, high, 4, 3, 127, 3], positions=[1, 2], labels=[128, high])
    codes = [2, 128, high + vocab_size, 3, 127 + vocab_size, 3]
    settings = InstanceSettings(max_seq_length=LENGTH, max_predictions_per_seq=SLOTS)
    codec = RecordCodec(settings, vocab_size, boundary)
    expected = {
        "input_ids": _padded(masked.ids, LENGTH),
        "input_mask": _padded([1] * 6, LENGTH),
        "segment_ids": _padded([0, 0, 0, 0, 1, 1], LENGTH),
        "next_sentence_labels": np.array([1]),
        "masked_lm_positions": _padded([1, 2], SLOTS),
        "masked_lm_ids": _padded([128, high], SLOTS),
        "masked_lm_weights": np.array([1, 1, 0, 0], np.float32),
    }
    if boundary:
        expected["token_boundary"] = _padded([1, 1, 0, 1, 0, 1], LENGTH)
    instance = Instance(codes, second_start=4, order="swapped", masked=masked)
    assert codec.serialize(codec.pack(instance)) == encode_example(expected)


def test_a_full_record_has_no_padding() -> None:
    masked = MaskedTokens([2, 5, 3, 6, 3], positions=[1, 3], labels=[5, 6])
    codec = RecordCodec(InstanceSettings(max_seq_length=5, max_predictions_per_seq=2), 10)
    expected = {
        "input_ids": np.array(masked.ids),
        "input_mask": np.ones(5, np.int64),
        "segment_ids": np.array([0, 0, 0, 1, 1]),
        "next_sentence_labels": np.array([0]),
        "masked_lm_positions": np.array([1, 3]),
        "masked_lm_ids": np.array([5, 6]),
        "masked_lm_weights": np.ones(2, np.float32),
    }
    packed = codec.pack(Instance([2, 5, 3, 6, 3], 3, "in order", masked))
    assert codec.serialize(packed) == encode_example(expected)


def test_schema_json_is_the_documented_one() -> None:
    schema = schema_json(columns_of(128, 20), 7)
    assert (schema["datasetType"], schema["numRows"]) == ("TF", 7)
    assert list(schema["columns"]) == [
        "input_ids",
        "input_mask",
        "segment_ids",
        "next_sentence_labels",
        "masked_lm_positions",
        "masked_lm_ids",
        "masked_lm_weights",
    ]
    assert schema["columns"]["masked_lm_weights"] == {"type": "float32", "rank": 1, "shape": [20]}
    assert schema["columns"]["next_sentence_labels"] == {"type": "int64", "rank": 1, "shape": [1]}
    assert schema["columns"]["input_ids"]["shape"] == [128]
