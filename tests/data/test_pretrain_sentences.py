from __future__ import annotations

import time

import pytest

from src.data.pretraining.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Mr. J. Smith went to the U.S.", "The weather was bad (very bad.)", "He left."],
        ['"Really?" he asked.', '"Yes!"', "See No. 5 and p. 7.", "It cost 3.5 dollars."],
        ["It was 5 a.m. when he came, e.g. on foot.", "Was it I.", "Yes."],
        ["Wait... Then", "no end"][:1],
        ["He served in the U.S. Army in 1990.", "[Note] that.", "3 men came."],
        ["他说：“好。”", "然后走了！", "真的吗？", "是的……", "你呢。"],
        ["Сегодня день.", "Завтра ночь."],
        ["“How?”", "“So.”", "– And now!"],
        ["version 1.2.3 of example.com"],
        [],
    ],
)
def test_sentences_are_found_again(sentences: list[str]) -> None:
    chinese = any("\u4e00" <= char <= "\u9fff" for sentence in sentences for char in sentence)
    joined = ("" if chinese else " ").join(sentences)
    expected = ["Wait...", "Then"] if sentences == ["Wait... Then"] else sentences
    assert split_sentences(f"  {joined} ") == expected


def test_nothing_is_lost() -> None:
    text = 'A. B! "C?" d... E vs. F (G.) 5. 六。七！”八 U.S.A. The end etc. x'
    assert "".join(split_sentences(text)).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("unit", [".", ". ", "!?", "…", "。", "A. ", '"', ".) "])
def test_time_is_linear(unit: str) -> None:
    started = time.perf_counter()
    split_sentences(unit * 200_000)
    assert time.perf_counter() - started < 5
