"""evaluate_squad.py: the official figures of real predictions, and one line for every mistake."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.common.cli import run_command
from src.common.errors import OutputError
from src.evaluate.squad_score import main
from tests.measured import run_measured

ROOT = Path(__file__).resolve().parents[2]


def question(id_: str, *golds: str, impossible: bool | None = None) -> dict[str, Any]:
    answers = [{"text": gold, "answer_start": 0} for gold in golds]
    flag = {} if impossible is None else {"is_impossible": impossible}
    return {"id": id_, "question": f"what is {id_}?", "answers": answers, **flag}


def squad(version: str, *questions: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": version,
        "data": [{"title": "t", "paragraphs": [{"context": "one two", "qas": list(questions)}]}],
    }


V1 = squad("1.1", question("a", "one"), question("b", "two words"))
V2 = squad("v2.0", question("a", "one", impossible=False), question("b", impossible=True))


def test_figures_are_not_lost_where_stdout_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="stdout is closed, and the answers would go there -> give --output FILE"):
        main(["data.json", "predictions.json"])


class Desk:
    """A folder with the files of one call."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def write(self, name: str, content: Any) -> Path:
        path = self.folder / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    def score(self, data: Any, predictions: Any, *more: Any) -> tuple[int, str, str]:
        """Return the exit status, stdout and stderr."""
        argv = [self.write("data.json", data), self.write("predictions.json", predictions), *more]
        status = run_command(main, [str(word) for word in argv])
        return (status, *self._capsys.readouterr())

    def good(self, data: Any, predictions: Any, *more: Any) -> tuple[dict[str, float], str]:
        """Return the last line and stderr of a call that must end well."""
        status, out, err = self.score(data, predictions, *more)
        assert status == 0, err
        return json.loads(out.splitlines()[-1]), err

    def refused(self, data: Any, predictions: Any, *more: Any) -> str:
        """Return the one line of a call that must be refused."""
        status, out, err = self.score(data, predictions, *more)
        assert (status, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("data", "predictions", "exact", "f1", "lines"),
    [
        ("dev-v1.1", "pred_v1.1_bert_ensemble", "86.206", "92.196", 3),
        ("dev-v2.0", "pred_v2.0_bert_single", "78.74", "81.78", 5),
    ],
)
def test_real_predictions(
    shared_data: Path, capsys: pytest.CaptureFixture[str], data: str, predictions: str, exact: str, f1: str, lines: int
) -> None:
    names = [str(shared_data / "squad" / f"{name}.json.gz") for name in (data, predictions)]
    assert run_command(main, names) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(out.splitlines()) == lines
    figures = json.loads(out.splitlines()[-1])
    digits = len(exact.split(".")[1])
    assert (f"{figures['exact_match']:.{digits}f}", f"{figures['f1']:.{digits}f}") == (exact, f1)
    assert list(figures) == ["exact_match", "f1"]


def test_v1(desk: Desk, tmp_path: Path) -> None:
    figures, err = desk.good(V1, {"a": "the one", "b": "two"}, "--output", tmp_path / "new" / "metrics.json")
    assert figures == pytest.approx({"exact_match": 50.0, "f1": 250 / 3})
    assert err == ""
    report = json.loads((tmp_path / "new" / "metrics.json").read_text(encoding="utf-8"))
    assert report == {**figures, "total": 2, "missing_predictions": 0}


def test_v2_without_probabilities(desk: Desk) -> None:
    assert desk.good(V2, {"a": "one", "b": ""})[0] == {"exact_match": 100.0, "f1": 100.0}
    assert desk.good(V2, {"a": "", "b": "one"})[0] == {"exact_match": 0.0, "f1": 0.0}


def test_the_version_is_taken_from_the_data_or_the_option(desk: Desk) -> None:
    # Both texts are empty when normalized: F1 0 by v1.1, 1 by v2.0.
    empty = question("c", "the")
    assert desk.good(squad("1.1", empty), {"c": "a"})[0] == {"exact_match": 100.0, "f1": 0.0}
    assert desk.good(squad("1.1", empty), {"c": "a"}, "--squad_version", "2.0")[0]["f1"] == 100.0
    assert desk.good(squad("v2.0", empty), {"c": "a"})[0]["f1"] == 100.0
    assert desk.good(squad("v2.0", empty), {"c": "a"}, "--squad_version", "1.1")[0]["f1"] == 0.0
    no_version = squad("", empty, question("d", impossible=True))
    assert desk.good(no_version, {"c": "a", "d": ""})[0]["f1"] == 100.0


def test_v2_with_odds(desk: Desk, tmp_path: Path) -> None:
    odds = desk.write("odds.json.gz", {"a": -2.5, "b": -0.5})
    report = tmp_path / "metrics.json"
    figures, err = desk.good(V2, {"a": "one", "b": "x"}, "--na_prob_file", odds, "--output", report)
    assert figures == {"exact_match": 50.0, "f1": 50.0}
    assert "the threshold 1.0 may not fit" in err
    content = json.loads(report.read_text(encoding="utf-8"))
    assert (content["best_f1"], content["best_f1_thresh"], content["na_prob_thresh"]) == (100.0, -2.5, 1.0)
    figures, err = desk.good(V2, {"a": "one", "b": "x"}, "--na_prob_file", odds, "--na_prob_thresh", "-1.5")
    assert figures == {"exact_match": 100.0, "f1": 100.0}
    assert err == ""


