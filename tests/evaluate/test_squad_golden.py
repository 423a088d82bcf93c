"""The reference's own answers to the questions of a small file, from random outputs of both heads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.data.squad import SquadFile, read_squad
from src.data.squad_features import SquadFeatures, SquadSettings, build_features
from src.data.tokenization import load_tokenizer
from src.evaluate.squad_answers import AnswerRule, QuestionAnswers, answer_questions
from src.evaluate.squad_candidates import WindowScores, beam_candidates, top_candidates
from src.evaluate.squad_files import write_answers
from src.evaluate.squad_metrics import score_predictions, v1_figures
from src.evaluate.squad_report import squad_report

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def data(shared_data: Path) -> SquadFile:
    return read_squad(shared_data / "golden" / "squad_sample" / "dev-v2.0.json")


@pytest.fixture(scope="module")
def features(shared_data: Path, data: SquadFile) -> SquadFeatures:
    tokenizer = load_tokenizer(None, shared_data / "albert_en" / "30k-clean.model", True)
    settings = SquadSettings(max_seq_length=128, max_query_length=32, doc_stride=64)
    return build_features(data, tokenizer, settings, training=False)


def golden_of(shared_data: Path, version: int) -> dict[str, Any]:
    return json.loads((shared_data / "golden" / f"squad_v{version}_postprocess.json").read_text(encoding="utf-8"))


def check_nbest(answers: list[QuestionAnswers], golden: dict[str, Any]) -> None:
    assert [row.id for row in answers] == list(golden["nbest"])
    for row in answers:
        expected = golden["nbest"][row.id]
        assert [candidate.text for candidate in row.best] == [entry["text"] for entry in expected]
        for candidate, entry in zip(row.best, expected, strict=True):
            assert candidate.probability == pytest.approx(entry["probability"], abs=1e-6)
            assert candidate.start_score == pytest.approx(entry["start_log_prob"], abs=1e-6)
            assert candidate.end_score == pytest.approx(entry["end_log_prob"], abs=1e-6)


def check_places(data: SquadFile, answers: list[QuestionAnswers]) -> None:
    for question, row in zip(data.questions, answers, strict=True):
        for candidate in row.best:
            assert data.contexts[question.context][candidate.start : candidate.end] == candidate.text


def v1_scores(golden: dict[str, Any], features: SquadFeatures) -> WindowScores:
    assert [row["unique_id"] for row in golden["logits"]] == features.unique_ids.tolist()
    logits = [np.array([row["start"], row["end"]], np.float32).T for row in golden["logits"]]
    return top_candidates(logits, golden["config"]["n_best_size"])


def beam_scores(golden: dict[str, Any], features: SquadFeatures) -> WindowScores:
    assert [row["unique_id"] for row in golden["results"]] == features.unique_ids.tolist()
    names = ("start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index", "cls_logits")
    return beam_candidates(*(np.array([row[name] for row in golden["results"]]) for name in names))


def test_v1(shared_data: Path, data: SquadFile, features: SquadFeatures, tmp_path: Path) -> None:
    golden = golden_of(shared_data, 1)
    answers = answer_questions(data, features, v1_scores(golden, features), rule=AnswerRule.V1)
    check_nbest(answers, golden)
    check_places(data, answers)
    write_answers(tmp_path, answers)
    predictions = json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))
    assert predictions == golden["predictions"]
    subset = read_squad(shared_data / "golden" / "squad_sample" / "dev-v1.1.json")
    figures = v1_figures(score_predictions(subset, predictions, version_2=False))
    assert figures == pytest.approx(golden["metrics_on_v1_subset"], abs=1e-12)


def test_v2_beam(shared_data: Path, data: SquadFile, features: SquadFeatures, tmp_path: Path) -> None:
    golden = golden_of(shared_data, 2)
    answers = answer_questions(data, features, beam_scores(golden, features), rule=AnswerRule.V2_BEAM)
    check_nbest(answers, golden)
    check_places(data, answers)
    threshold = golden["metrics"]["null_score_diff_threshold"]
    write_answers(tmp_path, answers, null_threshold=threshold)
    read = {
        name: json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("predictions", "null_odds")
    }
    assert read["predictions"] == golden["predictions"]
    assert read["null_odds"] == pytest.approx(golden["null_odds"], abs=1e-6)
    report = squad_report(data, answers, version_2=True, null_threshold=threshold).report
    for name in ("exact", "f1", "total"):
        assert report[name] == pytest.approx(golden["metrics"][name], abs=1e-12)
    # The reference's threshold is the best one of a search over the same questions.
    assert report["best_f1_thresh"] == threshold


@pytest.mark.parametrize("rule", [AnswerRule.V1, AnswerRule.V2_NULL])
def test_scores_survive_packing(shared_data: Path, data: SquadFile, features: SquadFeatures, rule: AnswerRule) -> None:
    scores = v1_scores(golden_of(shared_data, 1), features)
    again = WindowScores.unpack(scores.packed(), 20, 1, 20)
    assert answer_questions(data, features, again, rule=rule) == answer_questions(data, features, scores, rule=rule)
