"""Features, data and the start of commands: what both sides get and what the tables say."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import pytest

from benchmarks.contest import data, features, steps
from benchmarks.contest.commands import Timed, run_timed
from benchmarks.contest.features_case import PEER_QUESTIONS, PEER_TOKENIZER, FeaturesCase
from benchmarks.contest.page import Page
from benchmarks.contest.runner import Outcome
from benchmarks.creation_run import Run
from src.common.errors import DeviceError

CASE = FeaturesCase("dev.json", "some.model", "folder", 1)


def test_the_peer_gets_questions_and_a_tokenizer(squad_file: Path, model: Path, tmp_path: Path) -> None:
    assert features.prepare(squad_file, model, tmp_path) == 2
    content = json.loads((tmp_path / PEER_QUESTIONS).read_text())
    assert [(name, context) for name, _, context in content["questions"]] == [("1", 0), ("2", 0)]
    assert len(content["contexts"]) == 1
    assert (tmp_path / PEER_TOKENIZER / "spiece.model").read_bytes() == model.read_bytes()


def test_a_case_names_the_cores_of_the_peer() -> None:
    assert CASE.name == "384/64/128, one core"
    assert dataclasses.replace(CASE, cores=4).name == "384/64/128, 4 cores for the peer"


def test_the_table_of_features(
    squad_file: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "SST-2").mkdir()
    (tmp_path / "SST-2" / "train.tsv").write_text("sentence\tlabel\n" + "a film\t1\n" * 30)
    cases: list[FeaturesCase] = []

    def contest(case: FeaturesCase, *others: object) -> Outcome:
        cases.append(case)
        return Outcome(case, (2.0, 1.0, 3.0), (4.0,), {"peer": "1"}, (1200.0, 1100.0))

    monkeypatch.setattr(features, "contest", contest)
    monkeypatch.setattr(features, "usable_cpu_count", lambda: 8)
    monkeypatch.setattr(features, "run_timed", lambda words: Timed(3.0, 2.0))
    given = {"squad_json": squad_file, "spm_model_file": model, "glue_dir": tmp_path, "rounds": 2}
    options = argparse.Namespace(**given, peer_python=sys.executable)
    assert features.report(options, Page()) == {"peer": "1"}
    shown = capsys.readouterr().out
    assert [case.cores for case in cases] == [1, 8]
    assert "| 384/64/128, one core | 2.000 (1.000 - 3.000) | 4.000 (4.000 - 4.000) | 0.50 | 1.00 | yes |" in shown
    assert "Windows: ours 1,200, the peer's 1,100" in shown
    assert "| mindrecord | 3.000 (3.000 - 3.000) | 2.0 | 10 | 15 |" in shown


@pytest.mark.slow
def test_the_real_sides_make_windows(squad_file: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from benchmarks.contest import ours_features, peer_features

    features.prepare(squad_file, model, tmp_path)
    sizes = {"max_seq_length": 40, "max_query_length": 20, "doc_stride": 8}
    case = FeaturesCase(str(squad_file), str(model), str(tmp_path), 1, **sizes)
    windows = [side.prepare(case)() for side in (ours_features, peer_features)]
    assert min(windows) > 4
    assert {"tokenizers", "transformers"} == set(peer_features.versions())


def test_the_gain_by_more_workers_is_that_of_the_wall_time() -> None:
    def run_of(wall_s: float, cpu_s: float) -> Run:
        return Run(wall_s, cpu_s, text_tokens=1000, record_tokens=4000, parent_mb=50, worker_mb=90, digest="a")

    alone, two = [run_of(6, 5), run_of(4, 5), run_of(9, 5)], [run_of(4, 8)]
    expected = ["1x", "1", "6.0", "1.00", "5.0", "200", "800", "50", "-"]
    assert data.cells(1, 1, alone, alone) == expected
    assert data.cells(10, 2, two, alone) == ["10x", "2", "4.0", "1.50", "8.0", "125", "500", "50", "90"]
    assert data.cells(10, 2, two, ())[3] == "-"


def test_the_table_of_pretraining_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("some text\n")
    texts: list[tuple[str, int]] = []

    def create(text: Path, output: Path, workers: int, options: list[str]) -> Run:
        texts.append((text.name, workers))
        return Run(6.0 / workers, 5.0, 1000, 4000, 50.0, 90.0, f"{text.name} {workers if text.is_dir() else 0}")

    given = {"text_file": tmp_path / "text.txt", "spm_model_file": tmp_path / "some.model"}
    options = argparse.Namespace(**given, rounds=1, copies=3, workers=[1, 2])
    assert "sentencepiece" in data.report(options, Page(), create)
    shown = capsys.readouterr().out
    assert texts == [("text.txt", 1), ("text.txt", 2), ("text", 1), ("text", 2)]
    assert "| 3x | 2 | 3.0 | 2.00 | 5.0 |" in shown
    assert "1x text: the same files for 1, 2 workers" in shown
    assert "3x text: DIFFERENT files among 1, 2 workers" in shown


def test_every_entry_script_is_asked_for_help() -> None:
    found = steps.commands()
    assert {"run_classifier.py", "predict.py", "launch.py", "convert_tf_ckpt/convert.py"} <= set(found)
    assert "convert_tf_ckpt/project_command.py" not in found


def test_the_seconds_of_help_are_held_to_a_second() -> None:
    quick, slow = Timed(0.4, 0.35), Timed(3.0, 0.5)
    row = ["`predict.py`", "0.400 (0.400 - 3.000)", "0.35", "1.00", "yes"]
    assert steps.help_cells("predict.py", [slow, quick, quick]) == row
    assert steps.help_cells("predict.py", [slow, quick, slow])[-1] == "no"


def test_a_command_is_timed_and_its_failure_told() -> None:
    taken = run_timed(["evaluate_squad.py", "--help"])
    assert taken.wall_s > 0.01
    assert taken.cpu_s > 0.01
    with pytest.raises(DeviceError, match=r"evaluate_squad.py ended with 2 -> error: unknown option --no_such_key"):
        run_timed(["evaluate_squad.py", "a.json", "b.json", "--no_such_key"])
