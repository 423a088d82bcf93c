from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import squad_overfit
from benchmarks.squad_overfit import CASES, cut, main, parse
from src.common.errors import ConfigError, DataError, TrainingError
from src.data.squad import read_squad


def paragraph(number: int, answered: int, impossible: int, length: int = 40) -> dict[str, Any]:
    context = f"passage {number} " + "x" * length
    qas = [
        {"id": f"{number}-{i}", "question": "which?", "answers": [{"text": "passage", "answer_start": 0}] * 2}
        for i in range(answered)
    ]
    qas += [
        {"id": f"{number}-no-{i}", "question": "what else?", "answers": [], "is_impossible": True}
        for i in range(impossible)
    ]
    return {"context": context, "qas": qas}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    paragraphs = [paragraph(0, 3, 0), paragraph(1, 3, 3), paragraph(2, 1, 4, 900), paragraph(3, 2, 1)]
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


def ids_of(content: dict[str, Any]) -> list[str]:
    return [entry["id"] for part in content["data"][0]["paragraphs"] for entry in part["qas"]]


def test_a_part_of_each_version(file: Path) -> None:
    data = read_squad(file)
    assert ids_of(cut(data, "1.1", 5, 700)) == ["0-0", "0-1", "1-0", "1-1", "3-0"]
    assert ids_of(cut(data, "2.0", 6, 700)) == ["1-0", "1-1", "1-no-0", "1-no-1", "3-0", "3-1"]
    first = cut(data, "2.0", 6, 700)["data"][0]["paragraphs"][0]["qas"][0]
    assert first["answers"] == [{"text": "passage", "answer_start": 0}]


def test_too_few_questions_are_told(file: Path) -> None:
    with pytest.raises(DataError, match="there are only 7 such questions"):
        cut(read_squad(file), "2.0", 8, 700)


def test_options(file: Path) -> None:
    options = parse(["--json", str(file), "--spm_model_file", "m", "--questions", "3", "--", "--epoch_num", "2"])
    assert (options.questions, options.more) == (3, ["--epoch_num", "2"])
    with pytest.raises(ConfigError, match="--questions"):
        parse(["--json", "x", "--spm_model_file", "m", "--questions", "0"])


def test_a_command_that_fails_is_named(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match=r"create_squad_data.py.*none.model"):
        main(["--json", str(file), "--spm_model_file", str(tmp_path / "none.model"), "--questions", "3"])
    assert "questions" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.shared
def test_cases_run(shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One of each version, with different heads."""
    cases = (CASES[0], CASES[2])
    monkeypatch.setattr(squad_overfit, "CASES", cases)
    model = shared_data / "albert_en" / "30k-clean.model"
    json_file = shared_data / "squad" / "dev-v2.0.json.gz"
    options = ["--json", str(json_file), "--spm_model_file", str(model), "--questions", "8", "--", "--train_steps", "2"]
    assert main(options) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [row[:3] for row in rows] == [["1.1", "span", "8"], ["2.0", "beam", "8"]]
    assert [row[3] for row in rows] == ["0", "4"]
