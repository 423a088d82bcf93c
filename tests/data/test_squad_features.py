from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.common.errors import ConfigError, DataError
from src.data.squad import read_squad
from src.data.squad_features import SquadFeatures, SquadSettings, build_features
from src.data.tokenization import Piece, Tokenizer, load_tokenizer
from tests.data.squad_samples import HARD_TEXTS, answer, question, squad_of

LONG_TEXT = "the lazy dog jumps over the quick brown fox in 2010, 2011, or 2012 and nobody minded it at all"


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return load_tokenizer(spm_model_file=tiny_model)


def sequence(features: SquadFeatures, row: int) -> list[int]:
    return features.token_ids[features.offsets[row] : features.offsets[row + 1]].tolist()


def flags(features: SquadFeatures, row: int) -> list[bool]:
    return features.max_context[features.doc_offsets[row] : features.doc_offsets[row + 1]].tolist()


def as_reference(features: SquadFeatures, tokenizer: Tokenizer, row: int, training: bool) -> Any:
    """Return a window in the form of the reference's features."""
    ids, length = sequence(features, row), features.settings.max_seq_length
    begin, tokens = int(features.doc_begin[row]), int(features.doc_length[row])
    context = features.context_offsets[features.context[row]] + features.first_token[row]
    padding = [0] * (length - len(ids))
    allowed = {0, *range(begin, begin + tokens)}
    return {
        "unique_id": int(features.unique_ids[row]),
        "example_index": None if training else int(features.question[row]),
        "doc_span_index": int(features.window[row]),
        "tok_start_to_orig_index": features.token_starts[context : context + tokens].tolist(),
        "tok_end_to_orig_index": features.token_ends[context : context + tokens].tolist(),
        "tokens": tokenizer.ids_to_tokens(ids + padding),
        "input_ids": ids + padding,
        "input_mask": [1] * len(ids) + padding,
        "segment_ids": [0] * begin + [1] * (len(ids) - begin) + padding,
        "p_mask": [int(place not in allowed) for place in range(length)],
        "paragraph_len": int(features.lengths[row]),
        "start_position": int(features.start_position[row]) if training else None,
        "end_position": int(features.end_position[row]) if training else None,
        "is_impossible": bool(features.is_impossible[row]),
        "token_is_max_context": {str(begin + n): flag for n, flag in enumerate(flags(features, row))},
    }


@pytest.mark.shared
@pytest.mark.parametrize(("name", "windows"), [("squad_train_v2_128", 30), ("squad_dev_v2_384", 14)])
def test_features_equal_the_reference(shared_data: Path, name: str, windows: int) -> None:
    golden = json.loads((shared_data / f"golden/{name}.json").read_text(encoding="utf-8"))
    config = golden["config"]
    tokenizer = load_tokenizer(spm_model_file=shared_data / "albert_en/30k-clean.model")
    data = read_squad(shared_data / "golden/squad_sample" / config["source"])
    settings = SquadSettings(config["max_seq_length"], config["max_query_length"], config["doc_stride"])
    features = build_features(data, tokenizer, settings, training=config["is_training"])
    assert features.rows == len(golden["features"]) == windows
    assert features.skipped == ()
    for row, expected in enumerate(golden["features"]):
        assert as_reference(features, tokenizer, row, config["is_training"]) == expected


def test_types_and_sizes(tmp_path: Path, tokenizer: Tokenizer) -> None:
    data = squad_of(tmp_path, (LONG_TEXT, [question("1", answer("fox", 40)), question("2", answer("dog", 9))]))
    features = build_features(data, tokenizer, SquadSettings(32, 8, 7), training=True)
    assert features.rows > 4
    assert len(features.token_ids) == features.offsets[-1] == features.lengths.sum()
    assert len(features.max_context) == features.doc_offsets[-1] == features.doc_length.sum()
    assert len(features.token_starts) == len(features.token_ends) == features.context_offsets[-1]
    assert (features.lengths <= 32).all()
    assert (features.lengths == features.doc_begin + features.doc_length + 1).all()
    assert features.unique_ids.tolist() == [1_000_000_000 + row for row in range(features.rows)]
    arrays = {name: values for name, values in vars(features).items() if isinstance(values, np.ndarray)}
    kinds = {name: values.dtype.name for name, values in arrays.items()}
    assert {name for name, kind in kinds.items() if kind == "bool"} == {"max_context", "is_impossible"}
    assert {name for name, kind in kinds.items() if kind == "int64"} == {"offsets", "doc_offsets", "context_offsets"}
    assert set(kinds.values()) == {"bool", "int64", "int32"}


