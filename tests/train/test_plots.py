from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.common.errors import DataError
from src.train.metrics_log import EVAL, TRAIN, MetricsLog
from src.train.plots import plot_loss, plot_metrics, smooth

ROOT = Path(__file__).resolve().parents[2]


def write_run(path: Path, steps: int = 60, bad_step: int | None = None) -> Path:
    generator = np.random.default_rng(0)
    with MetricsLog(path) as log:
        for step in range(1, steps + 1):
            loss = math.nan if step == bad_step else 0.3 + math.exp(-step / 20) + 0.05 * generator.normal()
            figures = {"loss": loss, "mlm_loss": 0.8 * loss, "learning_rate": 1e-5}
            log.write(TRAIN, epoch=step / 30, step=step, figures=figures)
            if step % 20 == 0:
                figures = {"mcc": -0.1 + step / 100, "accuracy": 0.6 + step / 200, "loss": loss}
                log.write(EVAL, epoch=step / 30, step=step, figures=figures)
    return path


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_both_pictures_are_written_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    metrics = write_run(tmp_path / "metrics.jsonl")
    for draw, name in ((plot_loss, "loss"), (plot_metrics, "metric")):
        assert draw(metrics, tmp_path / f"{name}.png")
        assert draw(metrics, tmp_path / f"{name}_2.png")
        assert png_size(tmp_path / f"{name}.png") == (960, 540)
        assert (tmp_path / f"{name}.png").read_bytes() == (tmp_path / f"{name}_2.png").read_bytes()


def test_the_picture_shows_what_is_in_the_file(tmp_path: Path) -> None:
    plot_loss(write_run(tmp_path / "a.jsonl"), tmp_path / "a.png")
    plot_loss(write_run(tmp_path / "b.jsonl", bad_step=30), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    plot_metrics(tmp_path / "a.jsonl", tmp_path / "c.png", names=["mcc"])
    plot_metrics(tmp_path / "a.jsonl", tmp_path / "d.png", names=["accuracy", "mcc"])
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "d.png").read_bytes()


def captured_axes(monkeypatch: pytest.MonkeyPatch) -> list:
    from src.train import plots

    taken: list = []
    monkeypatch.setattr(plots, "_save", lambda figure, axes, path: taken.append(axes))
    return taken


def test_axes_have_titles_and_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = captured_axes(monkeypatch)
    metrics = write_run(tmp_path / "metrics.jsonl", bad_step=30)
    plot_loss(metrics, tmp_path / "loss.png", unit="squared score")
    plot_metrics(metrics, tmp_path / "metric.png", names=["mcc", "missing"])
    assert [(a.get_title(), a.get_xlabel(), a.get_ylabel()) for a in axes] == [
        ("Training loss", "optimizer steps", "loss (squared score)"),
        ("Evaluation", "optimizer steps", "metric (1 is perfect)"),
    ]
    labels = [line.get_label() for line in axes[0].lines]
    assert labels == [
        "loss, raw", "loss, smoothed", "mlm_loss, raw", "mlm_loss, smoothed", "not finite", "loss, evaluation",
    ]  # fmt: skip
    assert list(axes[0].lines[4].get_xdata()) == [30]
    assert [line.get_label() for line in axes[1].lines] == ["mcc", "best mcc: 0.5000 at step 60"]


def test_a_step_that_is_in_the_file_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = captured_axes(monkeypatch)
    with MetricsLog(tmp_path / "m.jsonl") as log:
        for value in (0.5, 0.75):
            log.write(EVAL, epoch=1, step=10, figures={"accuracy": value})
    plot_metrics(tmp_path / "m.jsonl", tmp_path / "metric.png")
    assert axes[0].lines[0].get_ydata().tolist() == [0.75]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_short_runs(tmp_path: Path, steps: int) -> None:
    metrics = write_run(tmp_path / "metrics.jsonl", steps=steps)
    assert plot_loss(metrics, tmp_path / "loss.png") == (steps > 0)
    assert not plot_metrics(metrics, tmp_path / "metric.png")
    assert (tmp_path / "loss.png").exists() == (steps > 0)
    assert not (tmp_path / "metric.png").exists()


def test_a_run_that_is_not_finite_from_the_start(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "m.jsonl") as log:
        log.write(TRAIN, epoch=0, step=1, figures={"loss": math.nan})
        log.write(EVAL, epoch=0, step=1, figures={"accuracy": math.nan})
    assert plot_loss(tmp_path / "m.jsonl", tmp_path / "loss.png")
    assert plot_metrics(tmp_path / "m.jsonl", tmp_path / "metric.png")


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        plot_loss(tmp_path / "missing.jsonl", tmp_path / "loss.png")


def test_smoothing() -> None:
    assert smooth(np.array([3.0, 3.0, 3.0]), 2).tolist() == [3.0, 3.0, 3.0]
    assert smooth(np.array([1.0, 2.0, 5.0]), 1).tolist() == [1.0, 2.0, 5.0]
    # Weights 1/2 and 1: (0.5 * 1 + 4) / 1.5.
    assert smooth(np.array([1.0, 4.0]), 2).tolist() == [1.0, 3.0]
    skipped = smooth(np.array([math.nan, 2.0, math.inf, 2.0]), 4)
    assert math.isnan(skipped[0])
    assert skipped[1:].tolist() == [2.0, 2.0, 2.0]
    assert smooth(np.zeros(0), 3).shape == (0,)


def test_no_display_and_no_global_backend_is_touched(tmp_path: Path) -> None:
    write_run(tmp_path / "m.jsonl")
    program = (
        "import sys\nfrom pathlib import Path\nfrom src.train.plots import plot_loss\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"plot_loss(Path({str(tmp_path / 'm.jsonl')!r}), Path({str(tmp_path / 'loss.png')!r}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
