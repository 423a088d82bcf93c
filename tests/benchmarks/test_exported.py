from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import exported
from src.common.errors import AlbertError, TrainingError
from tests.entry.runs import Outcome

Runs = Callable[[str], tuple[Path, Outcome]]


@pytest.mark.slow
def test_every_form_of_a_run_answers_alike(tiny_run: Runs) -> None:
    run, outcome = tiny_run("sst-2")
    lines = exported.compare(run)
    rows = [line.split("  ")[0] for line in lines[2:-1]]
    assert rows == ["checkpoint", "MindIR", "MindIR, any shape", "ONNX"]
    # The score is that of the run's own evaluation.
    (score,) = {line.split()[-6] for line in lines[2:-1]}
    assert f"accuracy {float(score):.6f}" in outcome.out
    assert float(lines[-1].split()[-1]) < exported.LARGEST_DIFFERENCE


@pytest.mark.slow
def test_a_difference_is_an_error(tiny_run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "LARGEST_DIFFERENCE", -1.0)
    monkeypatch.setattr(exported, "_EXPORTS", {"ONNX": ("--file_format", "ONNX")})
    with pytest.raises(TrainingError, match="outputs differ"):
        exported.compare(tiny_run("sst-2")[0])


@pytest.mark.slow
def test_other_runs_are_refused(tiny_run: Runs, tmp_path: Path) -> None:
    for run, message in ((tiny_run("names")[0], "a run of token_classification"), (tmp_path, "not a run directory")):
        with pytest.raises(AlbertError, match=message):
            exported.compare(run)


def test_words_are_spelled_again() -> None:
    assert exported._spelled(["▁a", "▁film", "s", "▁."]) == "a films ."
    assert exported._spelled(["a", "film", "##s"]) == "a films"
    assert exported._spelled([]) == "."
