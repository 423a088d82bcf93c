from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from src.common.errors import DataError
from src.data import example_scan
from src.data.example_proto import encode_example, parse_example
from src.data.example_scan import scan_example


def _field(number: int, payload: bytes) -> bytes:
    assert len(payload) < 128
    return bytes((number << 3 | 2, len(payload))) + payload


def _entry(name: bytes, feature: bytes) -> bytes:
    return _field(1, _field(1, name) + _field(2, feature))


USUAL = {
    "few": np.array([1]),
    "many": np.arange(300),
    "longer": np.arange(20_000),
    "none": np.array([], np.int64),
    "weights": np.linspace(0, 1, 40).astype(np.float32),
}


@pytest.fixture
def general_calls(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the messages for which the general parser was asked."""
    calls: list[bytes] = []

    def parse(data: bytes, where: str) -> object:
        calls.append(data)
        return parse_example(data, where)

    monkeypatch.setattr(example_scan, "parse_example", parse)
    return calls


def test_usual_messages_need_no_general_parser(general_calls: list[bytes]) -> None:
    data = encode_example(USUAL)
    assert scan_example(data, lambda: "x") == parse_example(data, "x")
    assert general_calls == []


UNUSUAL = {
    "text": encode_example({"a": np.array([1]), "text": [b"word"]}),
    "no values": _field(1, _entry(b"a", _field(3, b"")) + _entry(b"b", _field(3, _field(1, b"\x05")))),
    "unpacked": _field(1, _entry(b"a", _field(3, b"\x08\x01\x08\x02"))),
    "value before name": _field(1, _field(1, _field(2, _field(3, _field(1, b"\x05"))) + _field(1, b"a"))),
    "two packed pieces": _field(1, _entry(b"a", _field(3, _field(1, b"\x05") + _field(1, b"\x06")))),
    "feature without list": _field(1, _entry(b"a", b"")),
    "two groups of features": _field(1, _entry(b"a", _field(3, _field(1, b"\x05"))))
    + _field(1, _entry(b"b", _field(3, _field(1, b"\x06")))),
    "unknown field": _field(1, _field(1, _field(1, b"a") + _field(2, _field(3, _field(1, b"\x05"))) + _field(3, b"x"))),
    "a column of more than 2 MB": encode_example({"a": np.zeros(2_100_000, np.int64)}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_messages_are_left_to_the_general_parser(name: str, general_calls: list[bytes]) -> None:
    assert scan_example(UNUSUAL[name], lambda: "x") == parse_example(UNUSUAL[name], "x")
    assert general_calls == [UNUSUAL[name]]


def _outcome(parse: Callable[[], object]) -> object:
    """Return the columns, or the message of the error."""
    try:
        return parse()
    except DataError as error:
        return str(error)


def test_damaged_messages_give_what_the_general_parser_gives() -> None:
    """Whatever byte is changed or where the message ends: the same columns or the same error."""
    whole = encode_example({"a": np.arange(100, 110), "b": np.array([0.5], np.float32)})
    changed = [whole[:end] for end in range(len(whole))]
    for position in range(len(whole)):
        for value in (0, 0x0A, 0x12, 0x7F, 0x80, 0xFF):
            changed.append(whole[:position] + bytes((value,)) + whole[position + 1 :])
    outcomes = [_outcome(lambda data=data: parse_example(data, "file: record 3")) for data in changed]
    assert [_outcome(lambda data=data: scan_example(data, lambda: "file: record 3")) for data in changed] == outcomes
    assert {type(outcome) for outcome in outcomes} == {str, dict}