def test_the_screen_tells_the_threshold_that_counts_from_tuned_ones(desk: Desk) -> None:
    odds = desk.write("odds.json", {"a": -2.5, "b": -0.5})
    _, out, _ = desk.score(V2, {"a": "one", "b": "x"}, "--na_prob_file", odds)
    assert out.splitlines()[-4:-1] == [
        "best exact of a threshold tuned on these very questions: 100.000, at -2.5",
        "best f1 of a threshold tuned on these very questions: 100.000, at -2.5",
        "the last line is that of the threshold 1, which was not tuned",
    ]
    _, out, _ = desk.score(V2, {"a": "x", "b": "x"}, "--na_prob_file", odds, "--na_prob_thresh", "0")
    assert "best f1 of a threshold tuned on these very questions: 50.000, at no answer to any question" in out


@pytest.mark.parametrize("data", [V1, V2])
def test_questions_without_a_prediction_count_as_wrong(desk: Desk, data: dict[str, Any]) -> None:
    figures, err = desk.good(data, {"a": "one"})
    assert figures == {"exact_match": 50.0, "f1": 50.0}
    assert err == "1 questions have no prediction and count as wrong: b\n"


def test_unknown_ids(desk: Desk) -> None:
    predictions = {"a": "one", "b": "two", **{f"x{i}": "" for i in range(7)}}
    message = desk.refused(V1, predictions)
    assert "7 predictions are for no question of the data: x0, x1, x2, x3, x4 and 2 more" in message
    assert "--allow_unknown" in message
    assert desk.good(V1, predictions, "--allow_unknown")[0]["exact_match"] == 50.0
    # Another file altogether is a mistake, allowed or not.
    assert "no prediction is for a question" in desk.refused(V1, {"x": "one"}, "--allow_unknown")


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ("", "the file is empty"),
        ('{"a": "one",\n "b" "two"}', "predictions.json:2, column 6: not valid json"),
        ("[]", "no json object"),
        ('{"a": "one", "b": 3}', "id b: the prediction is 3, not a text"),
        ('{"a": "one", "b": null}', "id b: the prediction is null"),
        ('{"a": [{"text": "one"}], "b": []}', "not nbest_predictions.json"),
        ('{"a": "one", "b": "two", "a": "three"}', "the key a is there twice"),
        ("[" * 100000, "not valid json"),
    ],
)
def test_bad_predictions(desk: Desk, predictions: str, message: str) -> None:
    assert message in desk.refused(V1, predictions)


@pytest.mark.parametrize(
    ("odds", "message"),
    [
        ({"a": 0.1}, "1 questions with a prediction have no number: b"),
        ({"a": 0.1, "b": "x"}, 'id b: the value is "x", not a finite number'),
        ({"a": 0.1, "b": True}, "id b: the value is true"),
        ('{"a": 0.1, "b": NaN}', "id b: the value is NaN"),
    ],
)
def test_bad_odds(desk: Desk, odds: Any, message: str) -> None:
    assert message in desk.refused(V2, {"a": "one", "b": ""}, "--na_prob_file", desk.write("odds.json", odds))


def test_odds_of_questions_without_a_prediction_are_not_needed(desk: Desk) -> None:
    odds = desk.write("odds.json", {"a": 0.1, "other": 0.2})
    assert desk.good(V2, {"a": "one"}, "--na_prob_file", odds)[0]["exact_match"] == 50.0


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        (V1, ["--na_prob_file", "odds.json"], "v1.1 has no questions without an answer"),
        (V2, ["--na_prob_thresh", "0.5"], "it needs --na_prob_file"),
        (V2, ["--na_prob_file", "absent.json"], "absent.json: file not found"),
        (V2, ["--na_prob_file", "absent.json", "--na_prob_thresh", "nan"], "nan is not a finite number"),
        (V2, ["--squad_version", "1.1"], "id b: the question has no gold answer by v1.1"),
        (V1, ["--squad_version", "3"], "--squad_version"),
        (V1, ["--outptu", "x"], "did you mean --output?"),
        ("{}", [], "data"),
        ("nothing", [], "data.json:1, column 1: not valid json"),
    ],
)
def test_bad_options_and_data(desk: Desk, data: Any, more: list[str], message: str) -> None:
    assert message in desk.refused(data, {"a": "one", "b": "two"}, *more)


def test_missing_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, desk: Desk) -> None:
    data = desk.write("data.json", V1)
    for argv in ([tmp_path / "no.json", data], [data, tmp_path / "no.json"], [data, tmp_path]):
        assert run_command(main, [str(word) for word in argv]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "file not found" in err or "a folder stands" in err
    assert run_command(main, []) == 2


def test_damaged_gzip(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    path = desk.write("cut.json.gz", {"a": "one", "b": "two"})
    path.write_bytes(path.read_bytes()[:-12])
    assert run_command(main, [str(desk.write("data.json", V1)), str(path)]) == 2
    assert "cut.json.gz: the gzip data are damaged or cut off" in capsys.readouterr().err


def test_the_output_never_replaces_an_input(desk: Desk, tmp_path: Path) -> None:
    message = desk.refused(V1, {"a": "one", "b": "two"}, "--output", tmp_path / "data.json")
    assert "the file is an input, too" in message
    assert json.loads((tmp_path / "data.json").read_text(encoding="utf-8")) == V1


def test_a_refused_call_leaves_the_output_alone(desk: Desk, tmp_path: Path) -> None:
    output = tmp_path / "metrics.json"
    output.write_text("good", encoding="utf-8")
    desk.refused(V1, {"x": "one"}, "--output", output)
    assert output.read_text(encoding="utf-8") == "good"


def test_help_is_quick_and_loads_no_mindspore() -> None:
    result, used_s = run_measured([sys.executable, str(ROOT / "evaluate_squad.py"), "--help"])
    assert result.returncode == 0, result.stderr
    assert "--na_prob_file" in result.stdout
    assert used_s < 1.0
    code = "import sys, evaluate_squad; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
