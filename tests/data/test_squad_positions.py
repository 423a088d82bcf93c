from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.common.errors import DataError
from src.data.squad_alignment import align_context
from src.data.squad_positions import find_answer_tokens
from src.data.tokenization import Tokenizer, load_tokenizer
from tests.data.squad_samples import HARD_TEXTS, answer, question, squad_of


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return load_tokenizer(spm_model_file=tiny_model)


def found_in(folder: Path, tokenizer: Tokenizer, context: str, *rows: dict[str, Any]) -> Any:
    """Return the texts that the tokens cover (``None`` for no tokens), the kept numbers and the skipped questions."""
    data = squad_of(folder, (context, list(rows)))
    aligned = align_context(context, tokenizer)
    tokens, kept, skipped = find_answer_tokens(data, [aligned])
    texts = [
        None if first < 0 else context[aligned.starts[first] : aligned.ends[last] + 1].strip()
        for first, last in tokens.tolist()
    ]
    return texts, kept.tolist(), skipped


def test_the_first_usable_answer_counts(tmp_path: Path, tokenizer: Tokenizer) -> None:
    found = found_in(
        tmp_path,
        tokenizer,
        "the lazy dog, the fox",
        question("1", answer("dog", 9), answer("fox", 18)),
        question("2", answer("fox", 1), answer("fox", 18), answer("dog", 9)),
        question("3", is_impossible=True),
    )
    assert found == (["dog", "fox", None], [0, 1, 2], ())


def test_unusable_answers_are_told(tmp_path: Path, tokenizer: Tokenizer) -> None:
    context = "\u0301 a fox a fox a fox a fox a fox end"
    rows = [
        question("good", answer("end", 32)),
        question("one", answer("end", 31)),
        question("many", answer("fox", 0)),
        question("nowhere", answer("Fox", 2)),
        question("negative", answer("end", -3)),
        question("beyond", answer("end", 10**30)),
        question("empty", answer(" ", 1)),
        question("dropped", answer("\u0301", 0)),
        question("long", answer("x" * 99, 0)),
    ]
    texts, kept, skipped = found_in(tmp_path, tokenizer, context, *rows)
    assert texts == ["end"] + [None] * 8
    assert kept == [0]
    shown = {row.id: row.why for row in skipped}
    assert list(shown) == [row["id"] for row in rows[1:]]
    assert shown["one"] == "the answer 'end' is not at character 31 of its context; it is at 32"
    assert shown["many"] == "the answer 'fox' is not at character 0 of its context; it is at 4, 10, 16 and more"
    assert shown["nowhere"] == "the answer 'Fox' is not at character 2 of its context, nor anywhere else in it"
    assert shown["negative"].endswith("is not at character -3 of its context; it is at 32")
    assert "is not at character 1000000" in shown["beyond"]
    assert shown["empty"] == "the answer is empty"
    assert "has no token" in shown["dropped"]
    assert len(shown["long"]) < 150


def test_white_space_around_an_answer_does_not_count(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = (question("1", answer(" lazy ", 3)), question("2", answer("lazy\u00a0 ", 4)))
    texts, _, skipped = found_in(tmp_path, tokenizer, "the lazy\u00a0 dog", rows[1])
    assert (texts, skipped) == (["lazy"], ())
    texts, _, skipped = found_in(tmp_path, tokenizer, "the lazy dog", rows[0])
    assert (texts, skipped) == (["lazy"], ())


@pytest.mark.parametrize(("context", "phrases"), HARD_TEXTS)
def test_answers_of_hard_text_are_covered(
    tmp_path: Path, tokenizer: Tokenizer, context: str, phrases: tuple[str, ...]
) -> None:
    rows = [question(str(n), answer(text, context.index(text))) for n, text in enumerate(phrases)]
    texts, kept, skipped = found_in(tmp_path, tokenizer, context, *rows)
    assert skipped == ()
    assert kept == list(range(len(phrases)))
    assert all(phrase in text for phrase, text in zip(phrases, texts, strict=True))


def test_a_question_without_answers_is_an_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"squad.json: question 2: .* no answers and is not marked is_impossible"):
        found_in(tmp_path, tokenizer, "a fox", question("1", answer("fox", 2)), question("2"))


def test_no_usable_question_at_all_is_an_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"question 1: none of the 2 questions can be used .* at character 3 of"):
        found_in(tmp_path, tokenizer, "a fox", question("1", answer("fox", 3)), question("2", answer("x", 3)))
