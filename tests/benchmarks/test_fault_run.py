from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import fault_run
from benchmarks.faults.curves import (
    Curve,
    checkpoint_problems,
    compare,
    curve_of,
    curve_problems,
    saved_step,
    snapshot,
    weights_problems,
)
from benchmarks.faults.report import BAD, GOOD, Progress, Row, table
from benchmarks.faults.spoilt import flip
from benchmarks.faults.workplace import Workplace
from src.common.errors import ConfigError, DeviceError, OutputError
from tests.benchmarks.fault_samples import record, write_run


def test_equal_curves_may_differ_in_time_and_speed() -> None:
    wanted = curve_of([record(1, loss=2.0), record(2, loss=1.0), record(2, "eval", loss=1.5)])
    found = curve_of([{**record(1, loss=2.0), "time": 5.0, "ms_per_step": 9.0}, record(2, loss=1.0)])
    assert compare(wanted, wanted).problems == ()
    difference = compare(found, wanted)
    assert (difference.largest, difference.where) == (0, "")
    assert difference.problems == ("1 records are missing: eval record of step 2",)


def test_the_smallest_difference_is_seen_and_named() -> None:
    wanted = curve_of([record(1, loss=2.0, grad_norm=1.0), record(2, loss=1.0, grad_norm=1.0)])
    found = curve_of([record(1, loss=2.0, grad_norm=1.0), record(2, loss=1.0 + 2e-16, grad_norm=3.0)])
    assert compare(found, wanted).where == "grad_norm of train record of step 2"
    only_loss = compare(found, wanted, ("loss",))
    assert only_loss.where == "loss of train record of step 2"
    assert 0 < only_loss.largest < 1e-15


def test_a_figure_that_is_no_number_on_one_side_is_no_small_difference() -> None:
    wanted = curve_of([record(1, loss=2.0)])
    assert compare(curve_of([record(1, loss=float("nan"))]), wanted).largest == float("inf")
    assert compare(curve_of([record(1)]), wanted).problems == ("train record of step 1 has other figures",)


def test_repeated_and_additional_records_are_named() -> None:
    wanted = curve_of([record(step, loss=1.0) for step in range(1, 6)])
    twice = curve_of([record(step, loss=1.0) for step in (1, 2, 2, 3, 4, 5, 6)])
    assert compare(twice, wanted).problems == (
        "1 records are there twice: train record of step 2",
        "1 records are too many: train record of step 6",
    )
    assert compare(Curve({}), wanted).problems[0].endswith("train record of step 3, ...")


def test_problems_of_a_curve_respect_the_tolerance(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [record(1, loss=1.00005)])
    other = write_run(tmp_path / "other", [record(1, loss=1.0)])
    assert curve_problems(run, other, 1e-4) == []
    assert curve_problems(run, other, 0.0) == ["loss of train record of step 1 differs by 5.0e-05"]
    (run / "metrics.jsonl").write_text("no json\n")
    assert "is not JSON" in curve_problems(run, other, 1.0)[0]


def test_checkpoints_are_compared_by_their_checksums(tmp_path: Path) -> None:
    run, same = (write_run(tmp_path / name, [], (4, 8)) for name in ("run", "same"))
    assert (saved_step(run), saved_step(tmp_path / "none")) == (8, 0)
    assert checkpoint_problems(run) == weights_problems(run, same) == []
    other = write_run(tmp_path / "other", [], (4, 8), content="v")
    expected = ["the last checkpoint's weights differ", "the last checkpoint's state differ", "the best weights differ"]
    assert weights_problems(other, run) == expected
    (run / "checkpoints" / "a-4.state.ckpt").write_text("x")
    (run / "checkpoints" / "a-8.ckpt").unlink()
    assert checkpoint_problems(run) == ["a-4.state.ckpt is damaged", "a-8.ckpt is damaged"]


