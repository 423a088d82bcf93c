from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.evaluate.report import class_table, confusion_table, report_content, result_lines, text_table
from src.evaluate.scoring import ScoreResult, evaluate_predictions

TWO = ("0", "1")
LABELS = np.array([0, 1, 1, 0, 1])
PREDICTIONS = np.array([0, 1, 0, 0, 1])


def classified(*methods: str) -> ScoreResult:
    return evaluate_predictions("classification", methods, PREDICTIONS, LABELS, TWO)


def tagged() -> ScoreResult:
    rows = [np.array([1, 2, 0])], [np.array([1, 2, 0])]
    return evaluate_predictions("token_classification", ["f1", "accuracy"], *rows, ("O", "B-PER", "I-PER"))


def test_the_line_that_users_know_letter_by_letter() -> None:
    assert result_lines(classified("accuracy")) == ["acc_num 4 , total_num 5, accuracy 0.800000"]


def test_the_main_metric_is_the_last_line() -> None:
    lines = result_lines(classified("mcc", "accuracy"))
    assert lines == ["acc_num 4 , total_num 5, accuracy 0.800000", "MCC 0.666667"]
    assert result_lines(classified("accuracy", "f1")) == [
        "Precision 1.000000",
        "Recall 0.666667",
        "F1 0.800000",
        "acc_num 4 , total_num 5, accuracy 0.800000",
    ]
    assert result_lines(classified("macro_f1"))[-1] == "Macro F1 0.800000"


def test_lines_of_a_regression() -> None:
    scores = np.array([1.0, 2.0, 4.0])
    result = evaluate_predictions("regression", ["spearman", "pearson"], scores, np.array([1.0, 2.0, 3.0]))
    assert result_lines(result) == [
        "total_num 3, mse 0.333333",
        "Pearson Correlation is 0.981981",
        "Spearman Correlation is 1.000000",
    ]


def test_lines_of_tags_and_of_a_split_without_labels() -> None:
    assert result_lines(tagged())[-1] == "F1 1.000000"
    nothing = evaluate_predictions("classification", ["accuracy"], PREDICTIONS, None, TWO)
    assert result_lines(nothing) == ["total_num 5, no labels: nothing to compare with"]
    assert report_content(nothing)["figures"] == {}


def test_confusion_table() -> None:
    assert confusion_table(classified("accuracy")).splitlines() == [
        "label \\ predicted  0  1",
        "0                  2  0",
        "1                  1  2",
    ]


def test_tables_stay_readable_with_long_and_with_chinese_names() -> None:
    names = ("x" * 50, "正面")
    table = confusion_table(evaluate_predictions("classification", ["accuracy"], PREDICTIONS, LABELS, names))
    assert "x" * 20 not in table
    assert text_table([["正面", "1"], ["abcd", "2"]]).splitlines() == ["正面  1", "abcd  2"]
    many = tuple(map(str, range(30)))
    wide = evaluate_predictions("classification", ["accuracy"], PREDICTIONS, LABELS, many)
    assert confusion_table(wide) == ""
    assert len(class_table(wide).splitlines()) == 31


def test_class_table_shows_entities_where_there_are_some() -> None:
    assert re.fullmatch(r"PER +1\.0000 +1\.0000 +1\.0000 +1 +1", class_table(tagged()).splitlines()[1])
    assert class_table(classified("accuracy")).startswith("class")
    regression = evaluate_predictions("regression", ["pearson"], np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert class_table(regression) == confusion_table(regression) == ""


@pytest.mark.parametrize("result", [classified("accuracy", "f1"), tagged()], ids=["classes", "tags"])
def test_report_is_plain_json(result: ScoreResult) -> None:
    content = json.loads(json.dumps(report_content(result), allow_nan=False))
    assert content["figures"] == result.figures
    assert content["main_metric"] == result.main
    assert sum(map(sum, content["confusion_matrix"]["counts"])) == result.total_num
    assert set(content["classes"]) == set(result.label_names)
    assert ("entities" in content) == (result.entities is not None)


def test_report_of_a_regression_has_no_classes() -> None:
    result = evaluate_predictions("regression", ["pearson"], np.array([1.0, 1.0]), np.array([1.0, 2.0]))
    content = report_content(result)
    assert "confusion_matrix" not in content
    assert content["notes"] == ["all predictions are 1: pearson is set to 0"]


def test_evaluation_needs_no_heavy_package() -> None:
    # Scoring the outputs of another device must work, and start at once, where only numpy is installed.
    root = Path(__file__).resolve().parents[2]
    modules = [f"src.evaluate.{path.stem}" for path in (root / "src" / "evaluate").glob("*.py")]
    program = f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
    program += "sys.exit(bool({'mindspore', 'torch', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
