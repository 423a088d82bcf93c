"""When the profiler runs and what it is asked for, with a recorder in the place of MindSpore's."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.runtime import profiling
from src.runtime.profiling import TrainingProfile


class Recorder:
    """Stands for ``ms.profiler``; remembers the last profile."""

    ProfilerActivity = SimpleNamespace(CPU="cpu", GPU="gpu", NPU="npu")
    ProfilerLevel = SimpleNamespace(Level0="level 0", Level1="level 1", Level2="level 2")
    AicoreMetrics = SimpleNamespace(PipeUtilization="pipes", AiCoreNone="none")

    def __init__(self) -> None:
        self.events: list[str] = []
        self.settings: dict[str, Any] = {}

    def tensorboard_trace_handler(self, folder: str) -> str:
        return folder

    def _ExperimentalConfig(self, **settings: str) -> dict[str, str]:  # noqa: N802
        return settings

    def profile(self, **settings: Any) -> Any:
        self.settings = settings
        self.events.append("start")
        return SimpleNamespace(stop=lambda: self.events.append("stop"))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(profiling, "ms", SimpleNamespace(profiler=made))
    return made


def run(profile: TrainingProfile, recorder: Recorder, updates: int) -> None:
    for update in range(updates):
        profile.before(update)
        recorder.events.append(str(update))
        profile.after(update + 1, 10)


def test_only_the_updates_that_are_wanted_are_profiled(recorder: Recorder, tmp_path: Path) -> None:
    profile = TrainingProfile(tmp_path / "profiling", tmp_path / "profile", 2, 2, "CPU")
    run(profile, recorder, 6)
    profile.close(failed=False)
    assert recorder.events == ["0", "1", "start", "2", "3", "stop", "4", "5"]
    assert recorder.settings == {"activities": ["cpu"], "on_trace_ready": str(tmp_path / "profiling")}
    assert json.loads((tmp_path / "profile.json").read_text())["updates"] == [3, 4]
    assert (tmp_path / "profile.txt").read_text().startswith("profile of updates 3 to 4 on CPU")


@pytest.mark.parametrize(("level", "metrics"), [(0, "none"), (1, "pipes"), (2, "pipes")])
def test_an_ascend_is_asked_with_a_level(level: int, metrics: str, recorder: Recorder, tmp_path: Path) -> None:
    run(TrainingProfile(tmp_path, tmp_path / "profile", 0, 1, "Ascend", level), recorder, 1)
    assert recorder.settings["activities"] == ["cpu", "npu"]
    assert recorder.settings["experimental_config"] == {"profiler_level": f"level {level}", "aic_metrics": metrics}


def test_a_gpu_has_no_level(recorder: Recorder, tmp_path: Path) -> None:
    run(TrainingProfile(tmp_path, tmp_path / "profile", 0, 1, "GPU", 2), recorder, 1)
    assert recorder.settings == {"activities": ["cpu", "gpu"], "on_trace_ready": str(tmp_path)}


@pytest.mark.parametrize("failed", [True, False])
def test_a_training_that_ends_early_stops_the_profiler(failed: bool, recorder: Recorder, tmp_path: Path) -> None:
    profile = TrainingProfile(tmp_path / "profiling", tmp_path / "profile", 1, 5, "CPU")
    run(profile, recorder, 3)
    profile.close(failed)
    profile.close(failed)
    assert recorder.events.count("stop") == 1
    assert json.loads((tmp_path / "profile.json").read_text())["updates"] == [2, 3]


def test_a_training_that_is_too_short_says_so(
    recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profile = TrainingProfile(tmp_path / "profiling", tmp_path / "profile", 5, 5, "CPU")
    run(profile, recorder, 3)
    with caplog.at_level(logging.WARNING):
        profile.close(failed=False)
    assert "nothing was profiled" in caplog.text
    assert list(tmp_path.iterdir()) == []