def test_windows_hold_question_and_passage(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [question("1", text="the fox?"), question("2", text="a dog")]
    data = squad_of(tmp_path, ("\u0301", [question("0")]), (LONG_TEXT, rows))
    features = build_features(data, tokenizer, SquadSettings(30, 8, 5), training=False)
    passage, seen = tokenizer.encode(LONG_TEXT), set()
    for row in range(1, features.rows):
        query = tokenizer.encode(data.questions[features.question[row]].question)
        begin, length = int(features.first_token[row]), int(features.doc_length[row])
        window = [*passage[begin : begin + length], tokenizer.sep_id]
        assert sequence(features, row) == [tokenizer.cls_id, *query, tokenizer.sep_id, *window]
        judged = [begin + place for place, flag in enumerate(flags(features, row)) if flag]
        seen.update((int(features.question[row]), place) for place in judged)
    assert seen == {(number, place) for number in (1, 2) for place in range(len(passage))}
    assert features.max_context[features.doc_offsets[1] :].sum() == 2 * len(passage)


def test_a_passage_without_tokens_has_an_empty_window(tmp_path: Path, tokenizer: Tokenizer) -> None:
    data = squad_of(tmp_path, ("\u0301", [question("1", text="fox")]), ("\u0302", [question("2", text="\u0301")]))
    features = build_features(data, tokenizer, SquadSettings(16), training=False)
    assert features.question.tolist() == [0, 1]
    assert features.doc_length.tolist() == [0, 0]
    assert sequence(features, 1) == [tokenizer.cls_id, tokenizer.sep_id, tokenizer.sep_id]
    assert features.context_offsets.tolist() == [0, 0, 0]


def test_every_evaluated_question_has_a_window(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [
        question("misplaced", answer("fox", 0)),
        question("none"),
        question("impossible", is_impossible=True),
        question("long", text="fox " * 99),
    ]
    data = squad_of(tmp_path, *[(text, [question(text)]) for text, _ in HARD_TEXTS], (LONG_TEXT, rows))
    features = build_features(data, tokenizer, SquadSettings(40, 20, 4), training=False)
    assert set(features.question.tolist()) == set(range(len(data.questions)))
    assert features.skipped == ()
    for values in (features.start_position, features.end_position, features.is_impossible):
        assert not values.any()
    assert features.doc_begin.max() == 22


def test_answers_outside_a_window_make_it_impossible(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [question("1", answer("quick brown fox", 28)), question("2", is_impossible=True)]
    data = squad_of(tmp_path, (LONG_TEXT, rows))
    features = build_features(data, tokenizer, SquadSettings(24, 4, 3), training=True)
    held = 0
    for row in range(features.rows):
        start, end = int(features.start_position[row]), int(features.end_position[row])
        if features.is_impossible[row]:
            assert (start, end) == (0, 0)
            continue
        assert features.question[row] == 0
        held += 1
        shift = features.first_token[row] - features.doc_begin[row]
        assert LONG_TEXT[features.token_starts[start + shift] : features.token_ends[end + shift] + 1].strip() == (
            "quick brown fox"
        )
        assert features.doc_begin[row] <= start <= end < features.doc_begin[row] + features.doc_length[row]
    assert 0 < held < (features.question == 0).sum()


def test_unusable_training_questions_leave_no_window(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rows = [question("1", answer("fox", 1)), question("2", answer("dog", 9)), question("3", answer("cat", 9))]
    data = squad_of(tmp_path, (LONG_TEXT, rows))
    features = build_features(data, tokenizer, SquadSettings(128), training=True)
    assert features.question.tolist() == [1]
    assert [row.id for row in features.skipped] == ["1", "3"]
    assert "it is at 40" in features.skipped[0].why


def test_each_passage_is_tokenized_once(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    tokenize = tokenizer.tokenize_with_offsets

    def watched(text: str) -> list[Piece]:
        seen.append(text)
        return tokenize(text)

    monkeypatch.setattr(tokenizer, "tokenize_with_offsets", watched)
    rows = [question(str(number)) for number in range(5)]
    data = squad_of(
        tmp_path, (LONG_TEXT, rows), ("a fox", []), ("a dog", [question("x")]), (LONG_TEXT, [question("y")])
    )
    done: list[int] = []
    build_features(data, tokenizer, SquadSettings(24, 4, 3), training=False, progress=done.append)
    assert seen == [LONG_TEXT, "a fox", "a dog"]
    assert done == [6, 0, 1]


def test_a_sequence_too_short_for_a_question_is_an_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    data = squad_of(tmp_path, ("a fox", [question("short", text="a"), question("long", text="漢 " * 20)]))
    with pytest.raises(ConfigError) as caught:
        build_features(data, tokenizer, SquadSettings(20, 30), training=False)
    assert "the question has 30 tokens" in caught.value.what
    assert caught.value.where.endswith("question long")
    assert caught.value.fix == "raise max_seq_length to at least 34, or lower max_query_length to at most 16"
    assert build_features(data, tokenizer, SquadSettings(20, 16), training=False).doc_length.min() == 1
    with pytest.raises(ConfigError, match=r"to at least 5$"):
        build_features(data, tokenizer, SquadSettings(3, 1), training=False)


@pytest.mark.parametrize("name", ["max_seq_length", "max_query_length", "doc_stride"])
def test_settings_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0"):
        SquadSettings(**{"max_seq_length": 9, name: 0})


def test_training_needs_answers(tmp_path: Path, tokenizer: Tokenizer) -> None:
    data = squad_of(tmp_path, ("a fox", [question("1")]))
    with pytest.raises(DataError, match="no answers and is not marked is_impossible"):
        build_features(data, tokenizer, SquadSettings(16), training=True)


@pytest.mark.shared
def test_chinese_features(tmp_path: Path, shared_data: Path) -> None:
    chinese = load_tokenizer(shared_data / "albert_zh/vocab.txt")
    context = "北京是中华人民共和国的首都，2008年举办了“奥运会”。ﬁne 😀"
    phrases = ("中华人民共和国", "2008年", "“奥运会”", "ﬁne")
    rows = [question(text, answer(text, context.index(text)), text="哪里？") for text in phrases]
    data = squad_of(tmp_path, (context, rows))
    features = build_features(data, chinese, SquadSettings(64), training=True)
    assert features.rows == len(phrases)
    for row, phrase in enumerate(phrases):
        first, last = (
            int(values[row] - features.doc_begin[row]) for values in (features.start_position, features.end_position)
        )
        assert context[features.token_starts[first] : features.token_ends[last] + 1] == phrase
    assert np.array_equal(features.doc_length, [len(chinese.tokenize(context))] * len(phrases))
