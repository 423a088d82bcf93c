"""Small SQuAD files that tests make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.data.squad import SquadFile, read_squad

# Text that tokenization rewrites: a passage and phrases of it that could be answers.
HARD_TEXTS: list[tuple[str, tuple[str, ...]]] = [
    ("Café Zoë opened in São Paulo, naïvely.", ("Café Zoë", "São Paulo", "naïvely", "Zoë")),
    (
        "The cafe\u0301 of Ange\u0301la\u0300 [sɑ̃tʁ] Pe\u030dh-ōe-jī.",
        ("cafe\u0301", "Ange\u0301la\u0300", "sɑ̃tʁ", "Pe\u030dh"),
    ),
    ("About 5\u00a0km or\u00a0\u00a010\u202fMPa \u2009away", ("5\u00a0km", "10\u202fMPa", "away")),
    ("The ﬁrst eﬃcient ﬂow of Ǆ and ĳ", ("ﬁrst", "eﬃcient", "ﬂow", "Ǆ", "ĳ")),
    ("Add ½ cup, ¼ℓ or ½½, then 10² mm²…. ™", ("½ cup", "¼ℓ", "½", "½½", "10²", "mm²", "…", "½½, then")),
    ("Smile 😀👍🏽 family 👨‍👩‍👧 flag 🇫🇷!", ("😀👍🏽", "👨‍👩‍👧", "🇫🇷", "family")),
    ("東京は日本の首都。한국어는 ｶﾞ ＡＢＣ", ("東京", "首都", "한국어는", "ｶﾞ", "ＡＢＣ")),
    ("Messiah (מָשִׁיחַ) and يَهُودِيّ, ﷺ twice ﷺ.", ("מָשִׁיחַ", "يَهُودِيّ", "ﷺ")),
    ("“Curly” ‘quotes’ – ‹and› «others»‥ it’s", ("“Curly”", "‘quotes’", "‹and›", "it’s")),
    (
        "\n China:\t in 2010, 1,000\u200b\ufeff / \ufeff47°N\u200e\u200e \x00end ",
        ("China", "2010", "1,000", "47°N", "end"),
    ),
    ("rock ´n´ roll a´b ¨x İstanbul ΣΊΣΥΦΟΣ ẞ", ("rock", "n´ roll", "İstanbul", "ΣΊΣΥΦΟΣ", "ẞ")),
    ("\u0301 a \u064db\u200dc [CLS] [MASK] ▁under_score▁", ("[CLS]", "[MASK]", "c", "under_score")),
]


def answer(text: str, start: Any) -> dict[str, Any]:
    return {"text": text, "answer_start": start}


def question(name: str, *answers: dict[str, Any], text: str = "What is it?", **more: Any) -> dict[str, Any]:
    return {"id": name, "question": text, "answers": list(answers), **more}


def document(*paragraphs: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a file of one article."""
    rows = [{"context": context, "qas": qas} for context, qas in paragraphs]
    return {"version": "1.1", "data": [{"title": "T", "paragraphs": rows}]}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def squad_of(folder: Path, *paragraphs: tuple[str, list[dict[str, Any]]]) -> SquadFile:
    return read_squad(write(folder / "squad.json", document(*paragraphs)))
