"""The columns of a pre-training record, and its compact and its written form.

Legend: S ``max_seq_length``, P ``InstanceSettings.prediction_slots``. ``next_sentence_labels`` is the label of the
sentence-order task; the name is that of the reference's files.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from src.common.protobuf import length_field, write_varint
from src.data.pretraining.instances import Instance
from src.data.pretraining.settings import InstanceSettings

INPUT_IDS = "input_ids"
INPUT_MASK = "input_mask"
SEGMENT_IDS = "segment_ids"
MASKED_LM_POSITIONS = "masked_lm_positions"
MASKED_LM_IDS = "masked_lm_ids"
MASKED_LM_WEIGHTS = "masked_lm_weights"
NEXT_SENTENCE_LABELS = "next_sentence_labels"
TOKEN_BOUNDARY = "token_boundary"

_ONE_AS_FLOAT = b"\x00\x00\x80\x3f"
_HEADER_VALUES = 4


@dataclass(frozen=True)
class PretrainColumn:
    """One column: its name, its type as stored, and how many values a record holds."""

    name: str
    dtype: Literal["int64", "float32"]
    width: int


def columns_of(max_seq_length: int, slots: int, token_boundary: bool = False) -> tuple[PretrainColumn, ...]:
    """Return the columns in the order of the documentation.

    Args:
        max_seq_length: Width S of the columns of tokens.
        slots: Width P of the columns of predictions.
        token_boundary: Whether the reference's eighth column is there.
    """
    columns = (
        PretrainColumn(INPUT_IDS, "int64", max_seq_length),
        PretrainColumn(INPUT_MASK, "int64", max_seq_length),
        PretrainColumn(SEGMENT_IDS, "int64", max_seq_length),
        PretrainColumn(NEXT_SENTENCE_LABELS, "int64", 1),
        PretrainColumn(MASKED_LM_POSITIONS, "int64", slots),
        PretrainColumn(MASKED_LM_IDS, "int64", slots),
        PretrainColumn(MASKED_LM_WEIGHTS, "float32", slots),
    )
    return (*columns, PretrainColumn(TOKEN_BOUNDARY, "int64", max_seq_length)) if token_boundary else columns


def schema_json(columns: Sequence[PretrainColumn], rows: int) -> dict[str, Any]:
    """Return the content of ``schema.json`` as MindSpore's ``TFRecordDataset`` reads it."""
    described = {column.name: {"type": column.dtype, "rank": 1, "shape": [column.width]} for column in columns}
    return {"datasetType": "TF", "numRows": rows, "columns": described}


class RecordCodec:
    """Packs instances for their time in memory, and turns packed ones into serialized ``tf.train.Example`` messages.

    A packed instance holds no padding, so memory goes with the text and not with ``max_seq_length``. Serializing gives
    the bytes of ``src.data.example_proto.encode_example``, ten times faster: all values are small and known before.

    Args:
        settings: Widths of the columns.
        vocab_size: Size of the vocabulary.
        token_boundary: Whether to write the reference's eighth column.
    """

    def __init__(self, settings: InstanceSettings, vocab_size: int, token_boundary: bool = False) -> None:
        largest = max(vocab_size, settings.max_seq_length)
        self._type = "H" if largest < 1 << 16 else "I"
        self._length = settings.max_seq_length
        self._slots = settings.prediction_slots
        self._vocab_size = vocab_size
        self._token_boundary = token_boundary
        self._varints = [write_varint(value) for value in range(largest)]

    def pack(self, instance: Instance) -> bytes:
        """Return the compact form of an instance."""
        masked = instance.masked
        values = array(self._type, (len(masked.ids), len(masked.positions), instance.second_start, instance.label))
        for part in (masked.ids, masked.positions, masked.labels):
            values.extend(part)
        if self._token_boundary:
            values.extend([int(code < self._vocab_size) for code in instance.codes])
        return values.tobytes()

    def serialize(self, packed: bytes) -> bytes:
        """Return the message of a packed instance; columns are sorted by name."""
        values = array(self._type)
        values.frombytes(packed)
        length, count, second, label = values[:_HEADER_VALUES]
        tokens_end = _HEADER_VALUES + length
        ids, positions = values[_HEADER_VALUES:tokens_end], values[tokens_end : tokens_end + count]
        labels = values[tokens_end + count : tokens_end + 2 * count]
        tail, free = bytes(self._length - length), self._slots - count
        parts = [
            _integers(INPUT_IDS, self._join(ids) + tail),
            _integers(INPUT_MASK, b"\x01" * length + tail),
            _integers(MASKED_LM_IDS, self._join(labels) + bytes(free)),
            _integers(MASKED_LM_POSITIONS, self._join(positions) + bytes(free)),
            _column(MASKED_LM_WEIGHTS, 2, _ONE_AS_FLOAT * count + bytes(4 * free)),
            _integers(NEXT_SENTENCE_LABELS, bytes((label,))),
            _integers(SEGMENT_IDS, bytes(second) + b"\x01" * (length - second) + tail),
        ]
        if self._token_boundary:
            parts.append(_integers(TOKEN_BOUNDARY, bytes(values[tokens_end + 2 * count :].tolist()) + tail))
        return length_field(1, b"".join(parts))

    def _join(self, values: array[int]) -> bytes:
        varints = self._varints
        return b"".join([varints[value] for value in values])


def _column(name: str, kind: int, payload: bytes) -> bytes:
    """Return one entry of the map of features; ``kind`` is 2 for floats, 3 for integers."""
    return length_field(
        1, length_field(1, name.encode()) + length_field(2, length_field(kind, length_field(1, payload)))
    )


def _integers(name: str, payload: bytes) -> bytes:
    return _column(name, 3, payload)
