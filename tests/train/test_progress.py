from __future__ import annotations

import fcntl
import io
import logging
import os
import pty
import struct
import termios

import numpy as np
import pytest

from src.train.progress import EvaluationProgress, TrainProgress, epoch_of, format_duration, format_figures, shows_bars

FIGURES = {
    "loss": 10.82,
    "mlm_loss": 10.1,
    "sop_loss": 0.72,
    "learning_rate": 1.5e-5,
    "grad_norm": 1.23456,
    "loss_scale": 65536.0,
    "overflow_steps": 0,
    "ms_per_step": 250.04,
    "tokens_per_s": 4096.4,
}


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_plain_line_letter_by_letter() -> None:
    clock = Clock()
    progress = TrainProgress(2000, 1000, stream=io.StringIO(), clock=clock)
    clock.now_s += 65
    assert progress.report(100, FIGURES) == (
        "epoch: 1, current epoch percent: 0.100, step: 100, loss: 10.8200, mlm_loss: 10.1000, sop_loss: 0.7200, "
        "lr: 1.500e-05, grad_norm: 1.235, loss_scale: 65536, ms/step: 250.0, tokens/s: 4096, "
        "elapsed: 0:01:05, eta: 0:07:55"
    )


def test_the_utilisation_is_shown_in_percent_where_it_is_known() -> None:
    assert format_figures({"tokens_per_s": 4096.4, "first_update_ms": 900.0}) == "tokens/s: 4096"
    assert format_figures({"tokens_per_s": 4096.4, "tflops": 0.14321}) == "tokens/s: 4096, TFLOP/s: 0.143"
    assert format_figures({"tflops": 106.04, "mfu": 0.41423}) == "TFLOP/s: 106, mfu: 41.4%"
    # A tiny network on a CPU.
    assert format_figures({"tflops": 0.0000123}) == "TFLOP/s: 1.23e-05"


@pytest.mark.parametrize(
    ("step", "epoch", "share"), [(0, 1, 0.0), (1, 1, 0.1), (10, 1, 1.0), (11, 2, 0.1), (20, 2, 1.0), (25, 3, 0.5)]
)
def test_the_epoch_of_a_step(step: int, epoch: int, share: float) -> None:
    assert epoch_of(step, 10) == (epoch, pytest.approx(share))


def test_the_pace_leaves_out_compilation_and_holds_evaluation() -> None:
    clock = Clock()
    progress = TrainProgress(1000, 1000, stream=io.StringIO(), clock=clock)
    clock.now_s += 300
    assert progress.report(10, {"loss": 1.0, "ms_per_step": 100}).endswith("elapsed: 0:05:00, eta: 0:01:39")
    # 90 steps in 18 s with an evaluation between, though a step takes 100 ms.
    clock.now_s += 18
    assert progress.report(100, {"loss": 1.0, "ms_per_step": 100}).endswith("eta: 0:03:00")
    assert progress.report(1000, {"loss": 1.0}).endswith("eta: 0:00:00")


def test_the_first_line_without_a_pace_says_so() -> None:
    progress = TrainProgress(10, 10, stream=io.StringIO())
    assert progress.report(1, {"loss": 1.0}).endswith("eta: unknown")


def test_counts_have_no_decimals() -> None:
    shown = format_figures({"f1": 50.0, "total": 60, "HasAns_total": np.int64(20)})
    assert shown == "f1: 50.0000, total: 60, HasAns_total: 20"


def test_skipped_updates_and_losses_that_are_not_finite_are_shown() -> None:
    shown = format_figures({"loss": float("nan"), "overflow_steps": 2})
    assert shown == "loss: nan, overflow_steps: 2"
    assert "overflow" not in format_figures({"loss": 1.0, "overflow_steps": 0})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3725, "1:02:05"), (360000, "100:00:00"), (-3, "0:00:00")]
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_in_a_log_there_are_lines_and_no_bar(caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    with caplog.at_level(logging.INFO), TrainProgress(10, 10, stream=stream) as progress:
        progress.advance(1)
        progress.report(5, {"loss": 1.0})
    assert stream.getvalue() == ""
    assert caplog.messages[0].startswith("epoch: 1, current epoch percent: 0.500, step: 5, loss: 1.0000")
    assert not getattr(caplog.records[0], "file_only", False)


def test_on_a_terminal_there_is_a_bar_and_the_line_is_for_the_file(caplog: pytest.LogCaptureFixture) -> None:
    stream = Terminal()
    with caplog.at_level(logging.INFO), TrainProgress(20, 10, first_step=4, stream=stream) as progress:
        progress.advance(5)
        progress.report(15, FIGURES)
        progress.close()
    last = stream.getvalue().split("\r")[-1]
    assert "15/20" in last
    assert "epoch 2" in last
    assert "loss: 10.8200" in last
    assert "lr: 1.500e-05" in last
    assert "epoch:" not in stream.getvalue()
    assert caplog.records[0].__dict__["file_only"] is True


@pytest.mark.parametrize(("lines", "columns", "expected"), [(24, 0, False), (0, 120, False), (24, 80, True)])
def test_a_terminal_without_size_gets_lines(lines: int, columns: int, expected: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        with open(theirs, "w", closefd=False) as stream:
            assert shows_bars(stream) is expected
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_bar_can_be_chosen() -> None:
    stream = Terminal()
    TrainProgress(10, 10, stream=stream, bar=False).report(1, {"loss": 1.0})
    assert stream.getvalue() == ""


def test_evaluation_shows_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock, stream = Clock(), io.StringIO()
    with caplog.at_level(logging.INFO), EvaluationProgress(100, "evaluate dev", stream=stream, clock=clock) as progress:
        progress(10)
        clock.now_s += 31
        progress(40)
        progress(50)
    assert caplog.messages == ["evaluate dev: 40 of 100 rows"]
    assert stream.getvalue() == ""


def test_evaluation_has_a_bar_on_a_terminal_that_goes_away() -> None:
    stream = Terminal()
    with EvaluationProgress(100, "evaluate dev", stream=stream) as progress:
        progress(100)
    assert "evaluate dev" in stream.getvalue()
    assert stream.getvalue().split("\r")[-1].strip() == ""