def test_a_flipped_byte_changes_the_snapshot_and_flipping_again_restores_it(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    path = tmp_path / "part" / "file"
    path.write_bytes(bytes(range(100)))
    before = snapshot(tmp_path)
    flip(path)
    assert list(before) == ["part/file"]
    assert snapshot(tmp_path) != before
    assert sum(a != b for a, b in zip(path.read_bytes(), range(100), strict=True)) == 1
    flip(path)
    assert snapshot(tmp_path) == before


def test_progress_tells_how_long_the_rest_will_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter((100.0, 100.0, 175.0, 400.0))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    progress = Progress(4)
    progress.say("a")
    progress.advance(1)
    progress.say("b")
    progress.advance(9)
    progress.say("c")
    expected = ["[  0% 0:00] a", "[ 25% 1:15, about 3:45 left] b", "[100% 5:00, about 0:00 left] c"]
    assert capsys.readouterr().err.splitlines() == expected


def test_verdicts_decide_table_and_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Row("hung", "SIGSTOP", "1", "error: rank 1 is stopped", found="resumed", figures={"ended_after_s": 3.0})
    bad = Row("slow", "SIGSTOP for 37 s", "137", "killed", ("the job ended with 137",))
    assert (good.verdict, bad.verdict) == (GOOD, BAD)
    lines = table([good, bad])
    assert lines[2].endswith("good: resumed")
    assert lines[3].endswith("BAD: the job ended with 137")
    assert table([Row("disk", "mount", "-", "no right", done_here=False)])[2].endswith("not done")
    assert table([Row("a", "word " * 20, "0", "")])[3].strip().startswith("word")

    def fail(place: Workplace) -> list[Row]:
        raise DeviceError("the uninterrupted run ended with 1")

    def hang(place: Workplace) -> list[Row]:
        return [replace(good, message=f"error: {place.folder}/hung/rank_1.log says it")]

    found = {"hung": (hang, 1.0), "slow": (fail, 1.0)}
    monkeypatch.setattr(fault_run, "cases", lambda kills: found)
    monkeypatch.setattr(Workplace, "make_records", lambda place: None)
    argv = ["--output_dir", str(tmp_path / "out")]
    assert fault_run.main([*argv, "--only", "hung"]) == 0
    content = json.loads((tmp_path / "out" / fault_run.REPORT_NAME).read_text())
    assert [row["verdict"] for row in content["rows"]] == [GOOD]
    assert content["rows"][0]["figures"] == {"ended_after_s": 3.0}
    assert content["rows"][0]["message"] == "error: hung/rank_1.log says it"
    with pytest.raises(OutputError, match="not empty"):
        fault_run.main(argv)
    assert fault_run.main(["--only", "hung,slow"]) == 1
    output = capsys.readouterr()
    assert "2 rows, 1 bad" in output.out
    assert "the uninterrupted run ended with 1" in output.out
    assert "slow: the case could not be run to its end: BAD" in output.err


def test_cases_are_chosen_by_name() -> None:
    single = ["kill_single", "disk_single", "start_single", "records_single"]
    assert fault_run.parse(["--only", "slow,single"]).only == [*single, "slow"]
    assert len(fault_run.parse([]).only) == 10


@pytest.mark.parametrize("wrong", [["--only", "nothing"], ["--only", ""], ["--kills", "0"], ["--kill", "3"]])
def test_wrong_options_are_refused(wrong: list[str]) -> None:
    with pytest.raises(ConfigError, match=wrong[0]):
        fault_run.parse(wrong)


@pytest.mark.slow
def test_killed_trainings_end_as_if_nothing_had_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert fault_run.main(["--kills", "2", "--only", "kill_single", "--output_dir", str(out)]) == 0
    (row,) = json.loads((out / fault_run.REPORT_NAME).read_text())["rows"]
    assert row["figures"]["kills"] == 2
    assert row["status"] == "137 (2x)"
    assert "1 rows, 0 bad" in capsys.readouterr().out
