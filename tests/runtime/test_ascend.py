"""Settings of an Ascend's compiler, with a recorder in the place of MindSpore's functions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.common.errors import DeviceError
from src.config.ascend_keys import AscendKeys
from src.runtime import ascend
from src.runtime.ascend import apply_ascend_settings


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.error: Exception | None = None
        precision = SimpleNamespace(precision_mode=self.take("precision_mode"))
        tuning = SimpleNamespace(aoe_tune_mode=self.take("aoe_tune_mode"))
        self.device_context = SimpleNamespace(ascend=SimpleNamespace(op_precision=precision, op_tuning=tuning))

    def take(self, name: str) -> Any:
        def call(value: Any) -> None:
            if self.error is not None:
                raise self.error
            self.calls.append((name, value))

        return call

    def set_context(self, **settings: Any) -> None:
        self.calls.append(("set_context", settings))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(ascend, "ms", made)
    return made


def test_nothing_is_set_that_was_not_asked_for(recorder: Recorder) -> None:
    apply_ascend_settings(AscendKeys(), "Ascend")
    assert recorder.calls == []


def test_all_settings(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keys = AscendKeys(precision_mode="allow_mix_precision", auto_tune=True, fusion_off_flag=True)
    apply_ascend_settings(keys, "Ascend")
    switches = {"ge.fusionSwitchFile": str(tmp_path / "fusion_switch.cfg")}
    assert recorder.calls == [
        ("precision_mode", "allow_mix_precision"),
        ("aoe_tune_mode", "online"),
        ("set_context", {"ascend_config": {"ge_options": {"session": switches}}}),
    ]


@pytest.mark.parametrize("device", ["CPU", "GPU"])
def test_nothing_is_called_on_another_device(recorder: Recorder, device: str) -> None:
    apply_ascend_settings(AscendKeys(precision_mode="must_keep_origin_dtype", auto_tune=True), device)
    assert recorder.calls == []


def test_a_setting_that_mindspore_refuses_is_one_line(recorder: Recorder) -> None:
    recorder.error = RuntimeError("The 'precision_mode' can not be set repeatedly.\nstack")
    with pytest.raises(DeviceError, match=r"^precision_mode: MindSpore refuses .* repeatedly -> start a new process"):
        apply_ascend_settings(AscendKeys(precision_mode="force_fp16"), "Ascend")
