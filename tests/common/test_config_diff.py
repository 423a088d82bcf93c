from __future__ import annotations

from typing import Any

import pytest

from src.common.config_diff import ABSENT, diff_configs


@pytest.mark.parametrize(
    ("before", "now", "differences"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [("a.b.c", 1, 2)]),
        ({"a": 1}, {"b": 1}, [("a", 1, ABSENT), ("b", ABSENT, 1)]),
        ({"a": None}, {}, [("a", None, ABSENT)]),
        ({"a": {}}, {"a": {"b": 1}}, [("a", {}, ABSENT), ("a.b", ABSENT, 1)]),
        # What yaml and Python write in two ways is one setting.
        ({"rate": "1e-5"}, {"rate": 1e-5}, []),
        ({"n": 2}, {"n": 2.0}, []),
        ({"list": [1, "2e-3"]}, {"list": (1, 0.002)}, []),
        # What Python takes for equal and is not one setting.
        ({"flag": True}, {"flag": 1}, [("flag", True, 1)]),
        ({"name": ""}, {"name": None}, [("name", "", None)]),
        ({"list": [1, 2]}, {"list": [2, 1]}, [("list", [1, 2], [2, 1])]),
    ],
)
def test_differences(before: dict[str, Any], now: dict[str, Any], differences: list[tuple[str, Any, Any]]) -> None:
    assert [tuple(d) for d in diff_configs(before, now)] == differences


def test_a_difference_reads_as_a_line() -> None:
    assert str(diff_configs({"a": {"b": 1}}, {"a": {"b": 2}})[0]) == "a.b: 1 -> 2"
