from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import DataError, OutputError
from src.train.metrics_log import EVAL, TRAIN, MetricsLog, read_metrics, truncate_metrics

ROOT = Path(__file__).resolve().parents[2]


def write_steps(path: Path, steps: range, tensorboard: Path | None = None, **options: int) -> None:
    with MetricsLog(path, tensorboard, **options) as log:
        for step in steps:
            log.write(TRAIN, epoch=step / 10, step=step, figures={"loss": 1 / (step + 1)})


def scalars(directory: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_records_are_json_lines_with_all_digits(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.write(TRAIN, epoch=0.1, step=1, figures={"loss": np.float32(0.1), "overflow_steps": 0, "rows": np.int64(3)})
        log.write(EVAL, epoch=0.1, step=1, figures={"accuracy": 2 / 3})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert list(lines[0]) == ["time", "kind", "epoch", "step", "loss", "overflow_steps", "rows"]
    assert lines[0]["loss"] == float(np.float32(0.1))
    assert lines[1]["accuracy"] == 2 / 3
    assert (lines[0]["kind"], lines[1]["kind"], lines[0]["step"]) == ("train", "eval", 1)
    assert [{k: v for k, v in record.items() if k != "time"} for record in read_metrics(path)] == [
        {"kind": "train", "epoch": 0.1, "step": 1, "loss": float(np.float32(0.1)), "overflow_steps": 0, "rows": 3},
        {"kind": "eval", "epoch": 0.1, "step": 1, "accuracy": 2 / 3},
    ]


def test_numbers_that_json_does_not_know_are_strings_in_the_file_and_numbers_again_when_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, tmp_path / "tb") as log:
        log.write(TRAIN, epoch=0, step=1, figures={"a": math.nan, "b": np.float32("inf"), "c": -math.inf, "d": 1.0})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not valid JSON")

    record = json.loads(path.read_text(), parse_constant=refuse)
    assert [record[name] for name in "abcd"] == ["NaN", "Infinity", "-Infinity", 1.0]
    back = read_metrics(path)[0]
    assert math.isnan(back["a"])
    assert (back["b"], back["c"]) == (math.inf, -math.inf)
    assert scalars(tmp_path / "tb", "train/b") == [(1, math.inf)]
    assert math.isnan(scalars(tmp_path / "tb", "train/a")[0][1])


def test_a_record_is_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.write(TRAIN, epoch=0, step=1, figures={"loss": 1.0})
        assert len(read_metrics(path)) == 1


def test_a_figure_cannot_replace_the_records_own_keys(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "m.jsonl") as log:
        log.write(TRAIN, epoch=0, step=5, figures={"step": 99, "loss": 1.0})
    assert read_metrics(tmp_path / "m.jsonl")[0]["step"] == 5


def test_tensorboard_reads_the_events_back(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "m.jsonl", tmp_path / "tb") as log:
        for step in range(1, 6):
            log.write(TRAIN, epoch=0, step=step, figures={"loss": 1 / step, "learning_rate": 1e-5})
        log.write(EVAL, epoch=0, step=5, figures={"accuracy": 0.75})
        # Evaluations are flushed, so a running TensorBoard shows them.
        assert scalars(tmp_path / "tb", "eval/accuracy") == [(5, 0.75)]
    loss = scalars(tmp_path / "tb", "train/loss")
    assert [step for step, _ in loss] == [1, 2, 3, 4, 5]
    assert np.allclose([value for _, value in loss], [1 / step for step in range(1, 6)], atol=1e-7)
    assert scalars(tmp_path / "tb", "train/learning_rate")[0][1] == pytest.approx(1e-5, rel=1e-6)


def test_tensorflow_is_not_needed(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom src.train.metrics_log import MetricsLog\n"
        "assert 'tensorboard' not in sys.modules\n"
        f"MetricsLog(Path({str(tmp_path / 'm')!r}), Path({str(tmp_path / 'tb')!r})).close()\n"
        "assert 'tensorboard' in sys.modules\n"
        "assert not {'tensorflow', 'mindspore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_resumed_run_writes_no_step_twice(tmp_path: Path) -> None:
    path, events = tmp_path / "metrics.jsonl", tmp_path / "tb"
    write_steps(path, range(1, 9), events)
    kept = path.read_text().splitlines()[:5]
    write_steps(path, range(6, 11), events, resume_step=5)
    assert [record["step"] for record in read_metrics(path)] == list(range(1, 11))
    assert path.read_text().splitlines()[:5] == kept
    assert [step for step, _ in scalars(events, "train/loss")] == list(range(1, 11))


def test_the_part_of_a_line_that_a_killed_run_leaves_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write_steps(path, range(1, 4))
    with path.open("a") as stream:
        stream.write('{"time": 1, "kind": "train", "st')
    assert [record["step"] for record in read_metrics(path)] == [1, 2, 3]
    write_steps(path, range(4, 6), resume_step=3)
    assert [record["step"] for record in read_metrics(path)] == [1, 2, 3, 4, 5]


def test_truncation_counts_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert truncate_metrics(tmp_path / "missing", 3) == 0
    write_steps(tmp_path / "m", range(1, 6))
    assert truncate_metrics(tmp_path / "m", 2) == 3
    assert truncate_metrics(tmp_path / "m", 0) == 2
    assert read_metrics(tmp_path / "m") == []


@pytest.mark.parametrize("line", ["{", "[1]", '{"kind": "train"}', '{"kind": "train", "step": "1"}', '{"step": 1}', ""])
def test_a_damaged_line_is_named_and_nothing_is_lost(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    write_steps(path, range(1, 3))
    with path.open("a") as stream:
        stream.write(line + "\n")
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"metrics\.jsonl:3"):
        read_metrics(path)
    with pytest.raises(DataError, match=r"metrics\.jsonl:3"):
        MetricsLog(path, resume_step=1)
    assert path.read_bytes() == before


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_metrics(tmp_path / "missing.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        read_metrics(tmp_path / "binary")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with MetricsLog(tmp_path / "metrics.jsonl") as log, pytest.raises(OutputError, match="no space left"):
        log.write(TRAIN, epoch=0, step=1, figures={"loss": 1.0})


class FullEvents:
    """Events whose last ones do not fit on the disk."""

    def close(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_for_the_last_events_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    monkeypatch.setattr(log, "_events", FullEvents())
    with pytest.raises(OutputError, match="no space left"):
        log.close()
    log.close()
    log = MetricsLog(tmp_path / "metrics.jsonl")
    monkeypatch.setattr(log, "_events", FullEvents())
    with pytest.raises(DataError, match=r"^the first$"), log:
        raise DataError("the first")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        MetricsLog(tmp_path / "file" / "metrics.jsonl")
    with pytest.raises(OutputError):
        MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        MetricsLog(tmp_path / "folder")
