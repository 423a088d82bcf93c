"""Words that depend on a number."""

from __future__ import annotations

from src.common.wording import counted


def test_one_is_singular_and_all_others_are_plural() -> None:
    assert [counted(number, "text") for number in (0, 1, 2)] == ["0 texts", "1 text", "2 texts"]


def test_other_plurals_are_given() -> None:
    assert counted(1, "word has", "words have") == "1 word has"
    assert counted(3, "word has", "words have") == "3 words have"
