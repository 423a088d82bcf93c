from __future__ import annotations

import numpy as np
import pytest

from src.tasks import step_window
from src.tasks.feed import StepInfo
from src.tasks.step_window import SpeedMeter, StepWindow

SPEED = SpeedMeter(lambda rows, length: 10**9 * rows * length)


class Value:
    """As much of a tensor as the window reads."""

    def __init__(self, value: float) -> None:
        self.value = value

    def asnumpy(self) -> float:
        return self.value


def outputs(
    loss: float, norm: float = 0.0, rate: float = 0.1, scale: float = 1.0, overflow: bool = False, *figures: float
) -> tuple[Value, ...]:
    return tuple(Value(item) for item in (loss, norm, rate, scale, overflow, *figures))


def test_means_over_updates_and_last_values() -> None:
    window = StepWindow(("accuracy",), 1, SPEED)
    window.add(StepInfo(np.arange(4), 40, 16), outputs(1.0, 2.0, 0.1, 64.0, False, 0.5))
    window.add(StepInfo(np.arange(4), 20, 16), outputs(2.0, 4.0, 0.2, 32.0, False, 1.0))
    figures = window.figures()
    assert {name: figures[name] for name in ("loss", "accuracy", "grad_norm", "learning_rate", "loss_scale")} == {
        "loss": 1.5,
        "accuracy": 0.75,
        "grad_norm": 3.0,
        "learning_rate": 0.2,
        "loss_scale": 32.0,
    }
    assert figures["overflow_steps"] == 0


def test_micro_batches_of_an_update_add_up() -> None:
    """Losses and figures are shares of the update; its norm is that of the last call."""
    window = StepWindow(("accuracy",), 2, SPEED)
    for loss, norm, share in ((0.5, 0.0, 0.25), (0.25, 3.0, 0.5), (1.0, 0.0, 0.0), (1.25, 5.0, 0.25)):
        window.add(StepInfo(np.arange(2), 10, 16), outputs(loss, norm, 0.1, 1.0, False, share))
    figures = window.figures()
    assert len(window) == 4
    assert (figures["loss"], figures["accuracy"], figures["grad_norm"]) == (1.5, 0.5, 4.0)


def test_skipped_updates_are_counted_and_left_out() -> None:
    window = StepWindow((), 1, SPEED)
    window.add(StepInfo(np.arange(1), 1, 16), outputs(float("inf"), float("nan"), 0.1, 8.0, True))
    window.add(StepInfo(np.arange(1), 1, 16), outputs(3.0, 1.0, 0.1, 4.0))
    figures = window.figures()
    assert (figures["loss"], figures["grad_norm"], figures["overflow_steps"]) == (3.0, 1.0, 1)


def test_only_skipped_updates_show_what_they_were() -> None:
    window = StepWindow((), 1, SPEED)
    window.add(StepInfo(np.arange(1), 1, 16), outputs(float("inf"), float("inf"), 0.1, 8.0, True))
    figures = window.figures()
    assert (figures["loss"], figures["overflow_steps"]) == (float("inf"), 1)


def test_speed_and_clearing(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(step_window.time, "perf_counter", lambda: now_s[0])
    window = StepWindow((), 2, SPEED)
    now_s[0] = 150.0
    window.clear()
    for _ in range(4):
        window.add(StepInfo(np.arange(8), 50, 16), outputs(1.0))
    now_s[0] = 152.0
    figures = window.figures()
    assert (figures["ms_per_step"], figures["tokens_per_s"]) == (1000.0, 100.0)
    assert figures["first_update_ms"] == 0
    window.clear()
    assert len(window) == 0


def test_the_first_update_of_a_process_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(step_window.time, "perf_counter", lambda: now_s[0])
    window = StepWindow((), 2, SPEED)
    window.clear()
    # Of the two micro-batches of each update the very first compiles.
    for duration_s in (3.0, 1.0, 1.0, 1.0):
        now_s[0] += duration_s
        window.add(StepInfo(np.arange(1), 1, 16), outputs(1.0))
    figures = window.figures()
    assert (figures["ms_per_step"], figures["first_update_ms"]) == (3000.0, 4000.0)
    window.clear()
    window.add(StepInfo(np.arange(1), 1, 16), outputs(1.0))
    now_s[0] += 1.0
    window.add(StepInfo(np.arange(1), 1, 16), outputs(1.0))
    assert "first_update_ms" not in window.figures()


def test_flops_are_those_of_real_rows_at_their_padded_length() -> None:
    infos = [StepInfo(np.arange(4), 9, 8), StepInfo(np.arange(3), 40, 16), StepInfo(np.arange(0), 0, 16)]
    figures = SPEED.figures(infos, 1, 0.5)
    assert figures["tflops"] == pytest.approx((4 * 8 + 3 * 16) / 1000 / 0.5)
    assert "mfu" not in figures


def test_the_utilisation_is_a_share_of_all_devices_together() -> None:
    flops = SPEED.train_flops
    infos = [StepInfo(np.arange(4), 9, 8)]
    alone = SpeedMeter(flops, 1, 0.4).figures(infos, 1, 0.5)
    four = SpeedMeter(flops, 4, 0.4).figures(infos, 1, 0.5)
    assert (alone["tflops"], alone["mfu"]) == (pytest.approx(0.064), pytest.approx(0.16))
    assert (four["tflops"], four["mfu"]) == (pytest.approx(0.256), pytest.approx(0.16))
