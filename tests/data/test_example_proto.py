"""The oracle is protobuf itself, with the messages of example.proto and feature.proto declared here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from src.common.errors import DataError
from src.data.example_proto import RawFeature, Wanted, decode_columns, decode_varints, encode_example, parse_example

INTEGERS = [0, 1, 127, 128, 300, 16383, 16384, 29999, 2**31, 2**62, 2**63 - 1, -1, -100, -(2**63)]
FLOATS = [0.0, 1.5, -2.25, float(np.float32(0.1)), 3.0e38]


def where(index: int) -> str:
    return f"file: record {index}"


def declare(packed: bool) -> Any:
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"example{packed}.proto", package=f"t{packed}", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, int, str]) -> Any:
        result = file.message_type.add(name=name)
        for label, number, kind, type_name in fields:
            field = result.field.add(name=label, number=number, type=kind, label=field_type.LABEL_OPTIONAL)
            if type_name:
                field.type_name = type_name
        return result

    for name, kind in (
        ("BytesList", field_type.TYPE_BYTES),
        ("FloatList", field_type.TYPE_FLOAT),
        ("Int64List", field_type.TYPE_INT64),
    ):
        value = message(name, ("value", 1, kind, "")).field[0]
        value.label = field_type.LABEL_REPEATED
        if name != "BytesList":
            value.options.packed = packed
    prefix = f".t{packed}"
    lists = [("bytes_list", 1, "BytesList"), ("float_list", 2, "FloatList"), ("int64_list", 3, "Int64List")]
    feature = message(
        "Feature", *((name, number, field_type.TYPE_MESSAGE, f"{prefix}.{of}") for name, number, of in lists)
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message("Features", ("feature", 1, field_type.TYPE_MESSAGE, f"{prefix}.Features.FeatureEntry"))
    features.field[0].label = field_type.LABEL_REPEATED
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field_type.TYPE_STRING, label=field_type.LABEL_OPTIONAL)
    entry.field.add(
        name="value",
        number=2,
        type=field_type.TYPE_MESSAGE,
        label=field_type.LABEL_OPTIONAL,
        type_name=f"{prefix}.Feature",
    )
    message("Example", ("features", 1, field_type.TYPE_MESSAGE, f"{prefix}.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t{packed}.Example"))


def sample(message_class: Any) -> Any:
    example = message_class()
    features = example.features.feature
    features["integers"].int64_list.value.extend(INTEGERS)
    features["floats"].float_list.value.extend(FLOATS)
    features["texts"].bytes_list.value.extend([b"one", b"", b"\xff" * 200])
    features["empty"].int64_list.SetInParent()
    return example


def test_encoding_is_byte_identical_to_protobuf() -> None:
    columns = {
        "texts": [b"one", b"", b"\xff" * 200],
        "integers": np.array(INTEGERS),
        "floats": np.array(FLOATS, np.float32),
        "small": np.arange(128),
    }
    example = sample(declare(packed=True))
    del example.features.feature["empty"]
    example.features.feature["small"].int64_list.value.extend(range(128))
    assert encode_example(columns) == example.SerializeToString(deterministic=True)


@pytest.mark.parametrize("packed", [True, False])
def test_decoding_equals_protobuf(packed: bool) -> None:
    row = parse_example(sample(declare(packed)).SerializeToString(), "here")
    assert sorted(row) == ["empty", "floats", "integers", "texts"]
    assert row["texts"].items == (b"one", b"", b"\xff" * 200)
    assert decode_columns([row, row], Wanted("integers", ("int64",)), where).tolist() == [INTEGERS] * 2
    floats = decode_columns([row, row], Wanted("floats", ("int64", "float")), where)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, np.array([FLOATS] * 2, np.float32))
    assert decode_columns([row], Wanted("empty", ("int64",), 0), where).shape == (1, 0)


def test_packed_and_unpacked_values_in_one_list_are_joined() -> None:
    lists = b"\x0a\x02\x05\x06" + b"\x08\x07" + b"\x0a\x01\x08"
    feature = b"\x1a" + bytes([len(lists)]) + lists
    entry = b"\x0a\x01x\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    row = parse_example(b"\x0a" + bytes([len(features)]) + features, "here")
    assert decode_columns([row], Wanted("x", ("int64",)), where).tolist() == [[5, 6, 7, 8]]


def test_random_integers_round_trip() -> None:
    generator = np.random.default_rng(3)
    columns = [generator.integers(-(2**63), 2**63 - 1, 20) >> int(shift) for shift in generator.integers(0, 63, 50)]
    rows = [parse_example(encode_example({"x": column}), "here") for column in columns]
    np.testing.assert_array_equal(decode_columns(rows, Wanted("x", ("int64",), 20), where), np.stack(columns))


@pytest.mark.parametrize(
    ("rows", "wanted", "message"),
    [
        ([{"a": np.arange(2)}], Wanted("b", ("int64",)), r"record 0: column 'b' is missing; columns there: a"),
        ([{"b": np.arange(2)}, {"a": np.arange(2)}], Wanted("b", ("int64",)), r"record 1: column 'b' is missing"),
        ([{"b": np.ones(2)}], Wanted("b", ("int64",)), r"record 0: column 'b' holds float values, int64 expected"),
        ([{"b": [b"x"]}], Wanted("b", ("int64", "float")), r"holds bytes values, int64 or float expected"),
        ([{"b": np.arange(2)}, {"b": np.ones(2)}], Wanted("b", ("int64", "float")), r"record 1: .*other kinds before"),
        (
            [{"b": np.arange(3)}] * 2 + [{"b": np.arange(4)}],
            Wanted("b", ("int64",)),
            r"record 2: .*4 values, 3 expected",
        ),
        ([{"b": np.arange(3)}], Wanted("b", ("int64",), 4), r"record 0: .*3 values, 4 expected"),
        ([{"b": np.array([], np.int64)}], Wanted("b", ("int64",), 1), r"record 0: .*0 values, 1 expected"),
    ],
)
def test_wrong_columns_are_named(rows: list[dict[str, Any]], wanted: Wanted, message: str) -> None:
    parsed = [parse_example(encode_example(row), "here") for row in rows]
    with pytest.raises(DataError, match=message):
        decode_columns(parsed, wanted, where)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (RawFeature("int64", b"\x01\x80"), "record 1: column 'x': a number is cut off"),
        (RawFeature("int64", b"\x80" * 10 + b"\x01"), "record 1: column 'x': a number has more than 10 bytes"),
        (RawFeature("float", b"\0" * 5), "record 1: column 'x': a float is cut off"),
    ],
)
def test_damaged_values_are_named(feature: RawFeature, message: str) -> None:
    good = RawFeature(feature.kind, b"\x01" if feature.kind == "int64" else b"\0" * 4)
    with pytest.raises(DataError, match=message):
        decode_columns([{"x": good}, {"x": feature}], Wanted("x", ("int64", "float")), where)


def test_cut_number_is_not_hidden_by_the_next_record() -> None:
    with pytest.raises(ValueError, match="cut off"):
        decode_varints([b"\x80", b"\x01"])


def test_counts_of_empty_payloads() -> None:
    values, counts = decode_varints([b"", b"\x05\x80\x01", b"", b"\x07"])
    assert values.tolist() == [5, 128, 7]
    assert counts.tolist() == [0, 2, 0, 1]


def damages() -> list[Callable[[bytes, np.random.Generator], bytes]]:
    return [
        lambda data, generator: data[: int(generator.integers(0, len(data)))],
        lambda data, generator: bytes(generator.integers(0, 256, int(generator.integers(1, 60)), dtype=np.uint8)),
        lambda data, generator: data[: (k := int(generator.integers(0, 30)))] + b"\xff" + data[k + 1 :],
    ]


@pytest.mark.parametrize("damage", damages())
def test_damaged_messages_never_end_in_another_error(damage: Callable[[bytes, np.random.Generator], bytes]) -> None:
    data = encode_example({"x": np.array(INTEGERS), "y": np.array(FLOATS), "z": [b"text"]})
    generator = np.random.default_rng(5)
    refused = 0
    for _ in range(500):
        try:
            parse_example(damage(data, generator), "place")
        except DataError as error:
            refused += 1
            assert str(error).startswith("place: not a tf.train.Example")  # noqa: PT017
    assert refused > 200
